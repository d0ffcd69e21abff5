"""What `save_pretrained` writes.

`save_pretrained.py` has the base classes of configuration, models and processor. `flat_code.py` makes the three Python
files beside the weights, which load the model without lgi_former.

Importing this room is cheap. May import `files` and `version`.
"""

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


__all__ = [
    "CONFIG_AUTO_MAP",
    "HEADER",
    "PACKAGE",
    "PROCESSOR_AUTO_MAP",
    "ConfigSavedWithCode",
    "ModelSavedWithCode",
    "ProcessorSavedWithCode",
    "all_flat_code",
    "flat_code",
    "is_code_or_part_of_it",
    "refuse_foreign_code",
    "relative_imports",
    "write_code",
]
