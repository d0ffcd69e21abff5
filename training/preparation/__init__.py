"""Preparation of corpora for training: annotation files from what their owners give away, and tar shards."""
