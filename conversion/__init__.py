"""Conversion of published MAE-DFER checkpoints to Transformers models.

May import `hub` and the rooms below it.
"""

from .convert import convert_mae_dfer_checkpoint


__all__ = ["convert_mae_dfer_checkpoint"]
