"""The program of a model: traced by torch.export, then written as ONNX or as it is."""

import io
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from ..extras import needs_extra
from ..hub.exported_folder import PROGRAMS
from ..modeling_lgi_former import LGIFormerForPreTraining, LGIFormerModel, RegionTubeMasking


class TensorModel(nn.Module):
    """A model whose inputs and outputs are tensors, in the order of `inputs` and `outputs`.

    Attributes:
        inputs (`tuple[str, ...]`): `"pixel_values"`, and for a masked autoencoder also `"bool_masked_pos"`.
        outputs (`tuple[str, ...]`): `"logits"`, or the outputs of the encoder.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.model = model
        self.is_autoencoder = isinstance(model, LGIFormerForPreTraining)
        self.inputs = ("pixel_values", "bool_masked_pos") if self.is_autoencoder else ("pixel_values",)
        self.outputs = ("logits",)
        if isinstance(model, LGIFormerModel):
            self.outputs = ("last_hidden_state", "representative_hidden_state", "pooler_output")

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute the outputs from float32 (batch, frames, channels, height, width) and bool (batch, local tokens).

        ONNX has no assertion. So the program gives NaN for a clip whose mask has another number of visible tokens.
        """
        outputs = self.model(*inputs, output_hidden_states=False, output_attentions=False, return_dict=True)
        if self.is_autoencoder:
            fits = self.model.lgi_former.embeddings.regions.has_count_by_ratio(inputs[1])
            return (outputs.logits.where(fits[:, None, None], float("nan")),)
        return tuple(outputs[name] for name in self.outputs)


def example_inputs(model: PreTrainedModel, batch_size: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Random inputs of a `TensorModel`, on the CPU. Equal seeds give equal inputs."""
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, config.num_frames, config.num_channels, config.image_size, config.image_size)
    pixel_values = torch.randn(shape, generator=generator)
    if not isinstance(model, LGIFormerForPreTraining):
        return (pixel_values,)
    return pixel_values, RegionTubeMasking(config)(batch_size, generator=generator)


@torch.no_grad()
def trace(tensor_model: TensorModel, dynamic_batch: bool, attention: str) -> torch.export.ExportedProgram:
    """Trace a model for batches of any size, or for one clip, with an attention of Transformers."""
    tensor_model.model.set_attn_implementation(attention)
    inputs = example_inputs(tensor_model.model, 2 if dynamic_batch else 1)
    batch = torch.export.Dim("batch", min=1)
    shapes = {"inputs": tuple({0: batch} for _ in inputs)} if dynamic_batch else None
    return torch.export.export(tensor_model, inputs, dynamic_shapes=shapes)


def write_torch(program: torch.export.ExportedProgram, folder: Path):
    """Write `model.pt2`."""
    content = io.BytesIO()  # PyTorch aborts the process if its own writer of files fails
    torch.export.save(program, content)
    (folder / PROGRAMS["torch"]).write_bytes(content.getbuffer())


def write_onnx(program: torch.export.ExportedProgram, tensor_model: TensorModel, folder: Path):
    """Write `model.onnx`. If it is larger than 2 GB, its weights are in `model.onnx.data`.

    Raises:
        MissingExtraError: If onnx, onnxscript or onnxruntime are not installed.
    """
    with needs_extra("export"):
        import onnxruntime  # noqa: F401  (runs the program later)
        from onnxscript import optimizer
    names = {"input_names": tensor_model.inputs, "output_names": tensor_model.outputs}
    onnx_program = torch.onnx.export(program, **names, dynamo=True, verbose=False, optimize=False)
    # The exporter's own optimisation tries many patterns at each operation, which takes longer. It gains no speed,
    # because runtimes have their own.
    optimizer.inline(onnx_program.model)
    optimizer.fold_constants_ir(onnx_program.model)
    optimizer.remove_unused_nodes(onnx_program.model)
    for node in onnx_program.model.graph:
        node.metadata_props.clear()  # lines of source code, with paths of this machine
    onnx_program.save(folder / PROGRAMS["onnx"])
