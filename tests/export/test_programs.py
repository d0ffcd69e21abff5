"""Exported programs compute what their models compute, in batches of any size."""

import json

import pytest
import torch

from lgi_former import (
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    RegionTubeMasking,
    export_model,
)


onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

pytestmark = pytest.mark.slow

TWO_LAYERS = {"num_hidden_layers": 2}
VARIANTS = {
    "two layers, shared": TWO_LAYERS | {"attention_sharing": "intra_and_interaction", "drop_path_rate": 0.3},
    "shared by all, pooling all": {"attention_sharing": "all", "pooling": "all", "qkv_bias": False},
    "intra cross": {"intra_region_attention": "cross", "pooling": "local", "hidden_act": "relu"},
    "interaction self, regression": {
        "local_global_interaction": "self",
        "problem_type": "regression",
        "head_activation": "tanh",
    },
    "no interaction, frames": {
        "local_global_interaction": None,
        "inter_region_attention": False,
        "frame_level": True,
        "problem_type": "multi_label_classification",
    },
    "one region, many heads": {"region_size": (4, 4, 4), "num_attention_heads": 16, "hidden_dropout_prob": 0.5},
}


def onnx_program(folder):
    """Function from tensors to the list of outputs of `model.onnx`."""
    assert b".py" not in (folder / "model.onnx").read_bytes(), "the program names files of this machine"
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [entry["name"] for entry in json.loads((folder / "export.json").read_text())["inputs"]]
    assert [entry.name for entry in session.get_inputs()] == names

    def run(*inputs):
        feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        return [torch.from_numpy(output) for output in session.run(None, feed)]

    return run


def torch_program(folder):
    return torch.export.load(folder / "model.pt2").module()


PROGRAMS = {"onnx": onnx_program, "torch": torch_program}


def clips(model, batch_size):
    config = model.config
    return torch.randn(batch_size, config.num_frames, config.num_channels, config.image_size, config.image_size)


@torch.inference_mode()
def check(program, model, names, *inputs):
    outputs, expected = program(*inputs), model(*inputs)
    for name, output in zip(names, outputs, strict=True):
        assert expected[name].abs().max() > 1e-2
        torch.testing.assert_close(output, expected[name], atol=1e-5, rtol=1e-5)


CASES = [("onnx", variant) for variant in VARIANTS] + [("torch", "two layers, shared"), ("torch", "intra cross")]


@pytest.mark.parametrize(("format", "variant"), CASES)
def test_a_classifier(tiny, tiny_processor, tmp_path, format, variant):
    model = tiny(LGIFormerForVideoClassification, **VARIANTS[variant])
    folder = export_model(model, tmp_path / "out", format, dynamic_batch=True, processor=tiny_processor)
    program = PROGRAMS[format](folder)
    for batch_size in (1, 2, 7, 33):
        check(program, model, ["logits"], clips(model, batch_size))


@pytest.mark.parametrize("format", PROGRAMS)
def test_an_encoder(tiny, tiny_processor, tmp_path, format):
    model = tiny(LGIFormerModel)
    folder = export_model(model, tmp_path / "out", format, dynamic_batch=True, processor=tiny_processor)
    names = ["last_hidden_state", "representative_hidden_state", "pooler_output"]
    program = PROGRAMS[format](folder)
    for batch_size in (1, 3):
        check(program, model, names, clips(model, batch_size))


@pytest.mark.parametrize("format", PROGRAMS)
def test_a_masked_autoencoder(tiny, tiny_processor, tmp_path, format):
    order = "region" if format == "onnx" else "raster"
    model = tiny(LGIFormerForPreTraining, decoder_position_order=order)
    folder = export_model(model, tmp_path / "out", format, dynamic_batch=True, processor=tiny_processor)
    program = PROGRAMS[format](folder)
    for batch_size in (1, 7):
        masks = RegionTubeMasking(model.config)(batch_size)
        check(program, model, ["logits"], clips(model, batch_size), masks)

    masks[2, masks[2].nonzero()[0]] = False  # one more visible token
    if format == "torch":
        with pytest.raises(RuntimeError, match="must leave 4 tokens of every region visible"):
            program(clips(model, 7), masks)
    else:
        (logits,) = program(clips(model, 7), masks)
        assert logits.isnan().all(dim=(1, 2)).tolist() == [False, False, True, False, False, False, False]


@pytest.mark.parametrize("format", PROGRAMS)
def test_a_program_of_one_clip(tiny, tiny_processor, tmp_path, format):
    model = tiny(LGIFormerForPreTraining)
    folder = export_model(model, tmp_path / "out", format, processor=tiny_processor)
    program = PROGRAMS[format](folder)
    check(program, model, ["logits"], clips(model, 1), RegionTubeMasking(model.config)(1))
    refusal = r"size\(\)\[0\] == 1" if format == "torch" else "Got: 2 Expected: 1"
    with pytest.raises(Exception, match=refusal):
        program(clips(model, 2), RegionTubeMasking(model.config)(2))
    facts = json.loads((folder / "export.json").read_text())
    assert (facts["dynamic_batch"], facts["batch_size"], facts["compared"]["batches"]) == (False, 1, [1])
    assert [entry["shape"] for entry in facts["inputs"]] == [[1, 8, 3, 16, 16], [1, 64]]
    assert facts["outputs"] == [{"name": "logits", "shape": [1, 48, 96], "dtype": "float32"}]
