"""Registration of the model family `lgi_former` with the Auto classes and pipelines of Transformers.

This module imports Transformers' Auto classes and torch, which takes seconds.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
)
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration import LGIFormerConfig
from .image_processing import LGIFormerVideoProcessor
from .inference import FacialExpressionPipeline
from .inference.loading import ExportedClassifier
from .modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel


TASK = "facial-expression-recognition"


def register_family():
    """Register with `AutoConfig`, the three `AutoModel...` classes, `AutoVideoProcessor` and `pipeline`.

    A second call does nothing.
    """
    if TASK in PIPELINE_REGISTRY.get_supported_tasks():
        return
    AutoConfig.register(LGIFormerConfig.model_type, LGIFormerConfig, exist_ok=True)
    AutoModel.register(LGIFormerConfig, LGIFormerModel, exist_ok=True)
    AutoModelForPreTraining.register(LGIFormerConfig, LGIFormerForPreTraining, exist_ok=True)
    AutoModelForVideoClassification.register(LGIFormerConfig, LGIFormerForVideoClassification, exist_ok=True)
    AutoVideoProcessor.register(LGIFormerConfig, LGIFormerVideoProcessor, exist_ok=True)
    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=FacialExpressionPipeline,
        pt_model=(AutoModelForVideoClassification, ExportedClassifier),
        type="video",
    )
