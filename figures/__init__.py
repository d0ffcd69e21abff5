"""Computes and draws figures. Each kind of figure has its own file.

Every drawing function returns a new `matplotlib.figure.Figure`, and the state of pyplot does not change.
"""

from ..extras import needs_extra


with needs_extra("figures"):
    from .attention import ClipAttention, attend
    from .attention_overlay import draw_attention
    from .confusion_matrix import draw_confusion_matrix
    from .embedding_map import draw_embedding_map, map_embeddings
    from .losses import draw_losses, read_log_history
    from .precision_recall import draw_precision_recall
    from .reconstruction import Reconstruction, draw_reconstruction, reconstruct
    from .truth_and_prediction import draw_truth_and_prediction


__all__ = [
    "ClipAttention",
    "Reconstruction",
    "attend",
    "draw_attention",
    "draw_confusion_matrix",
    "draw_embedding_map",
    "draw_losses",
    "draw_precision_recall",
    "draw_reconstruction",
    "draw_truth_and_prediction",
    "map_embeddings",
    "read_log_history",
    "reconstruct",
]
