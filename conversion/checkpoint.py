"""What published checkpoints of both families have in common: sizes in the weights, and arguments of the script."""

import torch
from transformers import PreTrainedConfig

from .published_file import PublishedFile, names_in_words


_PUBLISHED_HEAD_DIM = 64
_MAX_TOKENS = 2**15
"""Tokens of a clip: 800 in published models, and 32,768 for 64 frames of 512 x 512 pixels."""


class Checkpoint:
    """Weights and arguments of a published checkpoint. Each family is a subclass.

    Attributes:
        config_class: The configuration of the family.
        kind: `"pretraining"`, `"classification"` or `"encoder"` (only the encoder of pre-training).
        path: The file.
        arguments: Arguments of the published script, if the file has them.
        weights: Tensors by published name, without the prefixes of wrappers.
        encoder: Those of the encoder, without the prefix `encoder.`.
    """

    config_class: type[PreTrainedConfig]
    field_of_argument: dict[str, str]
    """Names in the `args` of published checkpoints, and the fields of the configuration."""

    def __init__(self, file: PublishedFile):
        """Find the kind of model in a file.

        Raises:
            ValueError: If the file has no model of this family.
        """
        self.path, self.arguments, self.weights = file.path, file.arguments, file.weights
        self.encoder = {name.removeprefix("encoder."): weight for name, weight in self.weights.items()}
        self.kind = self._find_kind()
        if self.kind != "pretraining":
            self.weights = self.encoder

    def infer_config(self, **fields) -> PreTrainedConfig:
        """Infer the configuration from weights and arguments.

        Unknown fields have the published values, such as heads of width 64 and clips of 16 x 160 x 160.

        Args:
            fields: Fields that replace inferred ones.

        Raises:
            ValueError: If a field cannot be inferred or does not fit. The message names the field to pass.
        """
        inferred = {**self._fields_of_arguments(), **self._encoder_sizes(), **self._fields_of_family()}
        if self.kind == "pretraining":
            inferred |= self._decoder_sizes()
        if self.kind == "classification":
            inferred["num_labels"] = self.shape("head.weight", 2)[0]
        fields = {**inferred, **self._heads(inferred, fields), **fields}
        try:
            config = self.config_class(**fields)
        except ValueError as error:
            raise ValueError(f"{self.path} does not describe a possible model: {error}") from error
        side = config.image_size // config.patch_size
        if config.num_frames // config.tubelet_size * side**2 > _MAX_TOKENS:
            raise ValueError(
                f"{self.path} has clips of {config.num_frames} frames of {config.image_size} pixels in its arguments, "
                f"which are more than {_MAX_TOKENS:,} tokens. Pass the num_frames and image_size of its training."
            )
        return config

    def shape(self, name: str, num_dimensions: int) -> tuple[int, ...]:
        """The shape of a published weight.

        Raises:
            ValueError: If the file has no such weight, or if it has another number of dimensions.
        """
        weight = self.weights.get(name, self.encoder.get(name))
        if weight is None:
            raise ValueError(
                f"{self.path} has no weight {name!r}. It has {len(self.weights)} weights: "
                f"{names_in_words(self.weights)}."
            )
        if weight.ndim != num_dimensions:
            raise ValueError(
                f"{self.path} has the weight {name!r} of shape {tuple(weight.shape)}. Expected {num_dimensions} "
                "dimensions."
            )
        return tuple(weight.shape)

    def _find_kind(self) -> str:
        raise NotImplementedError

    def _fields_of_family(self) -> dict:
        """Fields that only this family has, or that have published values."""
        raise NotImplementedError

    def _fields_of_arguments(self) -> dict:
        return {
            field: self.arguments[argument]
            for argument, field in self.field_of_argument.items()
            if self.arguments.get(argument) is not None
        }

    def _encoder_sizes(self) -> dict[str, int]:
        hidden_size, num_channels, tubelet_size, patch_size, _ = self.shape("patch_embed.proj.weight", 5)
        return {
            "hidden_size": hidden_size,
            "num_channels": num_channels,
            "tubelet_size": tubelet_size,
            "patch_size": patch_size,
            "num_hidden_layers": self._count_blocks(self.encoder, "blocks."),
            "intermediate_size": self.shape("blocks.0.mlp.fc1.weight", 2)[0],
        }

    def _decoder_sizes(self) -> dict[str, int]:
        return {
            "decoder_hidden_size": self.shape("mask_token", 3)[-1],
            "decoder_num_hidden_layers": self._count_blocks(self.weights, "decoder.blocks."),
            "decoder_intermediate_size": self.shape("decoder.blocks.0.mlp.fc1.weight", 2)[0],
        }

    def _heads(self, inferred: dict, fields: dict) -> dict[str, int]:
        """Numbers of attention heads for the inferred widths, without those that `fields` give."""
        numbers = {}
        for prefix in ("", "decoder_"):
            width, field = inferred.get(f"{prefix}hidden_size"), f"{prefix}num_attention_heads"
            if width is None or field in fields:
                continue
            if width % _PUBLISHED_HEAD_DIM:
                raise ValueError(
                    f"{self.path}: the number of attention heads cannot be inferred from a width of {width}, which is "
                    f"not a multiple of the published head width {_PUBLISHED_HEAD_DIM}. Pass {field}."
                )
            numbers[field] = width // _PUBLISHED_HEAD_DIM
        return numbers

    def _count_blocks(self, weights: dict[str, torch.Tensor], prefix: str) -> int:
        """The number of blocks whose weights have this prefix. Blocks are numbered from 0 without a gap."""
        indices = {name.removeprefix(prefix).partition(".")[0] for name in weights if name.startswith(prefix)}
        expected = {str(index) for index in range(len(indices))}
        if not indices or indices != expected:
            odd = names_in_words(sorted(indices - expected), 1)
            raise ValueError(
                f"{self.path} has {len(indices)} blocks with names '{prefix}INDEX.'. Expected the indices 0, 1, 2 and "
                f"so on without a gap, found {odd}."
            )
        return len(indices)
