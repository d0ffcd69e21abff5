"""Preparation of corpora for training."""
