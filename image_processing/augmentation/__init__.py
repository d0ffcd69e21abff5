"""Random changes of training clips: crops, RandAugment, colour, erasing.

Imports no other room.
"""

from .clip_augmentation import FinetuningAugmentation, PretrainingAugmentation


__all__ = ["FinetuningAugmentation", "PretrainingAugmentation"]
