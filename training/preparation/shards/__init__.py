"""Writing of tar shards.

`writing.py` writes a shard: a tar file in the format of WebDataset, and a Parquet table of its videos. The columns of
the table and the fields of `index.json` are in `training/data/shard_index.py`, which reads them.

May import what `preparation` may import.
"""
