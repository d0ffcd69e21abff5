"""Models whose weights are sharded over processes (FSDP2): how they are saved, and what is refused."""

from pathlib import Path

from accelerate.utils import parse_flag_from_env
from accelerate.utils.constants import FSDP_MODEL_NAME
from transformers import Trainer


SHARDED_STATE_DICT = "SHARDED_STATE_DICT"


def state_dict_type(trainer: Trainer) -> str | None:
    """Return the type of the model's state dicts, or None if the model is not sharded."""
    return trainer.accelerator.state.fsdp_plugin.state_dict_type.name if trainer.is_fsdp_enabled else None


def check_sharding(trainer: Trainer):
    """Check that the options shard the weights as requested.

    Raises:
        ValueError: If Accelerate would not shard them, or they would be flattened (FSDP1).
    """
    is_requested = trainer.args.fsdp or parse_flag_from_env("ACCELERATE_USE_FSDP")
    if is_requested and not trainer.is_fsdp_enabled and trainer.args.world_size > 1:
        raise ValueError(
            "FSDP was requested, but Accelerate shards weights on GPUs only and ignores FSDP on CPUs. Leave out FSDP."
        )
    if trainer.is_fsdp_enabled and trainer.accelerator.state.fsdp_plugin.fsdp_version == 1:
        raise ValueError(
            "FSDP1 flattens weights, but weight decay depends on their dimensions. Set fsdp_version to 2."
        )


def check_state_dict_type(trainer: Trainer, checkpoint: str):
    """Check that a checkpoint stores weights as this run does.

    Raises:
        ValueError: If it does not.
    """
    stored, current = _stored_type(Path(checkpoint)), state_dict_type(trainer)
    if stored != current:
        raise ValueError(
            f"{checkpoint} was saved with {_described(stored)}, but this run has {_described(current)}. "
            "Resume with the options of that run."
        )


def _stored_type(checkpoint):
    if (checkpoint / f"{FSDP_MODEL_NAME}.bin").is_file():
        return "FULL_STATE_DICT"
    return SHARDED_STATE_DICT if (checkpoint / f"{FSDP_MODEL_NAME}_0").is_dir() else None


def _described(kind):
    return "no FSDP" if kind is None else f"FSDP and state_dict_type={kind}"
