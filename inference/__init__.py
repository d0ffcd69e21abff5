from .prediction import VideoPrediction, predict_video


__all__ = ["VideoPrediction", "predict_video"]
