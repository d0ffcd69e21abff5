"""The model. Every file here except `masking.py` ships beside saved models.

May import `configuration` and `saving`.
"""

from .masking import RegionTubeMasking
from .modeling_lgi_former import (
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    LGIFormerPreTrainedModel,
)
from .reconstruction import reconstruction_targets


__all__ = [
    "LGIFormerForPreTraining",
    "LGIFormerForVideoClassification",
    "LGIFormerModel",
    "LGIFormerPreTrainedModel",
    "RegionTubeMasking",
    "reconstruction_targets",
]
