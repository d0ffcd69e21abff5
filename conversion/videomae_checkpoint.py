"""A published VideoMAE checkpoint: its kind, and inference of the model's configuration.

The authors of MAE-DFER trained VideoMAE as a baseline, with the code of `pretrain_videomae_base_patch16_160`.
"""

from transformers import VideoMAEConfig

from .published_checkpoint import decoder_sizes, encoder_sizes, published_heads
from .published_file import PublishedFile


_CLIP_OF_ARGUMENTS = {"input_size": "image_size", "num_frames": "num_frames", "normlize_target": "norm_pix_loss"}
_PUBLISHED_CLIP = {"image_size": 160, "num_frames": 16}


def is_videomae(file: PublishedFile) -> bool:
    """Whether a file contains a VideoMAE."""
    return any(name.endswith("blocks.0.attn.qkv.weight") for name in file.weights) and not any(
        name.endswith("lg_region_tokens") for name in file.weights
    )


class VideoMAECheckpoint:
    """Weights and arguments of a VideoMAE.

    Attributes:
        kind: `"pretraining"` or `"classification"`.
        path, weights, arguments: Those of the file.
    """

    config_class = VideoMAEConfig

    def __init__(self, file: PublishedFile):
        """Find the kind of model in a file.

        Raises:
            ValueError: If the file has neither a decoder nor a classifier.
        """
        self.path, self.arguments, self.weights = file.path, file.arguments, file.weights
        if "decoder.blocks.0.attn.qkv.weight" in self.weights:
            self.kind = "pretraining"
        elif "head.weight" in self.weights and "fc_norm.weight" in self.weights:
            self.kind = "classification"
        else:
            raise ValueError(
                f"{self.path} is a VideoMAE without decoder and without classifier. It cannot be converted."
            )

    def infer_config(self, **fields) -> VideoMAEConfig:
        """Infer the configuration from weights and arguments.

        Unknown fields have the published values: heads of width 64, clips of 16 x 160 x 160.

        Args:
            fields: Fields that replace inferred ones.

        Raises:
            ValueError: If the number of heads cannot be inferred. The message names the field to pass.
        """
        inferred = {
            **_PUBLISHED_CLIP,
            **{
                field: self.arguments[argument]
                for argument, field in _CLIP_OF_ARGUMENTS.items()
                if self.arguments.get(argument) is not None
            },
            **self._sizes(),
            "layer_norm_eps": 1e-6,
            "use_mean_pooling": self.kind == "classification",
        }
        if self.kind == "classification":
            inferred["num_labels"] = self.weights["head.weight"].shape[0]
        inferred |= published_heads(self.path, inferred, fields)
        return VideoMAEConfig(**{**inferred, **fields})

    def _sizes(self) -> dict[str, int]:
        if self.kind == "classification":
            return encoder_sizes(self.weights)
        encoder = {name.removeprefix("encoder."): weight for name, weight in self.weights.items()}
        return encoder_sizes(encoder) | decoder_sizes(self.weights)
