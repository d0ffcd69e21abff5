"""Evaluation: metrics, evaluation of all views, and the report.

The average over the views of a video is in `training/trainer/view_averaging.py`.
May import `training.data` and `training.trainer`.
"""
