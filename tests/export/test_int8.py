"""int8 programs: what they store, and how close they are to the model. OpenVINO's format."""

import json

import pytest
import torch

from lgi_former import (
    ExportedModel,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    export_model,
)
from lgi_former.export.program import example_inputs


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
    out = export_model(model, tmp_path / "out", int8=True, dynamic_batch=bool(fields), processor=tiny_processor)
    facts = json.loads((out / "export.json").read_text())
    assert facts["int8"] == "dynamic" and facts["compared"]["largest_difference"] > 0
    inputs = example_inputs(model, batch_size=3, seed=7)
    with torch.inference_mode():
        expected, outputs = model(*inputs), ExportedModel.from_pretrained(out)(*inputs)
    for name in [entry["name"] for entry in facts["outputs"]]:
        difference = (outputs[name] - expected[name]).abs().mean() / expected[name].abs().mean()
        assert 1e-5 < difference < 0.05


def test_all_weights_of_layers_are_int8(tiny, tiny_processor, tmp_path):
    model = tiny(LGIFormerForVideoClassification, num_hidden_layers=2)
    out = export_model(model, tmp_path / "out", int8=True, processor=tiny_processor)
    program = onnx.load(out / "model.onnx")
    kinds = {weight.name: weight.data_type for weight in program.graph.initializer if len(weight.dims) >= 2}
    products = [node for node in program.graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in kinds]
    assert not products  # what is left multiplies two activations
    assert list(kinds.values()).count(onnx.TensorProto.INT8) >= 2 * 10


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


def test_openvino_computes_what_the_model_computes(tiny, tiny_processor, tmp_path):
    pytest.importorskip("openvino")
    for model_class in (LGIFormerForVideoClassification, LGIFormerForPreTraining):
        model = tiny(model_class)
        out = export_model(
            model, tmp_path / model_class.__name__, "openvino", dynamic_batch=True, processor=tiny_processor
        )
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
