"""Converts decoded frames to `pixel_values` for training, with random changes that are the same for all frames.

Both augmentations are called with uint8 frames (frames, 3, height, width) and a `torch.Generator` on the CPU. The same
seed gives the same clip. They return float32 (frames, 3, image_size, image_size), normalised with ImageNet's mean and
standard deviation. They raise ValueError for other dtypes and shapes.
"""

import math

import torch
from torchvision.transforms.v2 import functional
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..resizing import resize_frames, resize_part
from .interpolation import centres, interpolate_grid, pixel_by_pixel
from .operations import Box
from .rand_augment import draw_operations, needed_parts, rand_augment


CROP_ASPECT = (3 / 4, 4 / 3)
ERASED_AREA = (0.02, 1 / 3)
ERASED_ASPECT = (0.3, 1 / 0.3)
BOX_ATTEMPTS = 10

MULTI_SCALE = (1, 0.875, 0.75, 0.66)
# Steps down and to the right. 4 steps reach the opposite border, up to rounding to whole pixels.
CROP_PLACES = [(down, right) for down in (0, 2, 4) for right in (0, 2, 4)] + [(1, 1), (1, 3), (3, 1), (3, 3)]


class FinetuningAugmentation:
    """Augments clips as MAE-DFER does for fine-tuning, with VideoMAE's pipeline:

    1. Resize the frames as for evaluation: with Pillow, bilinearly, without preserving the aspect ratio.
    2. Apply RandAugment `rand-m7-n4-mstd0.5-inc1`.
    3. Crop a random part (aspect ratio 3/4 to 4/3), and resize it in float, bilinearly, without antialiasing.
    4. Flip horizontally, then normalise.
    5. Erase one box of 0.02 to 1/3 of the area (Zhong et al., https://arxiv.org/abs/1708.04896). The box is the same
       in all frames. It is filled with normal noise that differs in every frame and pixel.

    Args:
        image_size: Height and width of the result, in pixels.
        num_operations: RandAugment's operations for a clip. Each is applied with probability 0.5.
        crop_area: Smallest and largest area of the crop, as a share of the picture.
        flip_probability: Probability of the flip.
        erasing_probability: Probability of the erasing.

    Example:

    ```python
    >>> import torch
    >>> from lgi_former.image_processing.augmentation import FinetuningAugmentation

    >>> frames = torch.zeros(16, 3, 120, 90, dtype=torch.uint8)
    >>> FinetuningAugmentation(image_size=160)(frames, torch.Generator().manual_seed(0)).shape
    torch.Size([16, 3, 160, 160])

    ```
    """

    def __init__(
        self,
        image_size: int,
        *,
        num_operations: int = 4,
        crop_area: tuple[float, float] = (0.08, 1.0),
        flip_probability: float = 0.5,
        erasing_probability: float = 0.25,
    ):
        self.image_size = image_size
        self.num_operations = num_operations
        self.crop_area = crop_area
        self.flip_probability = flip_probability
        self.erasing_probability = erasing_probability

    def __call__(self, clip: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Augment a clip, uint8 (frames, 3, height, width), to float32 (frames, 3, image_size, image_size)."""
        _check_clip(clip)
        size = self.image_size
        operations = draw_operations(generator, self.num_operations)
        # Without a box, which is rare, the published code takes the largest central part: all of a square.
        crop = draw_box(size, self.crop_area, CROP_ASPECT, generator) or (0, 0, size, size)
        parts = needed_parts(operations, crop, size)
        clip = pixel_by_pixel(resize_part(clip, size, size, parts[0]))
        clip = rand_augment(clip, operations, parts, size)
        y, x = (centres(side, size) for side in crop[2:])
        if _happens(self.flip_probability, generator):
            x = x.flip(0)
        clip = _normalize(interpolate_grid(clip, y, x))
        if _happens(self.erasing_probability, generator):
            box = draw_box(self.image_size, ERASED_AREA, ERASED_ASPECT, generator)
            if box is not None:
                noise = torch.randn((*clip.shape[:2], *box[2:]), generator=generator)
                functional.erase(clip, *box, noise, inplace=True)
        return clip


class PretrainingAugmentation:
    """Augments clips as MAE-DFER does for pre-training: with a multi-scale crop, resized by Pillow, and no flip.

    Height and width of the crop are 1, 0.875, 0.75 or 0.66 of the frame's shorter side. They are equal or neighbours
    in this list. The crop has one of 13 places: the corners, the centre, the middles of the sides, and half-way from
    the centre to the corners. Corner crops and scales come from Wang et al., "Temporal Segment Networks"
    (https://arxiv.org/abs/1608.00859), and the other places from VideoMAE's `GroupMultiScaleCrop`.

    Args:
        image_size: Height and width of the result, in pixels.
        crop: Part of the frames to crop first: (top, left, height, width) in pixels. `VOXCELEB2_FACE` is for
            VoxCeleb2, whose frames show more than the face.
        crop_frame_size: Height and width of the frames for `crop`, in pixels. Frames of another size are refused. By
            default, all frames that contain the crop are accepted.
    """

    VOXCELEB2_FACE: Box = (0, 32, 160, 160)
    VOXCELEB2_FRAME_SIZE = (224, 224)

    def __init__(self, image_size: int, crop: Box | None = None, crop_frame_size: tuple[int, int] | None = None):
        self.image_size = image_size
        self.crop = crop
        self.crop_frame_size = crop_frame_size

    def __call__(self, clip: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Augment a clip, uint8 (frames, 3, height, width), to float32 (frames, 3, image_size, image_size).

        Raises:
            ValueError: If `clip` has another dtype or shape, or `crop` does not fit its frames.
        """
        _check_clip(clip)
        if self.crop is not None:
            _check_crop(self.crop, self.crop_frame_size, *clip.shape[-2:])
            clip = functional.crop(clip, *self.crop)
        box = draw_multi_scale_crop(*clip.shape[-2:], self.image_size, generator)
        crops = functional.crop(clip, *box)
        return _normalize(resize_frames(crops, self.image_size, self.image_size).float())


def draw_box(
    image_size: int, area: tuple[float, float], aspect: tuple[float, float], generator: torch.Generator
) -> Box | None:
    """Draw a box with uniform area and log-uniform aspect ratio (width / height). None if no drawn box fits."""
    for _ in range(BOX_ATTEMPTS):
        share = _uniform(*area, generator)
        ratio = math.exp(_uniform(math.log(aspect[0]), math.log(aspect[1]), generator))
        height, width = round(image_size * math.sqrt(share / ratio)), round(image_size * math.sqrt(share * ratio))
        if 0 < height <= image_size and 0 < width <= image_size:
            top, left = _draw(image_size - height + 1, generator), _draw(image_size - width + 1, generator)
            return top, left, height, width
    return None


def draw_multi_scale_crop(height: int, width: int, image_size: int, generator: torch.Generator) -> Box:
    """Draw a crop of frames of `height` x `width` for resizing to `image_size`."""
    sides = multi_scale_sides(min(height, width), image_size)
    pairs = [(h, w) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= 1]
    crop_height, crop_width = pairs[_draw(len(pairs), generator)]
    down, right = CROP_PLACES[_draw(len(CROP_PLACES), generator)]
    return down * ((height - crop_height) // 4), right * ((width - crop_width) // 4), crop_height, crop_width


def multi_scale_sides(shorter_side: int, image_size: int) -> list[int]:
    """Sides of the multi-scale crops in pixels, largest first.

    As published, a side within 2 pixels of `image_size` becomes `image_size`, which needs no resizing. If the frame is
    too small for that, the published code adds black pixels, but this function does not change the side.
    """
    sides = [max(int(shorter_side * scale), 1) for scale in MULTI_SCALE]
    return [image_size if abs(side - image_size) < 3 and image_size <= shorter_side else side for side in sides]


def _check_clip(clip: torch.Tensor):
    if clip.dtype != torch.uint8 or clip.ndim != 4 or clip.shape[1] != 3 or 0 in clip.shape:
        raise ValueError(
            f"A clip to augment must be uint8 (frames, 3, height, width), but this one is {clip.dtype} "
            f"{tuple(clip.shape)}. Pass the frames as they were decoded, channels second."
        )


def _check_crop(crop: Box, frame_size: tuple[int, int] | None, height: int, width: int):
    top, left, crop_height, crop_width = crop
    part = f"The crop of rows {top} to {top + crop_height} and columns {left} to {left + crop_width}"
    if frame_size is not None and tuple(frame_size) != (height, width):
        raise ValueError(
            f"{part} is meant for frames of {frame_size[0]} x {frame_size[1]} pixels (height x width), but these "
            f"frames have {height} x {width}. Switch the crop off with --crop none, or give --crop and "
            "--crop_frame_size for your frames."
        )
    if top + crop_height > height or left + crop_width > width:
        raise ValueError(
            f"{part} reaches beyond frames of {height} x {width} pixels. Give a --crop inside the frames, or switch "
            "it off with --crop none."
        )


def _normalize(clip: torch.Tensor) -> torch.Tensor:
    mean = [255 * value for value in IMAGENET_DEFAULT_MEAN]
    std = [255 * value for value in IMAGENET_DEFAULT_STD]
    return functional.normalize(clip, mean, std, inplace=True)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def _draw(count: int, generator: torch.Generator) -> int:
    """Draw a whole number from 0 to `count - 1`."""
    return torch.randint(count, (), generator=generator).item()


def _happens(probability: float, generator: torch.Generator) -> bool:
    return _uniform(0, 1, generator) < probability
