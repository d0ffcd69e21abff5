"""A published MAE-DFER checkpoint: its kind, and inference of the model's configuration."""

import torch

from ..configuration import LGIFormerConfig
from .checkpoint import Checkpoint
from .published_file import names_in_words


_POOLINGS = {"region": "representative", "org": "local", "all": "all"}


class PublishedCheckpoint(Checkpoint):
    """An LGI-Former."""

    config_class = LGIFormerConfig
    field_of_argument = {
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

    def infer_config(self, **fields) -> LGIFormerConfig:
        """Infer the configuration, and check it against the number of representative tokens."""
        config = super().infer_config(**fields)
        num_regions = self.shape("lg_region_tokens", 2)[0]
        if config.num_regions != num_regions:
            raise ValueError(
                f"{self.path} has {num_regions} representative tokens, but clips of {config.num_frames} frames of "
                f"{config.image_size} pixels with regions of {config.region_size} tokens need {config.num_regions}. "
                "Pass the num_frames, image_size or region_size of its training."
            )
        return config

    def _find_kind(self):
        if "lg_region_tokens" not in self.encoder or "patch_embed.proj.weight" not in self.encoder:
            raise ValueError(
                f"{self.path} contains no LGI-Former and no VideoMAE: expected weights such as 'lg_region_tokens' and "
                f"'patch_embed.proj.weight', found {names_in_words(self.weights)}."
            )
        if any(name.startswith("decoder.") for name in self.weights):
            return "pretraining"
        return "classification" if "head.weight" in self.encoder else "encoder"

    def _fields_of_arguments(self):
        fields = super()._fields_of_arguments()
        if "pooling" in fields:
            fields["pooling"] = _POOLINGS.get(fields["pooling"], fields["pooling"])
        if "region_size" in fields:
            fields["region_size"] = tuple(fields["region_size"])
        return fields

    def _fields_of_family(self):
        weights = self.encoder
        return {
            "qkv_bias": "blocks.0.first_attn.q_bias" in weights,
            "intra_region_attention": "cross" if "blocks.0.first_attn_norm1.weight" in weights else "self",
            "inter_region_attention": "blocks.0.second_attn.q.weight" in weights,
            "local_global_interaction": self._interaction(),
            "attention_sharing": self._sharing(),
            # Published decoders were trained with this order.
            **({"decoder_position_order": "region"} if self.kind == "pretraining" else {}),
        }

    def _interaction(self):
        if "blocks.0.third_attn.q.weight" not in self.encoder:
            return None
        return "cross" if "blocks.0.third_attn_norm1.weight" in self.encoder else "self"

    def _sharing(self):
        """The kind of sharing. A published state dict contains shared attentions once for each name."""
        first, second, third = (
            {name.removeprefix(prefix): weight for name, weight in self.encoder.items() if name.startswith(prefix)}
            for prefix in ("blocks.0.first_attn.", "blocks.0.second_attn.", "blocks.0.third_attn.")
        )
        if not _equal(first, third):
            return "none"
        return "all" if _equal(first, second) else "intra_and_interaction"


def _equal(one, other):
    return bool(one) and one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
