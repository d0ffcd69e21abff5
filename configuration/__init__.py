"""Configuration of models, recipes, Accelerate configurations and known data sets.

May import `saving`.
"""

from .configuration_lgi_former import LGIFormerConfig
from .known_datasets import DATASET_LABELS, DATASET_SAMPLING_RATES, DATASET_TERMS, DatasetTerms


__all__ = ["DATASET_LABELS", "DATASET_SAMPLING_RATES", "DATASET_TERMS", "DatasetTerms", "LGIFormerConfig"]
