"""What training commands share: arguments, starting model, data, cross-validation, life cycle.

May import `training.data`, `training.trainer` and `training.evaluation`.
"""
