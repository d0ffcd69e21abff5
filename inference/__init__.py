"""Predictions and embeddings of videos: pipeline, windows, timeline, exported models, and the room `demo`.

May import `hub`, `figures` and the rooms below them.
"""

from .embedding import VideoEmbedding, embed_video, embed_videos
from .exported_model import ExportedModel
from .many_videos import VideoOutcome, predict_videos
from .pipeline import FacialExpressionPipeline
from .prediction import VideoPrediction, predict_video
from .video_section import VideoSection


__all__ = [
    "ExportedModel",
    "FacialExpressionPipeline",
    "VideoEmbedding",
    "VideoOutcome",
    "VideoPrediction",
    "VideoSection",
    "embed_video",
    "embed_videos",
    "predict_video",
    "predict_videos",
]
