"""Writing of tar shards. `training/data` reads them.

May import what `preparation` may import.
"""
