from .prediction import VideoPrediction, load_classifier, predict_video


__all__ = ["VideoPrediction", "load_classifier", "predict_video"]
