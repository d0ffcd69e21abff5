"""Detection, tracking and cropping of faces.

May import `decoding`.
"""
