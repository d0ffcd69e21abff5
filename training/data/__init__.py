"""Data sets for training: lists, labels, clips, collators, and tar shards as data sets.

May import the rooms below `training`, and no other room of `training`.
"""
