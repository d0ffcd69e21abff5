"""Checks that the pixels of a video are 0 to 255 before they are rescaled."""

import math

import torch
from transformers.utils import logging


logger = logging.get_logger(__name__)


def check_range(video: torch.Tensor):
    """Check the pixels of a video that will be rescaled from 0 to 255. Warns if floats or booleans have another range.

    Raises:
        ValueError: If a pixel is NaN, or integers have another range.
    """
    if video.dtype == torch.uint8 or video.is_meta:
        return
    is_float = video.is_floating_point()
    # PyTorch has no minimum of unsigned integers with more than 8 bits.
    lowest, highest = (bound.item() for bound in torch.aminmax(video if is_float else video.long()))
    if math.isnan(lowest) or (not is_float and (lowest < 0 or highest > 255)):
        raise ValueError(
            f"The pixels of a video of {video.dtype} go from {lowest} to {highest}, but 0 to 255 is read. Scale them "
            "to 0 to 255, or pass do_rescale=False if they are 0 to 1."
        )
    if lowest >= 0 and highest <= 1 and (is_float or video.dtype == torch.bool):
        logger.warning_once(
            "The pixels of a video are all between 0 and 1, but are read as 0 to 255. If they are rescaled already, "
            "pass do_rescale=False."
        )
    elif lowest < 0 or highest > 255:
        logger.warning_once(
            f"The pixels of a video of floats go from {lowest:g} to {highest:g}, but 0 to 255 is expected. If they "
            "are normalised already, pass do_rescale=False and do_normalize=False."
        )
