"""The quickstart: drawn faces, plan, training and report.

Nothing is imported with this room: the trainer takes seconds. May import the rooms of `training` from `data`
to `run`.
"""
