"""Figures: what they show is computed and drawn here, each kind in a file of its own.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody else: nothing of pyplot's state is touched.
"""

from ..extras import needs_extra


with needs_extra("figures"):
    from .attention import ClipAttention, attend
    from .attention_overlay import draw_attention
    from .embedding_map import draw_embedding_map, map_embeddings
    from .losses import draw_losses, read_log_history
    from .reconstruction import Reconstruction, draw_reconstruction, reconstruct


__all__ = [
    "ClipAttention",
    "Reconstruction",
    "attend",
    "draw_attention",
    "draw_embedding_map",
    "draw_losses",
    "draw_reconstruction",
    "map_embeddings",
    "read_log_history",
    "reconstruct",
]
