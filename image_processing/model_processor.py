"""The video processor for a model, and how a processor reads videos."""

from transformers import PreTrainedConfig
from transformers.video_processing_utils import BaseVideoProcessor

from .video_processing_lgi_former import LGIFormerVideoProcessor


def processor_for(config: PreTrainedConfig, **sampling) -> LGIFormerVideoProcessor:
    """Make the processor for a model of any family whose configuration has `image_size` and `num_frames`.

    `sampling` are settings of the processor, such as `sampling_rate` and `num_segments`.

    Raises:
        ValueError: If the model does not take RGB clips.
    """
    if getattr(config, "num_channels", 3) != 3:
        raise ValueError(
            f"The model has num_channels={config.num_channels}, but clips of videos and images have 3 (grey ones "
            "become RGB). Make the model with num_channels=3."
        )
    size = {"height": config.image_size, "width": config.image_size}
    return LGIFormerVideoProcessor(size=size, num_frames=config.num_frames, **sampling)


def reading_of(processor: BaseVideoProcessor) -> dict:
    """The arguments `backend` and `frame_order` of `read_video` that a processor of any family uses."""
    if not hasattr(processor, "frame_order"):  # in other families, `backend` is the library that resizes
        return {"backend": None, "frame_order": "natural"}
    return {"backend": processor.backend, "frame_order": processor.frame_order}


def sampling_of(processor: BaseVideoProcessor) -> dict:
    """The arguments of `read_video` for clips of a processor: those of `reading_of`, and `sampling_frame_rate`."""
    return {**reading_of(processor), "sampling_frame_rate": getattr(processor, "sampling_frame_rate", None)}
