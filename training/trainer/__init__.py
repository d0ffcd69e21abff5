"""`LGIFormerTrainer`: optimiser groups, schedule, EMA, checkpoints, FSDP and view averaging.

May import `training.data`.
"""

from .arguments import LGIFormerTrainingArguments
from .trainer import LGIFormerTrainer


__all__ = ["LGIFormerTrainer", "LGIFormerTrainingArguments"]
