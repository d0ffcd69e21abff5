"""Lists of a corpus's clips, made from what its owners distribute.

`descriptions.py` describes the corpora. May import what `preparation` may import.
"""
