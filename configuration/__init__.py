from .configuration_lgi_former import LGIFormerConfig
from .datasets import DATASET_LABELS, DATASET_SAMPLING_RATES, DATASET_TERMS, DatasetTerms


__all__ = ["DATASET_LABELS", "DATASET_SAMPLING_RATES", "DATASET_TERMS", "DatasetTerms", "LGIFormerConfig"]
