"""Random changes of training clips: crops, RandAugment, colour, erasing.

May import the files beside this room, such as `resizing`.
"""

from .clip_augmentation import FinetuningAugmentation, PretrainingAugmentation


__all__ = ["FinetuningAugmentation", "PretrainingAugmentation"]
