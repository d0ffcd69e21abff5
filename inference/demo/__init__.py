"""The demo: a web page that shows predictions and reconstructions, and its export as a Space.

May import the rooms that `inference` may import.
"""

from ...extras import needs_extra


with needs_extra("demo"):
    from .launch import launch_demo
    from .space import export_space
    from .uploads import UploadLimits


__all__ = ["UploadLimits", "export_space", "launch_demo"]
