"""Predictions and embeddings of videos: pipeline, windows, timeline, and the room `demo`.

May import `hub`, `figures` and the rooms below them.
"""

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
