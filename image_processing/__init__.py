from .frame_sampling import evaluation_frame_indices
from .video_decoding import VideoReadError, read_video
from .video_processing_lgi_former import LGIFormerVideoProcessor, every_frame, processor_for


__all__ = [
    "LGIFormerVideoProcessor",
    "VideoReadError",
    "evaluation_frame_indices",
    "every_frame",
    "processor_for",
    "read_video",
]
