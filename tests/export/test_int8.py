"""int8 programs: what they store, and how close they are to the model. OpenVINO's format."""

import contextlib
import json
import shutil

import numpy as np
import pytest
import torch

from lgi_former import (
    ExportedModel,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    export_model,
)
from lgi_former.export.comparison import ExportError
from lgi_former.export.program import example_inputs
from lgi_former.export.quantisation import check_quantised


onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


MODELS = {
    "classifier": (LGIFormerForVideoClassification, {}),
    "shared attention": (LGIFormerForVideoClassification, {"attention_sharing": "all"}),
    "no folding": (LGIFormerForVideoClassification, {"region_size": (4, 4, 4), "num_attention_heads": 16}),
    "encoder": (LGIFormerModel, {"num_hidden_layers": 2}),
    "autoencoder": (LGIFormerForPreTraining, {}),
}


@pytest.mark.parametrize(("model_class", "fields"), MODELS.values(), ids=MODELS)
def test_an_int8_program_is_near_its_model(tiny, tiny_processor, tmp_path, model_class, fields):
    model = tiny(model_class, **fields)
    out = export_model(
        model, tmp_path / "out", int8=True, dynamic_batch="region_size" in fields, processor=tiny_processor
    )
    facts = json.loads((out / "export.json").read_text())
    assert facts["int8"] == "dynamic" and facts["compared"]["largest_difference"] > 0
    inputs = example_inputs(model, batch_size=3, seed=7)
    with torch.inference_mode():
        expected, outputs = model(*inputs), ExportedModel.from_pretrained(out)(*inputs)
    for name in [entry["name"] for entry in facts["outputs"]]:
        difference = (outputs[name] - expected[name]).abs().mean() / expected[name].abs().mean()
        assert 1e-5 < difference < 0.05
    check_weights_of_layers(out, model.config.num_hidden_layers)


def check_weights_of_layers(out, num_layers):
    """All are int8."""
    program = onnx.load(out / "model.onnx")
    kinds = {weight.name: weight.data_type for weight in program.graph.initializer if len(weight.dims) >= 2}
    products = [node for node in program.graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in kinds]
    assert not products  # what is left multiplies two activations
    assert list(kinds.values()).count(onnx.TensorProto.INT8) >= num_layers * 10


def test_weights_that_stay_in_float32_are_refused(tiny, tiny_processor, tmp_path, monkeypatch):
    """ONNX Runtime only logs a failed optimisation. Then no weight is quantised."""
    monkeypatch.setattr(
        "onnxruntime.quantization.quantize_dynamic", lambda program, out, *_, **options: shutil.copy(program, out)
    )
    model = tiny(LGIFormerForVideoClassification)
    with pytest.raises(ValueError, match=r"left the weights of \d+ matrix products in float32, such as that of"):
        export_model(model, tmp_path / "out", int8=True, processor=tiny_processor)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("second", "is_refused"), [("weight", True), ("transposed", True), ("clip", False)])
def test_a_weight_is_found_behind_its_transposition(second, is_refused):
    nodes = [
        onnx.helper.make_node("Transpose", ["weight"], ["transposed"]),
        onnx.helper.make_node("MatMul", ["clip", second], ["logits"], name="product"),
    ]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4, 4]) for name in ("clip", "logits")]
    weight = onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "weight")
    program = onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", values[:1], values[1:], [weight]))
    refusal = pytest.raises(ExportError, match="of 1 matrix products in float32, such as that of product")
    with refusal if is_refused else contextlib.nullcontext():
        check_quantised(program)


def test_a_large_column_does_not_coarsen_the_others(tiny, tiny_processor, tmp_path):
    """Each column of a weight has a separate scale."""
    model = tiny(LGIFormerForVideoClassification)
    with torch.no_grad():
        fc1 = model.lgi_former.encoder.layers[0].mlp.fc1
        fc1.weight[0] *= 300
        fc1.bias[0] = -1e4  # GELU makes zeros of this column
    out = export_model(model, tmp_path / "out", int8=True, processor=tiny_processor)
    facts = json.loads((out / "export.json").read_text())
    assert facts["compared"]["largest_score_difference"] < 0.05


@pytest.mark.slow
def test_openvino_computes_what_the_model_computes(tiny, tiny_processor, tmp_path):
    pytest.importorskip("openvino")
    for model_class in (LGIFormerForVideoClassification, LGIFormerForPreTraining):
        model, out = tiny(model_class), tmp_path / model_class.__name__
        dynamic_batch = model_class is LGIFormerForVideoClassification
        export_model(model, out, "openvino", dynamic_batch=dynamic_batch, processor=tiny_processor)
        assert {path.name for path in out.iterdir() if path.suffix != ".json"} == {
            "openvino_model.xml",
            "openvino_model.bin",
        }
        for batch_size in (1, 4):
            inputs = example_inputs(model, batch_size, seed=5)
            with torch.inference_mode():
                expected, outputs = model(*inputs), ExportedModel.from_pretrained(out)(*inputs)
            for name in [entry["name"] for entry in json.loads((out / "export.json").read_text())["outputs"]]:
                torch.testing.assert_close(outputs[name], expected[name], atol=1e-5, rtol=1e-4)
