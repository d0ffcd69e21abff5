"""Video processor, frame sampling, and the rooms `decoding`, `augmentation` and `faces`.

Imports no other room: most files here ship beside saved models.
"""

from .decoding.frame_stream import FrameStream, TimedFrame, open_frames, sample_in_time
from .decoding.video_decoding import read_video
from .decoding.video_sources import VideoReadError
from .faces.face_cropping import Face, FaceCropper, crop_face
from .faces.face_detection import CenterFaceDetector, FacesExtraMissingError
from .frame_sampling import evaluation_frame_indices
from .video_processing_lgi_former import LGIFormerVideoProcessor, every_frame, processor_for, reading_of


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
