from .pipeline import FacialExpressionPipeline
from .prediction import VideoPrediction, predict_video


__all__ = ["FacialExpressionPipeline", "VideoPrediction", "predict_video"]
