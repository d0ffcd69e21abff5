"""A published VideoMAE checkpoint: its kind, and inference of the model's configuration.

The authors of MAE-DFER trained VideoMAE as a baseline, with the code of `pretrain_videomae_base_patch16_160`.
"""

from transformers import VideoMAEConfig

from .checkpoint import Checkpoint
from .published_file import PublishedFile


def is_videomae(file: PublishedFile) -> bool:
    """Whether a file contains a VideoMAE."""
    return any(name.endswith("blocks.0.attn.qkv.weight") for name in file.weights) and not any(
        name.endswith("lg_region_tokens") for name in file.weights
    )


class VideoMAECheckpoint(Checkpoint):
    """A VideoMAE. Its kind is `"pretraining"` or `"classification"`."""

    config_class = VideoMAEConfig
    field_of_argument = {"input_size": "image_size", "num_frames": "num_frames", "normlize_target": "norm_pix_loss"}

    def _find_kind(self):
        if "decoder.blocks.0.attn.qkv.weight" in self.weights:
            return "pretraining"
        if "head.weight" in self.weights and "fc_norm.weight" in self.weights:
            return "classification"
        raise ValueError(f"{self.path} is a VideoMAE without decoder and without classifier. It cannot be converted.")

    def _fields_of_arguments(self):
        return {"image_size": 160, "num_frames": 16} | super()._fields_of_arguments()

    def _fields_of_family(self):
        return {"layer_norm_eps": 1e-6, "use_mean_pooling": self.kind == "classification"}
