"""What `save_pretrained` writes.

`save_pretrained.py` has the base classes of configuration, models and processor. `flat_code.py` makes the three Python
files beside the weights, which load the model without lgi_former. `weight_checksums.py` writes and checks checksums of
weights. `field_names.py` finds misspelt fields.

Importing this room is cheap. May import `files` and `version`.
"""

from .field_names import check_field_names, known_fields, known_settings
from .flat_code import HEADER, PACKAGE, all_flat_code, flat_code, relative_imports
from .save_pretrained import (
    CONFIG_AUTO_MAP,
    PROCESSOR_AUTO_MAP,
    ConfigSavedWithCode,
    ModelSavedWithCode,
    ProcessorSavedWithCode,
    is_code_or_part_of_it,
    refuse_foreign_code,
    write_code,
)
from .weight_checksums import checksums_added, damaged_weights


__all__ = [
    "CONFIG_AUTO_MAP",
    "HEADER",
    "PACKAGE",
    "PROCESSOR_AUTO_MAP",
    "ConfigSavedWithCode",
    "ModelSavedWithCode",
    "ProcessorSavedWithCode",
    "all_flat_code",
    "check_field_names",
    "checksums_added",
    "damaged_weights",
    "flat_code",
    "is_code_or_part_of_it",
    "known_fields",
    "known_settings",
    "refuse_foreign_code",
    "relative_imports",
    "write_code",
]
