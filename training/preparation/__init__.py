"""Preparation of corpora for training: lists of clips, tar shards, cropped faces.

May import the rooms of `training` from `data` to `run`.
"""
