"""Loads video processors, and checks that they process a small black clip."""

import torch
import transformers
from transformers import AutoVideoProcessor
from transformers.utils import IMAGE_PROCESSOR_NAME, PROCESSOR_NAME, VIDEO_PROCESSOR_NAME, cached_file
from transformers.video_processing_utils import BaseVideoProcessor

from ..image_processing import LGIFormerVideoProcessor
from ..saving import check_field_names, known_settings
from .config_checks import needs_own_code
from .json_objects import read_object
from .loading_errors import loading_errors
from .wrong_fields import made_from_file


_MAX_SIDE = 4096
_MAX_FRAMES = 4096


def load_processor(name: str, commit: str | None = None) -> BaseVideoProcessor:
    """Load the video processor of a model.

    Args:
        name: A directory or the name of a Hub repository.
        commit: The commit of the repository, as from `pinned`.

    Raises:
        OSError, ValueError: If there is none, or it cannot be read.
    """

    def load():
        processor = AutoVideoProcessor.from_pretrained(name, revision=commit, trust_remote_code=False)
        if isinstance(processor, LGIFormerVideoProcessor):
            check_by_a_clip(processor)
        return processor

    with loading_errors(name):
        found = check_processor_file(name, commit)
        if found is None:
            return load()
        path, fields = found
        if fields.get("video_processor_type") == LGIFormerVideoProcessor.__name__:
            check_field_names(fields, known_settings(LGIFormerVideoProcessor), path)
        return made_from_file(
            path, fields, lambda others: check_by_a_clip(LGIFormerVideoProcessor.from_dict(others)), load
        )


def check_processor_file(name: str, commit: str | None = None) -> tuple[str, dict] | None:
    """Read the file of a processor. Transformers takes defaults for some files without an object.

    Arguments are those of `load_processor`.

    Returns:
        The path and the fields. None if there is no such file.

    Raises:
        ValueError: If the file holds no JSON object, or the processor needs its own code.
    """
    found = _fields_that_transformers_reads(name, commit)
    if found is None:
        return None
    path, fields = found
    kind = fields.get("video_processor_type", fields.get("image_processor_type"))
    is_known = kind in (None, LGIFormerVideoProcessor.__name__) or hasattr(transformers, str(kind))
    if fields.get("auto_map") and not is_known:
        raise ValueError(needs_own_code(name, path, "video_processor_type", LGIFormerVideoProcessor.__name__))
    return path, fields


def _fields_that_transformers_reads(name: str, commit: str | None) -> tuple[str, dict] | None:
    """The path and the fields of the first file that describes a video processor."""
    for file in (PROCESSOR_NAME, VIDEO_PROCESSOR_NAME, IMAGE_PROCESSOR_NAME):
        path = cached_file(
            name,
            file,
            revision=commit,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is None:
            continue
        fields = read_object(path)
        if file != PROCESSOR_NAME:
            return path, fields
        if "video_processor" in fields:
            if not isinstance(fields["video_processor"], dict):
                raise ValueError(f"{path} has a wrong value: video_processor is not an object. Save the model again.")
            return path, fields["video_processor"]
    return None


def check_by_a_clip(processor: LGIFormerVideoProcessor):
    """Process a clip of 16 x 16 pixels, which finds values that cannot be used.

    Raises:
        ValueError: If the size is too large for a frame of a model, or pixel values are not finite.
        Exception: Any error of the processor.
    """
    sides = [side for side in dict(processor.size).values() if side is not None]
    if any(not 1 <= side <= _MAX_SIDE for side in sides) or not 1 <= processor.num_frames <= _MAX_FRAMES:
        raise ValueError(
            f"size={dict(processor.size)} and num_frames={processor.num_frames} are not the size of a clip: at most "
            f"{_MAX_FRAMES} frames and {_MAX_SIDE} pixels"
        )
    clip = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    pixels = processor(clip, do_sample_frames=False, return_tensors="pt")["pixel_values"]
    if not torch.isfinite(pixels).all():
        raise ValueError("it makes NaN or infinite pixel values")
