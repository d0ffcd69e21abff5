"""`export_model`: writes the folder of an exported model, after a comparison with the model."""

import copy
import json
import os
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from ..files import only_writer_of, sync_folder, sync_tree
from ..hub.exported_folder import DESCRIPTION, PREPROCESSING, PROGRAMS, checksums
from ..inference.exported_model import ExportedModel
from ..modeling_lgi_former import LGIFormerForVideoClassification
from ..version import __version__
from .comparison import clip_seconds, compare
from .openvino import convert_to_openvino
from .preprocessing import answers_of_logits, preprocessing_of
from .program import TensorModel, example_inputs, trace, write_onnx, write_torch
from .quantisation import quantise
from .source import load_source
from .staging import staging_folder


DYNAMIC_BATCHES = [1, 2, 5]
"""Numbers of clips in the comparison of a program for batches of any size."""


def export_model(
    model: str | os.PathLike | PreTrainedModel,
    out: str | os.PathLike,
    format: str = "onnx",
    int8: bool = False,
    dynamic_batch: bool = False,
    *,
    encoder_only: bool = False,
    processor: BaseVideoProcessor | None = None,
) -> Path:
    """Export a model as a program that runs without its Python code.

    The program computes in float32 or int8. It is run and compared with the model before the folder appears. A
    classifier takes `pixel_values` and gives `logits`. An encoder gives `last_hidden_state`,
    `representative_hidden_state` and `pooler_output`. A masked autoencoder also takes `bool_masked_pos`.

    Args:
        model: A folder, a Hub repository, the name of a released model, or a model of this process. Adapters of
            folders and repositories are merged.
        out: The folder to write. It must not exist, or be empty.
        format: `"onnx"` (`model.onnx`), `"openvino"` (`openvino_model.xml` and `.bin`) or `"torch"` (`model.pt2`).
        int8: Whether to quantise matrix products to 8 bits, for `"onnx"` only. Scores change: see docs/export.md.
        dynamic_batch: Whether the program takes batches of any size. Otherwise, it takes one clip.
        encoder_only: Whether to export only the encoder, for embeddings.
        processor: The video processor. The default is that of the folder or repository. A model of this process has
            none.

    Returns:
        The path of `out`. It has `config.json`, the program, `export.json` (inputs, outputs, differences, times),
        `preprocessing.json` (what clips and logits are) and `video_preprocessor_config.json`.

    Raises:
        FileExistsError: If `out` is not empty.
        OSError, ValueError: If the model cannot be loaded or exported in this format, or `out` cannot be written.
        MissingExtraError: If a package of the format is not installed.
        ExportError: If the program does not compute what the model computes, or weights stay in float32 with `int8`.
            It is a `ValueError`.
    """
    out = Path(os.path.realpath(out))  # a link to a folder cannot be replaced by a folder, but the folder can
    _check_out(out)
    with only_writer_of(out):
        _check_out(out)  # another process may have written it after the first check
        if format not in PROGRAMS:
            raise ValueError(f"format={format!r} is not one of {', '.join(PROGRAMS)}.")
        if int8 and format != "onnx":
            raise ValueError(
                f"int8 is not available for format={format!r}. Use format='onnx'. docs/export.md says why."
            )
        model, processor = load_source(model, processor, encoder_only)
        preprocessing = preprocessing_of(processor, model.config)
        if isinstance(model, LGIFormerForVideoClassification):
            preprocessing |= answers_of_logits(model.config)
        with staging_folder(out) as folder:
            _save_config(model, folder)
            processor.save_pretrained(folder, save_code=False)
            _write_json(folder / PREPROCESSING, preprocessing)
            _write_program(TensorModel(model), folder, format, int8, dynamic_batch)
            sync_tree(folder)
            if out.is_dir():
                out.rmdir()
            folder.rename(out)
            sync_folder(out.parent)
    return out


def _check_out(out: Path):
    parent = next(path for path in out.parents if path.exists())
    if not parent.is_dir():
        raise FileExistsError(f"'{out}' is inside '{parent}', which is a file. Choose another folder.")
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"'{out}' is not empty. Choose another folder.")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"'{out}' is a file. Give the path of a folder.")


def _save_config(model: PreTrainedModel, folder: Path):
    config = copy.deepcopy(model.config)
    config.architectures, config.dtype = [type(model).__name__], torch.float32
    config.save_pretrained(folder, save_code=False)


def _write_program(tensor_model: TensorModel, folder: Path, format: str, int8: bool, dynamic_batch: bool):
    """Write the program and `export.json`, and compare the program with the model."""
    # As plain products, attention is faster in ONNX Runtime.
    program = trace(tensor_model, dynamic_batch, attention="sdpa" if format == "torch" else "eager")
    tensor_model.model.set_attn_implementation("sdpa")
    if format == "torch":
        write_torch(program, folder)
    else:
        write_onnx(program, tensor_model, folder)
    if int8:
        quantise(folder / PROGRAMS["onnx"])
    if format == "openvino":
        convert_to_openvino(folder)
    facts = {
        "format": format,
        "int8": "dynamic" if int8 else None,
        "dynamic_batch": dynamic_batch,
        "batch_size": None if dynamic_batch else 1,
        **_signature(tensor_model, dynamic_batch),
        "lgi_former_version": __version__,
        "sha256": checksums(folder, format),
    }
    _write_json(folder / DESCRIPTION, facts)  # what runs the program reads it
    exported = ExportedModel.from_pretrained(folder)
    compared = compare(tensor_model, exported, DYNAMIC_BATCHES if dynamic_batch else [1], has_bound=not int8)
    compared["clip_seconds"] = clip_seconds(tensor_model, exported)
    _write_json(folder / DESCRIPTION, facts | {"compared": compared})


def _signature(tensor_model: TensorModel, dynamic_batch: bool) -> dict:
    """Names, shapes and dtypes of inputs and outputs. A batch of any size is None in a shape."""
    inputs = example_inputs(tensor_model.model, batch_size=1)
    with torch.inference_mode():
        outputs = tensor_model(*inputs)

    def described(names, tensors):
        first = None if dynamic_batch else 1
        return [
            {"name": name, "shape": [first, *tensor.shape[1:]], "dtype": str(tensor.dtype).removeprefix("torch.")}
            for name, tensor in zip(names, tensors, strict=True)
        ]

    return {"inputs": described(tensor_model.inputs, inputs), "outputs": described(tensor_model.outputs, outputs)}


def _write_json(path: Path, content: dict):
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
