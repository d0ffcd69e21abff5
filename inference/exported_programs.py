"""Programs of exported models, run by ONNX Runtime, OpenVINO or torch on the CPU.

Each class has two attributes and a method:

- `inputs` and `outputs` are dictionaries from the names of arrays to their shapes. A size is None if any size fits, or
  if the program does not say it.
- `run` takes the input arrays by name, and returns the output arrays by name.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from ..extras import needs_extra
from ..hub.exported_folder import ExportDescription


class OnnxProgram:
    """`model.onnx`. ONNX Runtime computes with `num_threads` threads."""

    def __init__(self, path: Path, num_threads: int):
        with needs_extra("export"):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs, self.outputs = (
            {value.name: _sizes(value.shape) for value in values}
            for values in (self._session.get_inputs(), self._session.get_outputs())
        )

    def run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self.outputs, self._session.run(None, arrays), strict=True))


class OpenVinoProgram:
    """`openvino_model.xml`. OpenVINO computes with `num_threads` threads, in float32 where weights are not int8."""

    def __init__(self, path: Path, num_threads: int):
        with needs_extra("openvino"):
            import openvino
        # Otherwise OpenVINO computes in bfloat16 on CPUs that have it.
        options = {"INFERENCE_NUM_THREADS": num_threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._model = openvino.Core().compile_model(path, "CPU", options)
        self.inputs, self.outputs = (
            {
                port.get_any_name(): _sizes(
                    size.get_length() if size.is_static else None for size in port.partial_shape
                )
                for port in ports
            }
            for ports in (self._model.inputs, self._model.outputs)
        )

    def run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = self._model(arrays)
        return {name: results[name] for name in self.outputs}


class TorchProgram:
    """`model.pt2`, computed with the threads of torch. The program has no names, so the description gives them."""

    def __init__(self, path: Path, description: ExportDescription):
        program = torch.export.load(path)
        # `ExportedModel` checks inputs. The checks of torch 2.9 fail for an autoencoder with batches of any size.
        self._module = program.module(check_guards=False)
        signature = program.graph_signature
        values = {node.name: node.meta.get("val") for node in program.graph.nodes}
        self.inputs, self.outputs = (
            dict(zip(names, (_sizes(values[node].shape) for node in nodes), strict=True))
            for names, nodes in (
                (description.inputs, signature.user_inputs),
                (description.outputs, signature.user_outputs),
            )
        )

    @torch.inference_mode()
    def run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = self._module(*(torch.from_numpy(arrays[name]) for name in self.inputs))
        return {name: result.numpy() for name, result in zip(self.outputs, results, strict=True)}


def _sizes(shape: Iterable) -> tuple[int | None, ...]:
    """A shape with None in place of each size that is not a whole number, such as the name of a dynamic axis."""
    return tuple(size if isinstance(size, int) else None for size in shape)
