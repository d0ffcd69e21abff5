"""Device, models and sizes of a section. A rehearsal takes tiny models."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedConfig, VideoMAEConfig

from lgi_former import LGIFormerConfig


FAMILIES = ("lgi_former", "videomae")
NUM_LABELS = 7

TINY = {
    "image_size": 32,
    "patch_size": 8,
    "num_frames": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "decoder_hidden_size": 24,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 48,
}


@dataclass(frozen=True)
class Setting:
    """
    Attributes:
        rehearse: Tiny models and few calls, to test that all sections run.
        seconds: Time limit of the section, after which it is stopped.
    """

    rehearse: bool
    seconds: float

    @property
    def device(self) -> torch.device:
        """The GPU, or the processor without one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def pick(self, full, rehearsed):
        """`full`, or `rehearsed` in a rehearsal."""
        return rehearsed if self.rehearse else full

    def config(self, family: str, num_frames: int | None = None, **fields) -> PreTrainedConfig:
        """Configuration of the base model of a family, for clips of 160 x 160."""
        fields = {"num_labels": NUM_LABELS, **fields}
        if self.rehearse:
            fields = {**TINY, **fields}
        if num_frames is not None:
            fields["num_frames"] = num_frames
        if family == "videomae":
            fields.pop("drop_path_rate", None)  # it has no stochastic depth in Transformers
            return VideoMAEConfig(**{"image_size": 160, **fields})
        if self.rehearse:
            fields["region_size"] = (1, 2, 4)
        return LGIFormerConfig(**fields)

    def clips(self, config: PreTrainedConfig, batch_size: int) -> torch.Tensor:
        """Random clips for a model, float32 (batch, frames, 3, height, width)."""
        size = (batch_size, config.num_frames, 3, config.image_size, config.image_size)
        return torch.randn(size, device=self.device)

    def compiled(self, module: torch.nn.Module, mode: str | None, fullgraph: bool = True) -> torch.nn.Module:
        """`module` compiled in a mode of `torch.compile`, for one shape of inputs. None does not compile.

        A processor only traces the graph, because compiling takes minutes there.
        """
        if mode is None:
            return module
        if not self.on_gpu:
            return torch.compile(module, fullgraph=fullgraph, dynamic=False, backend="eager")
        return torch.compile(module, fullgraph=fullgraph, dynamic=False, mode=mode)
