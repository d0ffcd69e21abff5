"""Checks of the video processor's settings."""

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
            f"fps={settings['fps']!r} is not supported: LGI-Former takes every sampling_rate-th frame. Divide the "
            "frame rate of the video by this number, and set sampling_rate to the result."
        )
