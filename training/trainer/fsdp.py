"""Models whose weights are spread over processes (FSDP2): what of them is stored, and what is refused."""

import os
from pathlib import Path

from accelerate.utils import parse_flag_from_env
from accelerate.utils.constants import FSDP_MODEL_NAME


class ShardsModel:
    """Mixin for a `Trainer`, which may be run with FSDP2.

    Whatever the type of its state dicts, a checkpoint has `model.safetensors` too, which `from_pretrained` loads.
    """

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False):
        """As `Trainer.save_model`, which saves no model where state dicts are sharded (and then, in a checkpoint,
        takes an earlier one for the best)."""
        if self._state_dict_type == "SHARDED_STATE_DICT":
            self._save(output_dir, state_dict=self.accelerator.get_state_dict(self.model))
        super().save_model(output_dir, _internal_call)

    @property
    def _state_dict_type(self) -> str | None:
        """Name of the type of the sharded model's state dicts; None if the model is not sharded."""
        return self.accelerator.state.fsdp_plugin.state_dict_type.name if self.is_fsdp_enabled else None

    def _check_sharding(self):
        """
        Raises:
            ValueError: If weights are to be sharded, but in a way that trains otherwise than was asked for.
        """
        asked_for = self.args.fsdp or parse_flag_from_env("ACCELERATE_USE_FSDP")
        if asked_for and not self.is_fsdp_enabled and self.args.world_size > 1:
            raise ValueError(
                "FSDP was asked for, but Accelerate shards weights on GPUs only; on CPUs it would quietly keep them "
                "whole. Leave out FSDP."
            )
        if self.is_fsdp_enabled and self.accelerator.state.fsdp_plugin.fsdp_version == 1:
            raise ValueError(
                "FSDP1 flattens weights, whose dimensions tell the optimiser which of them to decay. Set fsdp_version "
                "to 2."
            )

    def _check_state_dict_type(self, checkpoint: str | os.PathLike):
        """
        Raises:
            ValueError: If the checkpoint's weights are not stored as those of this run.
        """
        stored = _stored_state_dict_type(Path(checkpoint))
        if stored != self._state_dict_type:
            raise ValueError(
                f"{checkpoint} was saved with {_described(stored)}, but this run is one with "
                f"{_described(self._state_dict_type)}. Resume as the run was started."
            )


def _stored_state_dict_type(checkpoint):
    if (checkpoint / f"{FSDP_MODEL_NAME}.bin").is_file():
        return "FULL_STATE_DICT"
    return "SHARDED_STATE_DICT" if (checkpoint / f"{FSDP_MODEL_NAME}_0").is_dir() else None


def _described(state_dict_type):
    return "no FSDP" if state_dict_type is None else f"FSDP and state_dict_type={state_dict_type}"
