from .embedding import VideoEmbedding, embed_video, embed_videos
from .pipeline import FacialExpressionPipeline
from .prediction import VideoPrediction, predict_video


__all__ = [
    "FacialExpressionPipeline",
    "VideoEmbedding",
    "VideoPrediction",
    "embed_video",
    "embed_videos",
    "predict_video",
]
