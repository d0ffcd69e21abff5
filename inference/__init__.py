from .embedding import VideoEmbedding, embed_video, embed_videos
from .prediction import VideoPrediction, predict_video


__all__ = ["VideoEmbedding", "VideoPrediction", "embed_video", "embed_videos", "predict_video"]
