from .trainer import LGIFormerTrainer


__all__ = ["LGIFormerTrainer"]
