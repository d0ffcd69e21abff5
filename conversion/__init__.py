"""Published checkpoints: download, and conversion to Transformers models.

May import `hub` and the rooms below it.
"""

from .convert import convert_mae_dfer_checkpoint
from .model_cache import DownloadError, download, is_downloaded, model_folder
from .released_models import ReleasedModel, released_models


__all__ = [
    "DownloadError",
    "ReleasedModel",
    "convert_mae_dfer_checkpoint",
    "download",
    "is_downloaded",
    "model_folder",
    "released_models",
]
