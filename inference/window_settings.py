"""The length of windows and the steps between them and their frames, for predictions and embeddings alike."""

import math
import numbers
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedConfig
from transformers.video_processing_utils import BaseVideoProcessor

from ..image_processing.decoding.section import FRAME_RATE


DEFAULT_SAMPLING_RATE = 4  # of the published recipes, for processors that have none
MIN_STEP = 0.001  # seconds; no camera takes more pictures


class WindowSteps(NamedTuple):
    """
    Attributes:
        step (`float`): Seconds between two frames of a window.
        stride (`int`): Frames between the starts of two windows, at least 1.
    """

    step: float
    stride: int

    @classmethod
    def of(
        cls, processor: BaseVideoProcessor, num_frames: int, window: float | None, stride: float | None
    ) -> "WindowSteps":
        """The steps of windows of `num_frames` frames. `window` and `stride` are in seconds, None is the default.

        Raises:
            ValueError: If the frames of a window would be less than `MIN_STEP` apart, which would take hours.
        """
        window = window or num_frames * seconds_between_frames(processor)
        step = window / num_frames
        if step < MIN_STEP:
            shortest = num_frames * MIN_STEP
            raise ValueError(f"window={window:g} is too short for {num_frames} frames. Give at least {shortest:g} s.")
        return cls(step, max(round((stride or window / 2) / step), 1))


def num_frames_of(processor: BaseVideoProcessor, config: PreTrainedConfig) -> int:
    """Frames of a clip, from the processor or, for processors of other families, from the configuration.

    Raises:
        ValueError: If neither has them, or the processor makes no `pixel_values`.
    """
    num_frames = getattr(processor, "num_frames", None) or getattr(config, "num_frames", None)
    if num_frames is None or "pixel_values" not in processor.model_input_names:
        raise ValueError(
            f"{type(processor).__name__} makes no clips of a known number of frames for {type(config).__name__}: pass "
            "a model that takes such pixel_values and, as video_processor, an LGIFormerVideoProcessor."
        )
    return num_frames


def seconds_between_frames(processor: BaseVideoProcessor) -> float:
    """Seconds between two frames of a clip by the settings of a processor of any family."""
    sampling_rate = getattr(processor, "sampling_rate", None) or DEFAULT_SAMPLING_RATE
    return sampling_rate / (getattr(processor, "sampling_frame_rate", None) or FRAME_RATE)


def check_seconds(**settings: float | None):
    """
    Raises:
        ValueError: If a setting, by its name, is neither None nor a finite number above 0.
    """
    for name, value in settings.items():
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 < value < math.inf):
            raise ValueError(f"{name}={value!r} must be a finite number of seconds above 0.")


def check_batch_size(batch_size: int | None):
    """
    Raises:
        ValueError: If it is neither None nor a whole number of at least 1.
    """
    is_whole = isinstance(batch_size, numbers.Integral) and not isinstance(batch_size, bool)
    if batch_size is not None and not (is_whole and batch_size >= 1):
        raise ValueError(f"batch_size={batch_size!r} must be a whole number of at least 1.")


def processed_picture(processor: BaseVideoProcessor, image: np.ndarray) -> torch.Tensor:
    """The pixels of a picture, uint8 (height, width, 3), for the model: float (channels, height, width).

    Pictures are processed at once, so that memory holds no large frames.
    """
    clip = torch.from_numpy(image.copy()).movedim(-1, 0)[None]
    return processor(clip, do_sample_frames=False, return_tensors="pt")["pixel_values"][0, 0]
