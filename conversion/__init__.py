"""Published checkpoints: download, and conversion to Transformers models.

Importing this room is cheap: all except the list of released models is imported at its first use. May import `hub` and
the rooms below it.
"""

import importlib

from .released_models import ReleasedModel, released_models


_MODULE_OF_NAME = {
    "DownloadError": ".model_cache",
    "convert_mae_dfer_checkpoint": ".convert",
    "download": ".model_cache",
    "model_folder": ".model_cache",
}

__all__ = [*_MODULE_OF_NAME, "ReleasedModel", "released_models"]


def __getattr__(name: str):
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF_NAME[name], __name__), name)
