"""Exported models, called as the models that they were exported from."""

import json
import os
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedConfig
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.utils import ModelOutput

from ..configuration import LGIFormerConfig
from ..extras import MissingExtraError
from ..hub.answer_kind import AnswerKind
from ..hub.exported_folder import PREPROCESSING, PROGRAMS, ExportDescription, check_files, read_description
from ..hub.loading import load_config
from ..hub.model_kind import kind_of
from ..modeling_lgi_former.modeling_lgi_former import LGIFormerForPreTrainingOutput, LGIFormerModelOutput
from ..modeling_lgi_former.regions import LGIFormerRegions
from .exported_programs import OnnxProgram, OpenVinoProgram, TorchProgram


OUTPUTS = {
    "LGIFormerForVideoClassification": ImageClassifierOutput,
    "LGIFormerForPreTraining": LGIFormerForPreTrainingOutput,
    "LGIFormerModel": LGIFormerModelOutput,
}
"""The output of each class of models."""


class ExportedModel:
    """A model that `lgi-former export` wrote. It computes on the CPU with ONNX Runtime, OpenVINO or torch.

    A call takes the inputs of the exported model and returns its outputs, as the model itself does. Training, hidden
    states and attentions are not available.

    Attributes:
        config (`PreTrainedConfig`): The configuration of the exported model.
        device (`torch.device`): Always the CPU.
        dtype (`torch.dtype`): Always `torch.float32`, the dtype of `pixel_values`.

    Example:

    ```python
    from lgi_former import ExportedModel, LGIFormerVideoProcessor

    model = ExportedModel.from_pretrained("exported")
    processor = LGIFormerVideoProcessor.from_pretrained("exported")
    logits = model(processor("holiday.mp4", return_tensors="np")["pixel_values"]).logits
    ```
    """

    main_input_name = "pixel_values"
    input_modalities = ("video",)
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, config: PreTrainedConfig, program, batch_size: int | None):
        self.config = config
        self._program = program
        self._batch_size = batch_size
        self._output_class = OUTPUTS[_class_name(config)]

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, num_threads: int | None = None) -> "ExportedModel":
        """Load the folder of an exported model.

        Args:
            folder: A folder that `lgi-former export` or `export_model` wrote.
            num_threads: Threads of ONNX Runtime or OpenVINO. The default is `torch.get_num_threads()`. A program of
                torch always has the threads of torch.

        Raises:
            FileNotFoundError: If the folder is not an exported model, or a file is missing.
            ValueError: If a file was changed or is damaged, the files do not belong together, a newer version of this
                package wrote them, or `num_threads` is given for a program of torch.
            MissingExtraError: If the runtime of the format is not installed.
        """
        description = read_description(folder)
        check_files(folder, description)
        config = load_config(folder)
        program = _load_program(Path(folder, PROGRAMS[description.format]), description, num_threads)
        _check_parts(folder, description, config, program)
        return cls(config, program, description.batch_size)

    def __call__(
        self,
        pixel_values: torch.Tensor | np.ndarray,
        bool_masked_pos: torch.Tensor | np.ndarray | None = None,
        pooled_only: bool = False,
    ) -> ModelOutput:
        """Compute the outputs of clips. A program for a fixed number of clips is run several times if needed.

        Args:
            pixel_values: float (clips, frames, channels, height, width), a tensor or an array.
            bool_masked_pos: bool (clips, local tokens), for a masked autoencoder only. True is masked.
            pooled_only: Whether to leave out `last_hidden_state` of an encoder.

        Returns:
            The output class of the exported model with float32 values: tensors on the device of `pixel_values`, or
            arrays if `pixel_values` is an array.

        Raises:
            ValueError: If an input is missing, or has a shape or dtype that the program does not take.
        """
        arrays = {"pixel_values": self._clips(pixel_values)}
        if bool_masked_pos is not None or "bool_masked_pos" in self._program.inputs:
            arrays["bool_masked_pos"] = self._mask(bool_masked_pos, len(pixel_values))
        outputs = self._run(arrays)
        if pooled_only:
            outputs.pop("last_hidden_state", None)
        if isinstance(pixel_values, torch.Tensor):
            outputs = {name: torch.from_numpy(array).to(pixel_values.device) for name, array in outputs.items()}
        return self._output_class(**outputs)

    def eval(self) -> "ExportedModel":
        """Return the model, which is always in eval mode."""
        return self

    def to(self, device: str | torch.device) -> "ExportedModel":
        """Return the model. Raises ValueError for another device than the CPU."""
        check_device(device)
        return self

    def can_generate(self) -> bool:
        """Whether the model generates text, which pipelines ask: no."""
        return False

    def _clips(self, pixel_values: torch.Tensor | np.ndarray) -> np.ndarray:
        """Clips for the program: float32, contiguous."""
        array = _array(pixel_values)
        needed = self._program.inputs["pixel_values"][1:]
        if array.ndim != 5 or array.shape[1:] != needed or len(array) == 0:
            raise ValueError(
                f"pixel_values has the shape {array.shape}, but this exported model takes (clips, frames, channels, "
                f"height, width) = (clips, {', '.join(map(str, needed))})."
            )
        if array.dtype.kind != "f":
            raise ValueError(f"pixel_values has dtype {array.dtype}, but must be float, as the processor returns it.")
        return np.ascontiguousarray(array, dtype=np.float32)

    def _mask(self, bool_masked_pos: torch.Tensor | np.ndarray | None, num_clips: int) -> np.ndarray:
        """A mask for the program, checked as the model checks it. The program takes one number of visible tokens."""
        if bool_masked_pos is None or "bool_masked_pos" not in self._program.inputs:
            takes = "needs" if bool_masked_pos is None else "takes no"
            raise ValueError(f"This exported model {takes} bool_masked_pos.")
        mask = _array(bool_masked_pos)
        if len(mask) != num_clips:
            raise ValueError(f"bool_masked_pos is for {len(mask)} clips, but pixel_values has {num_clips}.")
        regions = LGIFormerRegions(self.config)
        visible = regions.visible_in_region(torch.from_numpy(mask), training=False).shape[-1]
        if visible != regions.num_visible_by_ratio:
            raise ValueError(
                f"bool_masked_pos leaves {visible} tokens of each region visible, but this program was exported for "
                f"{regions.num_visible_by_ratio} (mask_ratio={self.config.mask_ratio})."
            )
        return np.ascontiguousarray(mask)

    def _run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the program, for a fixed number of clips in several batches."""
        num_clips, size = len(arrays["pixel_values"]), self._batch_size
        if size is None:
            return self._program.run(arrays)
        batches = [
            self._program.run({name: _filled(array[start : start + size], size) for name, array in arrays.items()})
            for start in range(0, num_clips, size)
        ]
        return {name: np.concatenate([batch[name] for batch in batches])[:num_clips] for name in batches[0]}


def _class_name(config: PreTrainedConfig) -> str:
    """The class of an exported model, a key of `OUTPUTS`.

    Raises:
        ValueError: If the configuration names no such class.
    """
    names = config.architectures or [None]
    if config.model_type != LGIFormerConfig.model_type or names[0] not in OUTPUTS:
        raise ValueError(
            f"The config.json of the exported model has model_type={config.model_type!r} and "
            f"architectures={config.architectures}, but must name a class of LGI-Former. Export the model again."
        )
    return names[0]


def check_device(device: str | torch.device | None):
    """
    Raises:
        ValueError: If the device is not the CPU. None means the CPU.
        RuntimeError: If there is no such kind of device.
    """
    if device is not None and torch.device(device).type != "cpu":
        raise ValueError(f"An exported model computes on the CPU, not on {device}. Choose the device cpu.")


def _load_program(path: Path, description: ExportDescription, num_threads: int | None):
    """
    Raises:
        ValueError, MissingExtraError: As for `ExportedModel.from_pretrained`.
    """
    if description.format == "torch" and num_threads is not None:
        raise ValueError("A program of torch has the threads of torch: leave out num_threads, or export to ONNX.")
    threads = torch.get_num_threads() if num_threads is None else num_threads
    if threads < 1:
        raise ValueError(f"num_threads={num_threads} must be at least 1.")
    try:
        if description.format == "torch":
            return TorchProgram(path, description)
        return (OnnxProgram if description.format == "onnx" else OpenVinoProgram)(path, threads)
    except MissingExtraError:
        raise
    except Exception as error:  # each runtime has its own errors
        reason = " ".join(str(error).split()) or repr(error)
        raise ValueError(f"'{path}' cannot be loaded. Copy or export it again. The reason: {reason}") from error


def _check_parts(folder: str | os.PathLike, description: ExportDescription, config: PreTrainedConfig, program):
    """Check that the files of an exported model belong together.

    Raises:
        ValueError: If they do not.
    """
    program_file = PROGRAMS[description.format]
    fits = {
        f"export.json does not describe {program_file}": _same_shapes(description.inputs, program.inputs)
        and _same_shapes(description.outputs, program.outputs),
        f"config.json does not describe {program_file}": _is_described(description, config),
    } | _fits_of_answers(Path(folder, PREPROCESSING), config)
    for problem, is_fine in fits.items():
        if not is_fine:
            raise ValueError(
                f"The files in '{folder}' are of different models: {problem}. Export the model again, into an empty "
                "folder."
            )


def _is_described(description: ExportDescription, config: PreTrainedConfig) -> bool:
    """Whether a program has the inputs and outputs of the class and sizes in a configuration."""
    kind, inputs, outputs = kind_of([_class_name(config)]), description.inputs, description.outputs
    clips = (description.batch_size, config.num_frames, config.num_channels, config.image_size, config.image_size)
    if inputs.get("pixel_values") != clips or ("bool_masked_pos" in inputs) != (kind == "autoencoder"):
        return False
    if kind == "encoder":
        return "logits" not in outputs and all(shape[-1:] == (config.hidden_size,) for shape in outputs.values())
    logits = outputs.get("logits", ())
    fits = len(logits) == (3 if config.frame_level else 2) and logits[-1:] == (config.num_labels,)
    return outputs.keys() == {"logits"} and (kind == "autoencoder" or fits)


def _fits_of_answers(preprocessing: Path, config: PreTrainedConfig) -> dict[str, bool]:
    """Whether `preprocessing.json` and a configuration mean the same by logits, by problem. Both may say nothing."""
    if not preprocessing.is_file():
        return {}
    try:
        described = json.loads(preprocessing.read_text(encoding="utf-8"))
        if described.get("labels") is None:
            return {}
        kind, problem_type = AnswerKind.of(config), described.get("problem_type")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{preprocessing} is damaged ({error}). Export the model again.") from error
    pair = "config.json and preprocessing.json have different"
    return {
        f"{pair} labels": described["labels"] == kind.labels,
        f"{pair} problem types": problem_type in (None, kind.problem_type),
    }


def _same_shapes(described: dict[str, tuple], found: dict[str, tuple]) -> bool:
    """Whether names and sizes agree. A program may not know some sizes, or all."""
    return described.keys() == found.keys() and all(
        not found[name]
        or (len(shape) == len(found[name]) and all(b in (None, a) for a, b in zip(shape, found[name], strict=True)))
        for name, shape in described.items()
    )


def _array(values: torch.Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def _filled(array: np.ndarray, size: int) -> np.ndarray:
    """Clips, filled up to `size` by repeating the last one. Copies do not change the ranges of int8 activations."""
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
