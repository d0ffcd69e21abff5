"""int8 weights for ONNX programs. Activations are quantised while the program runs."""

import tempfile
from pathlib import Path

from ..extras import needs_extra


def quantise(program: Path):
    """Replace `model.onnx` by a program whose matrix products have int8 weights.

    Each column of a weight has its own scale. Each input of a product gets one scale when the program runs, so no
    clips are needed. Products of two activations, norms and the head stay in float32.

    Raises:
        MissingExtraError: If onnx or onnxruntime are not installed.
    """
    with needs_extra("export"):
        import onnx
        from onnxruntime.quantization import quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process
    with tempfile.TemporaryDirectory(dir=program.parent) as temporary:
        prepared, part = Path(temporary, "prepared.onnx"), Path(temporary, "part.onnx")
        # A product reads its weight through a transposition. This pass computes it, else no weight would be quantised.
        quant_pre_process(program, prepared, skip_symbolic_shape=True)
        stacked = _stacked_products(onnx.load(prepared))
        quantize_dynamic(prepared, part, ["MatMul"], per_channel=True, nodes_to_exclude=stacked)
        quantize_dynamic(part, program, ["MatMul"], nodes_to_quantize=stacked)


def _stacked_products(model) -> list[str]:
    """Names of the products whose weight has three dimensions. ONNX Runtime gives them one scale only."""
    weights = {weight.name for weight in model.graph.initializer if len(weight.dims) > 2}
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]
