"""Registration of the model family `lgi_former` with the Auto classes and pipelines of Transformers.

Importing Transformers' Auto classes takes seconds. So each part is registered when the module that looks it up has
been imported, or at once if it was imported before.
"""

import sys

import wrapt


# Registration imports these modules, and they import Auto classes. Registration waits while one of them is incomplete.
_NEEDED = [
    "transformers.modeling_utils",
    "transformers.modeling_layers",
    "lgi_former.saving",
    "lgi_former.configuration",
    "lgi_former.modeling_lgi_former",
    "lgi_former.image_processing",
    "lgi_former.inference",
]


def _register_config(auto):
    from .configuration import LGIFormerConfig

    auto.AutoConfig.register(LGIFormerConfig.model_type, LGIFormerConfig, exist_ok=True)


def _register_models(auto):
    from .configuration import LGIFormerConfig
    from .modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel

    auto.AutoModel.register(LGIFormerConfig, LGIFormerModel, exist_ok=True)
    auto.AutoModelForPreTraining.register(LGIFormerConfig, LGIFormerForPreTraining, exist_ok=True)
    auto.AutoModelForVideoClassification.register(LGIFormerConfig, LGIFormerForVideoClassification, exist_ok=True)


def _register_video_processor(auto):
    from .configuration import LGIFormerConfig
    from .image_processing import LGIFormerVideoProcessor

    auto.AutoVideoProcessor.register(LGIFormerConfig, LGIFormerVideoProcessor, exist_ok=True)


def _register_pipeline(pipelines):
    from transformers import AutoModelForVideoClassification

    from .inference import FacialExpressionPipeline

    pipelines.PIPELINE_REGISTRY.register_pipeline(
        "facial-expression-recognition",
        pipeline_class=FacialExpressionPipeline,
        pt_model=AutoModelForVideoClassification,
        type="video",
    )


_REGISTER = {
    "transformers.models.auto.configuration_auto": _register_config,
    "transformers.models.auto.modeling_auto": _register_models,
    "transformers.models.auto.video_processing_auto": _register_video_processor,
    "transformers.pipelines": _register_pipeline,
}
"""What to register when a module of Transformers has been imported."""


def register_family():
    """Register with `AutoConfig`, the three `AutoModel...` classes, `AutoVideoProcessor` and `pipeline`."""
    complete, waiting = set(), dict(_REGISTER)

    def note_and_register(module):
        complete.add(module.__name__)
        if any(name in sys.modules and name not in complete for name in _NEEDED):
            return  # called again when that module is complete
        for name in [name for name in waiting if name in complete]:
            if register := waiting.pop(name, None):
                register(sys.modules[name])

    for name in (*_NEEDED, *_REGISTER):
        wrapt.register_post_import_hook(note_and_register, name)
