"""Video processor, frame sampling, and the rooms `decoding`, `augmentation` and `faces`.

May import `saving` and `extras`. Saved models carry many of these files, see `saving/flat_code.py`.
"""

from ..extras import MissingExtraError as FacesExtraMissingError
from .decoding.frame_stream import FrameStream, TimedFrame, open_frames, sample_in_time
from .decoding.video_decoding import read_video
from .decoding.video_sources import VideoReadError
from .faces.face_cropping import Face, FaceCropper, crop_face
from .faces.face_detection import CenterFaceDetector
from .frame_sampling import evaluation_frame_indices, every_frame
from .model_processor import processor_for, reading_of, sampling_of
from .video_processing_lgi_former import LGIFormerVideoProcessor


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
    "sampling_of",
]
