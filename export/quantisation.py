"""int8 weights for ONNX programs. Activations are quantised while the program runs."""

import tempfile
from pathlib import Path

from ..extras import needs_extra
from .comparison import ExportError


def quantise(program: Path):
    """Replace `model.onnx` by a program whose matrix products have int8 weights.

    Each column of a weight has its own scale. Each input of a product gets one scale when the program runs, so no
    clips are needed. Products of two activations, softmax and norms stay in float32.

    Weights use 7 of the 8 bits. With 8, sums overflow on processors without VNNI, and scores would differ between
    machines.

    Raises:
        MissingExtraError: If onnx or onnxruntime are not installed.
        ExportError: If ONNX Runtime left the weights of a product in float32.
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
        if stacked:  # an empty list would mean all products
            quantize_dynamic(part, program, ["MatMul"], reduce_range=True, nodes_to_quantize=stacked)
        else:
            part.replace(program)
    check_quantised(onnx.load(program, load_external_data=False))


def _stacked_products(model) -> list[str]:
    """Names of the products whose weight has three dimensions. ONNX Runtime takes only one scale for them."""
    weights = {weight.name for weight in model.graph.initializer if len(weight.dims) > 2}
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]


def check_quantised(model):
    """Check that no matrix product has a weight in float32. If an optimisation fails, ONNX Runtime only logs it.

    Args:
        model: An `onnx.ModelProto`.

    Raises:
        ExportError: If a product has such a weight.
    """
    constants = {weight.name for weight in model.graph.initializer}
    left = []
    for node in model.graph.node:  # in the order of computation
        if constants.issuperset(filter(None, node.input)):
            constants.update(node.output)
        elif node.op_type in ("MatMul", "Gemm") and node.input[1] in constants:
            left.append(node.name)
    if left:
        raise ExportError(
            f"ONNX Runtime left the weights of {len(left)} matrix products in float32, such as that of {left[0]}. "
            "Nothing was written. Install another version of onnxruntime, or export without int8."
        )
