from .face_cropping import Face, FaceCropper, crop_face
from .face_detection import CenterFaceDetector, FacesExtraMissingError
from .frame_sampling import evaluation_frame_indices
from .frame_stream import FrameStream, TimedFrame, open_frames, sample_in_time
from .video_decoding import read_video
from .video_processing_lgi_former import LGIFormerVideoProcessor, every_frame, processor_for, reading_of
from .video_sources import VideoReadError


__all__ = [
    "CenterFaceDetector",
    "Face",
    "FaceCropper",
    "FacesExtraMissingError",
    "FrameStream",
    "LGIFormerVideoProcessor",
    "TimedFrame",
    "VideoReadError",
    "crop_face",
    "evaluation_frame_indices",
    "every_frame",
    "open_frames",
    "processor_for",
    "read_video",
    "reading_of",
    "sample_in_time",
]
