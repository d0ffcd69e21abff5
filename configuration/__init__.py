"""Configuration of models, recipes, Accelerate configurations and known data sets.

Importing this room is cheap: `LGIFormerConfig` is imported at its first use. May import `saving`.
"""

from typing import TYPE_CHECKING

from .known_datasets import DATASET_LABELS, DATASET_SAMPLING_RATES, DATASET_TERMS, DatasetTerms


if TYPE_CHECKING:
    from .configuration_lgi_former import LGIFormerConfig

__all__ = ["DATASET_LABELS", "DATASET_SAMPLING_RATES", "DATASET_TERMS", "DatasetTerms", "LGIFormerConfig"]


def __getattr__(name: str):
    if name != "LGIFormerConfig":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .configuration_lgi_former import LGIFormerConfig

    return LGIFormerConfig
