"""A published MAE-DFER checkpoint: its kind, and inference of the model's configuration."""

import re

import torch

from ..configuration import LGIFormerConfig
from .published_file import PublishedFile


# Names in the `args` of published checkpoints, and the fields of the configuration.
_FIELDS_OF_ARGUMENTS = {
    "input_size": "image_size",
    "num_frames": "num_frames",
    "lg_region_size": "region_size",
    "lg_classify_token_type": "pooling",
    "keep_temporal_dim": "frame_level",
    "head_activation_func": "head_activation",
    "mask_ratio": "mask_ratio",
    "normlize_target": "norm_pix_loss",
    "use_frame_diff_as_target": "motion_target",
    "frame_diff_group_size": "motion_group_size",
    "target_diff_weight": "motion_loss_weight",
}
_POOLINGS = {"region": "representative", "org": "local", "all": "all"}
_PUBLISHED_HEAD_DIM = 64


class PublishedCheckpoint:
    """Weights and arguments of a published checkpoint.

    Attributes:
        kind: `"pretraining"`, `"classification"` or `"encoder"` (only the encoder of pre-training).
        weights: Tensors by published name, without the prefixes of wrappers.
        arguments: Arguments of the published script, if the file has them.
    """

    config_class = LGIFormerConfig

    def __init__(self, file: PublishedFile):
        """Find the kind of model in a file.

        Raises:
            ValueError: If it contains no LGI-Former.
        """
        self.path, self.arguments, weights = file.path, file.arguments, file.weights
        self.kind = "pretraining" if any(name.startswith("decoder.") for name in weights) else "classification"
        if self.kind == "classification":
            weights = {name.removeprefix("encoder."): weight for name, weight in weights.items()}
            self.kind = "classification" if "head.weight" in weights else "encoder"
        self.weights = weights
        self._encoder = {name.removeprefix("encoder."): weight for name, weight in weights.items()}
        if "lg_region_tokens" not in self._encoder or "patch_embed.proj.weight" not in self._encoder:
            raise ValueError(
                f"{self.path} contains no LGI-Former and no VideoMAE: expected weights such as 'lg_region_tokens' and "
                f"'patch_embed.proj.weight', found {', '.join(list(weights)[:4]) or 'none'}."
            )

    def infer_config(self, **fields) -> LGIFormerConfig:
        """Infer the configuration from weights and arguments.

        Unknown fields have the published values: heads of width 64, clips of 16 x 160 x 160, regions of (2, 5, 10).

        Args:
            fields: Fields that replace inferred ones.

        Raises:
            ValueError: If a field cannot be inferred or does not fit. The message names the field to pass.
        """
        inferred = {**self._fields_of_arguments(), **self._fields_of_encoder()}
        if self.kind == "pretraining":
            inferred |= self._fields_of_decoder()
        if self.kind == "classification":
            inferred["num_labels"] = self.weights["head.weight"].shape[0]
        inferred |= published_heads(self.path, inferred, fields)
        config = LGIFormerConfig(**{**inferred, **fields})
        num_regions = self._encoder["lg_region_tokens"].shape[0]
        if config.num_regions != num_regions:
            raise ValueError(
                f"{self.path} has {num_regions} representative tokens, but clips of {config.num_frames} frames of "
                f"{config.image_size} pixels with regions of {config.region_size} tokens need {config.num_regions}. "
                "Pass the num_frames, image_size or region_size of its training."
            )
        return config

    def _fields_of_arguments(self):
        fields = {
            field: self.arguments[argument]
            for argument, field in _FIELDS_OF_ARGUMENTS.items()
            if self.arguments.get(argument) is not None
        }
        if "pooling" in fields:
            fields["pooling"] = _POOLINGS.get(fields["pooling"], fields["pooling"])
        if "region_size" in fields:
            fields["region_size"] = tuple(fields["region_size"])
        return fields

    def _fields_of_encoder(self):
        weights = self._encoder
        return {
            **encoder_sizes(weights),
            "qkv_bias": "blocks.0.first_attn.q_bias" in weights,
            "intra_region_attention": "cross" if "blocks.0.first_attn_norm1.weight" in weights else "self",
            "inter_region_attention": "blocks.0.second_attn.q.weight" in weights,
            "local_global_interaction": self._interaction(),
            "attention_sharing": self._sharing(),
        }

    def _fields_of_decoder(self):
        return {
            **decoder_sizes(self.weights),
            # Published checkpoints were trained with this order.
            "decoder_position_order": "region",
        }

    def _interaction(self):
        if "blocks.0.third_attn.q.weight" not in self._encoder:
            return None
        return "cross" if "blocks.0.third_attn_norm1.weight" in self._encoder else "self"

    def _sharing(self):
        """The kind of sharing. A published state dict contains shared attentions once for each name."""
        first, second, third = (
            {name.removeprefix(prefix): weight for name, weight in self._encoder.items() if name.startswith(prefix)}
            for prefix in ("blocks.0.first_attn.", "blocks.0.second_attn.", "blocks.0.third_attn.")
        )
        if not _equal(first, third):
            return "none"
        return "all" if _equal(first, second) else "intra_and_interaction"


def encoder_sizes(weights: dict[str, torch.Tensor]) -> dict[str, int]:
    """Sizes of an encoder of either family, by field of the configuration.

    Args:
        weights: Tensors by published name, without the prefix `encoder.`.
    """
    hidden_size, num_channels, tubelet_size, patch_size, _ = weights["patch_embed.proj.weight"].shape
    return {
        "hidden_size": hidden_size,
        "num_channels": num_channels,
        "tubelet_size": tubelet_size,
        "patch_size": patch_size,
        "num_hidden_layers": _count_blocks(weights, r"blocks\.(\d+)\."),
        "intermediate_size": weights["blocks.0.mlp.fc1.weight"].shape[0],
    }


def decoder_sizes(weights: dict[str, torch.Tensor]) -> dict[str, int]:
    """Sizes of a decoder of either family, by field of the configuration."""
    return {
        "decoder_hidden_size": weights["mask_token"].shape[-1],
        "decoder_num_hidden_layers": _count_blocks(weights, r"decoder\.blocks\.(\d+)\."),
        "decoder_intermediate_size": weights["decoder.blocks.0.mlp.fc1.weight"].shape[0],
    }


def published_heads(path, inferred: dict, fields: dict) -> dict[str, int]:
    """Numbers of attention heads for the inferred widths, without those that `fields` give.

    Raises:
        ValueError: If a width is not a multiple of the published width of a head.
    """
    numbers = {}
    for prefix in ("", "decoder_"):
        width, field = inferred.get(f"{prefix}hidden_size"), f"{prefix}num_attention_heads"
        if width is None or field in fields:
            continue
        if width % _PUBLISHED_HEAD_DIM:
            raise ValueError(
                f"{path}: the number of attention heads cannot be inferred from a width of {width}, which is not "
                f"a multiple of the published head width {_PUBLISHED_HEAD_DIM}. Pass {field}."
            )
        numbers[field] = width // _PUBLISHED_HEAD_DIM
    return numbers


def _count_blocks(weights, pattern):
    return 1 + max(int(match[1]) for name in weights if (match := re.match(pattern, name)))


def _equal(one, other):
    return bool(one) and one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
