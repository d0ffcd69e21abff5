"""Checks of the video processor's settings."""

from .decoding.decoder_backends import check_backend_name
from .decoding.frame_folders import check_frame_order
from .decoding.section import check_frame_rate


SWITCHES = ("do_resize", "do_rescale", "do_normalize", "do_convert_rgb", "do_sample_frames")


def check_settings(settings: dict):
    """
    Raises:
        ValueError: If a count is not a positive whole number, a frame rate is not positive, the backend or frame order
            is unknown, a switch is not a bool, or `fps` is given.
    """
    check_backend_name(settings.get("backend"))
    check_frame_order(settings.get("frame_order") or "natural")
    check_frame_rate("sampling_frame_rate", settings.get("sampling_frame_rate"))
    for name in ("num_frames", "sampling_rate", "num_segments"):
        value = settings.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1.")
    for name in SWITCHES:
        if not isinstance(settings.get(name), bool | None):
            raise ValueError(f"{name}={settings[name]!r} must be True or False.")
    if settings.get("fps") is not None:
        raise ValueError(
            f"fps={settings['fps']!r} is not supported: LGI-Former takes every sampling_rate-th frame. Set "
            "sampling_frame_rate to this number, and sampling_rate to 1."
        )
