"""Exported models: programs for ONNX Runtime, OpenVINO or torch.export, with all that running them needs.

May import `conversion`, `inference` and the rooms below them.
"""

from .run import export_model


__all__ = ["export_model"]
