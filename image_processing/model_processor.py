"""The video processor for a model, and how a processor reads videos."""

from transformers import PreTrainedConfig
from transformers.video_processing_utils import BaseVideoProcessor

from .video_processing_lgi_former import LGIFormerVideoProcessor


def processor_for(config: PreTrainedConfig, **sampling) -> LGIFormerVideoProcessor:
    """Make the processor for a model of any family whose configuration has `image_size` and `num_frames`.

    `sampling` are settings of the processor, such as `sampling_rate` and `num_segments`.
    """
    size = {"height": config.image_size, "width": config.image_size}
    return LGIFormerVideoProcessor(size=size, num_frames=config.num_frames, **sampling)


def reading_of(processor: BaseVideoProcessor) -> dict:
    """The arguments `backend` and `frame_order` of `read_video` that a processor of any family uses."""
    if not hasattr(processor, "frame_order"):  # in other families, `backend` is the library that resizes
        return {"backend": None, "frame_order": "natural"}
    return {"backend": processor.backend, "frame_order": processor.frame_order}
