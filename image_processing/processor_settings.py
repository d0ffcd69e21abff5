"""Checks of the video processor's settings."""

from torchvision.transforms.v2 import functional as tv_functional
from transformers.image_utils import PILImageResampling

from .decoding.decoder_backends import check_backend_name
from .decoding.frame_folders import check_frame_order


def check_settings(settings: dict):
    """
    Raises:
        ValueError: If a count is not a positive whole number, the backend or frame order is unknown, or `fps` is
            given.
    """
    check_backend_name(settings.get("backend"))
    check_frame_order(settings.get("frame_order") or "natural")
    for name in ("num_frames", "sampling_rate", "num_segments"):
        value = settings.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1.")
    if settings.get("fps") is not None:
        raise ValueError(
            f"fps={settings['fps']!r} is not supported: LGI-Former takes every sampling_rate-th frame. For this many "
            "frames per second, set sampling_rate to the video's own number of them divided by it."
        )


def pillow_filter(resample: PILImageResampling | tv_functional.InterpolationMode | int | None) -> PILImageResampling:
    """Pillow's filter of a number, of torchvision's name, or the default.

    Raises:
        ValueError: If there is no such filter.
    """
    if resample is None:
        return PILImageResampling.BILINEAR
    if isinstance(resample, tv_functional.InterpolationMode):
        return PILImageResampling[resample.name.removesuffix("_EXACT")]
    try:
        return PILImageResampling(resample)
    except ValueError as error:
        filters = ", ".join(f"{known.value} ({known.name.lower()})" for known in PILImageResampling)
        raise ValueError(f"resample={resample!r} is no filter of Pillow. Choose one of {filters}.") from error
