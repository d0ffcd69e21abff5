"""int8 weights for ONNX programs. Activations are quantised while the program runs."""

import tempfile
from pathlib import Path

from ..extras import needs_extra


def quantise(program: Path):
    """Replace `model.onnx` by a program whose matrix products have int8 weights.

    Each column of a weight has its own scale. Each input of a product gets one scale when the program runs, so no
    clips are needed. Products of two activations, softmax and norms stay in float32.

    Weights use 7 of the 8 bits. With 8, sums overflow on processors without VNNI, and scores would differ between
    machines.

    Raises:
        MissingExtraError: If onnx or onnxruntime are not installed.
    """
    with needs_extra("export"):
        import onnx
        from onnxruntime.quantization import quantize_dynamic
        from onnxruntime.quantization.shape_inference import quant_pre_process
    with tempfile.TemporaryDirectory(dir=program.parent) as temporary:
        prepared, part = Path(temporary, "prepared.onnx"), Path(temporary, "part.onnx")
        # Products read their weights through transpositions. Unless these are computed first, no weight is quantised.
        quant_pre_process(program, prepared, skip_symbolic_shape=True)
        stacked = _stacked_products(onnx.load(prepared))
        quantize_dynamic(prepared, part, ["MatMul"], per_channel=True, reduce_range=True, nodes_to_exclude=stacked)
        if not stacked:  # an empty list would mean all products
            part.replace(program)
            return
        quantize_dynamic(part, program, ["MatMul"], reduce_range=True, nodes_to_quantize=stacked)


def _stacked_products(model) -> list[str]:
    """Names of the products whose weight has three dimensions. ONNX Runtime takes only one scale for them."""
    weights = {weight.name for weight in model.graph.initializer if len(weight.dims) > 2}
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]
