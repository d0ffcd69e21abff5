"""The folder of an exported model: what is in it, and when nothing is written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEImageProcessor

import lgi_former
from lgi_former import (
    LGIFormerConfig,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    LGIFormerVideoProcessor,
    export_model,
)
from lgi_former.commands.cli import main
from lgi_former.export import run
from lgi_former.export.program import TensorModel


DOCUMENT = Path(lgi_former.__file__).with_name("docs") / "export.md"


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture
def saved(tiny, tiny_processor, tmp_path):
    """The folder of a saved classifier."""
    folder = tmp_path / "saved"
    tiny(LGIFormerForVideoClassification).save_pretrained(folder)
    tiny_processor.save_pretrained(folder)
    return folder


def test_the_command_writes_the_folder_and_prints_a_table(saved, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert main(["export", str(saved), str(out), "--format", "torch", "--dynamic_batch"]) == 0
    printed = capsys.readouterr().out
    assert all(words in printed for words in ("size", "time of a clip", "largest difference", "batches of 1, 2, 5"))
    names = {"config.json", "export.json", "model.pt2", "preprocessing.json", "video_preprocessor_config.json"}
    assert {path.name for path in out.iterdir()} == names
    assert {path.name for path in out.parent.iterdir()} == {"out"}
    config = LGIFormerConfig.from_pretrained(out)
    assert config.architectures == ["LGIFormerForVideoClassification"] and "auto_map" not in read(out, "config.json")
    assert LGIFormerVideoProcessor.from_pretrained(out).num_segments == 2
    facts = read(out, "export.json")
    assert facts["compared"]["largest_difference"] < 1e-5 and facts["compared"]["same_top_label"] == 1
    assert facts["inputs"] == [{"name": "pixel_values", "shape": [None, 8, 3, 16, 16], "dtype": "float32"}]
    assert facts["lgi_former_version"] == lgi_former.__version__


def test_the_reference_of_the_page_makes_clips_and_scores(saved, tmp_path, monkeypatch):
    """The code of the page and the processor make the same clips, and the same scores as the model."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    export_model("saved", "my_model_onnx", dynamic_batch=True)
    page = DOCUMENT.read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def clips_of" in block)
    namespace = {}
    exec(code, namespace)
    processor = LGIFormerVideoProcessor.from_pretrained("saved")
    generator = np.random.default_rng(0)
    for count, size in ((100, (40, 56, 3)), (3, (16, 16, 3)), (1, (7, 90, 3))):
        frames = generator.integers(0, 256, (count, *size), dtype=np.uint8)
        clips = namespace["clips_of"](frames)
        expected = processor(frames, return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(torch.from_numpy(clips), expected, atol=1e-6, rtol=0)
        session = onnxruntime.InferenceSession("my_model_onnx/model.onnx")
        scores = namespace["scores_of"](session.run(None, {"pixel_values": clips})[0])
        with torch.inference_mode():
            model = LGIFormerForVideoClassification.from_pretrained("saved")
            wanted = model(expected).logits.softmax(dim=-1).mean(dim=0)
        assert list(scores) == ["sad", "happy", "angry"]
        np.testing.assert_allclose(list(scores.values()), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"problem_type": "single_label_classification", "activation": "softmax"}),
        ({"problem_type": "multi_label_classification"}, {"activation": "sigmoid", "threshold": 0.5}),
        (
            {"problem_type": "regression", "label_units": ["", "m", "s"], "frame_level": True},
            {"activation": "none", "units": {"happy": "m", "angry": "s"}, "logits_axes": ["clip", "frame", "label"]},
        ),
    ],
)
def test_the_meaning_of_logits(tiny, tiny_processor, tmp_path, fields, expected):
    model = tiny(LGIFormerForVideoClassification, **fields)
    out = export_model(model, tmp_path / "out", "torch", processor=tiny_processor)
    described = read(out, "preprocessing.json")
    assert described["labels"] == ["sad", "happy", "angry"]
    assert expected.items() <= described.items()


def test_half_precision_and_training_mode_do_not_matter(tiny, tiny_processor, tmp_path):
    model = tiny(LGIFormerForVideoClassification, drop_path_rate=0.5, output_hidden_states=True).half().train()
    out = export_model(model, tmp_path / "out", "torch", processor=tiny_processor)
    assert model.training and model.dtype == torch.float16  # the model itself does not change
    clip = torch.randn(1, 8, 3, 16, 16)
    with torch.inference_mode():
        (logits,) = torch.export.load(out / "model.pt2").module()(clip)
        torch.testing.assert_close(logits, model.float().eval()(clip).logits)
    assert read(out, "config.json")["dtype"] == "float32"


def test_the_encoder_of_a_classifier(saved, tmp_path):
    out = export_model(saved, tmp_path / "out", "torch", encoder_only=True)
    outputs = torch.export.load(out / "model.pt2").module()(clip := torch.randn(1, 8, 3, 16, 16))
    expected = LGIFormerModel.from_pretrained(saved)(clip)
    torch.testing.assert_close(outputs[2], expected.pooler_output)
    assert [entry["name"] for entry in read(out, "export.json")["outputs"]][2] == "pooler_output"
    assert read(out, "config.json")["architectures"] == ["LGIFormerModel"]
    assert "labels" not in read(out, "preprocessing.json")


def test_an_adapter_is_merged(saved, tiny, tiny_processor, tmp_path):
    peft = pytest.importorskip("peft")
    base = LGIFormerForVideoClassification.from_pretrained(saved)
    adapted = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"], init_lora_weights=False)).eval()
    with pytest.raises(ValueError, match="merge_and_unload"):
        export_model(adapted, tmp_path / "out", processor=tiny_processor)
    adapted.save_pretrained(tmp_path / "adapter")
    base.config.save_pretrained(tmp_path / "adapter")
    tiny_processor.save_pretrained(tmp_path / "adapter")
    out = export_model(tmp_path / "adapter", tmp_path / "out", "torch")
    clip = torch.randn(1, 8, 3, 16, 16)
    with torch.inference_mode():
        (logits,) = torch.export.load(out / "model.pt2").module()(clip)
        torch.testing.assert_close(logits, adapted(clip).logits)
        assert (logits - LGIFormerForVideoClassification.from_pretrained(saved)(clip).logits).abs().max() > 1e-2


class Wrong(TensorModel):
    """A model that computes something else when it is traced."""

    def forward(self, *inputs):
        (logits,) = super().forward(*inputs)
        return (logits + 0.01 if torch.compiler.is_compiling() else logits,)


@pytest.mark.parametrize("target_exists", [False, True])
def test_out_may_be_a_link(saved, tmp_path, target_exists):
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    if target_exists:
        target.mkdir()
    export_model(saved, tmp_path / "link", "torch", encoder_only=True)
    assert (target / "model.pt2").is_file() and (tmp_path / "link").is_symlink()


def test_out_below_a_file_is_refused(saved):
    out = saved / "config.json" / "a" / "out"
    with pytest.raises(FileExistsError, match=r"inside '.*config\.json', which is a file"):
        export_model(saved, out, "torch")


@pytest.mark.parametrize("out_exists", [False, True])
def test_a_program_that_differs_is_not_written(saved, tmp_path, monkeypatch, capsys, out_exists):
    monkeypatch.setattr(run, "TensorModel", Wrong)
    out = tmp_path / "out"
    if out_exists:
        out.mkdir()
    assert main(["export", str(saved), str(out), "--format", "torch"]) == 2
    assert "differs from the model by 0.01 in logits of a batch of 1" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"saved", *(["out"] if out_exists else [])}
    assert not out_exists or not list(out.iterdir())


def test_outputs_near_zero_are_compared_relatively(tiny, tiny_processor, tmp_path, monkeypatch):
    class HalfAsLarge(TensorModel):
        def forward(self, *inputs):
            (logits,) = super().forward(*inputs)
            return (logits / 2 if torch.compiler.is_compiling() else logits,)

    monkeypatch.setattr(run, "TensorModel", HalfAsLarge)
    model = tiny(LGIFormerForVideoClassification, classifier_init_scale=1e-6)
    with pytest.raises(ValueError, match="differs from the model"):
        export_model(model, tmp_path / "out", "torch", processor=tiny_processor)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frames": 16}, "num_frames=16"),
        ({"size": {"height": 32, "width": 32}}, "size="),
        ({"size": {"shortest_edge": 16}}, "size="),
        ({"do_center_crop": True, "crop_size": {"height": 16, "width": 16}}, "do_center_crop=True"),
        ({"do_resize": False}, "do_resize=False"),
        ({"do_sample_frames": False}, "do_sample_frames=False"),
    ],
)
def test_processors_that_cannot_be_described_are_refused(tiny, tmp_path, settings, message):
    processor = LGIFormerVideoProcessor(**{"size": {"height": 16, "width": 16}, "num_frames": 8} | settings)
    with pytest.raises(ValueError, match=message):
        export_model(tiny(LGIFormerForVideoClassification), tmp_path / "out", "torch", processor=processor)


def test_other_models_are_refused(tiny, tiny_processor, saved, tmp_path):
    sizes = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
    videomae = VideoMAEForVideoClassification(VideoMAEConfig(image_size=32, num_frames=4, **sizes))
    with pytest.raises(ValueError, match="A VideoMAEForVideoClassification cannot be exported"):
        export_model(videomae, tmp_path / "out", processor=tiny_processor)
    videomae.save_pretrained(tmp_path / "videomae")
    VideoMAEImageProcessor().save_pretrained(tmp_path / "videomae")
    with pytest.raises(ValueError, match="is a 'videomae'"):
        export_model(tmp_path / "videomae", tmp_path / "out")
    with pytest.raises(ValueError, match="needs its processor"):
        export_model(tiny(LGIFormerModel), tmp_path / "out")
    offloaded = tiny(LGIFormerForVideoClassification).to("meta")
    with pytest.raises(ValueError, match="is quantised, sharded or offloaded"):
        export_model(offloaded, tmp_path / "out", processor=tiny_processor)
    with pytest.raises(ValueError, match="masks none"):
        export_model(tiny(LGIFormerForPreTraining, mask_ratio=0.0), tmp_path / "out", processor=tiny_processor)
    with pytest.raises(ValueError, match="num_channels=1"):
        export_model(tiny(LGIFormerModel, num_channels=1), tmp_path / "out", processor=tiny_processor)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        export_model(tmp_path / "missing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_with_files_and_impossible_options_are_refused(saved, tmp_path, capsys):
    with pytest.raises(FileExistsError, match="is not empty"):
        export_model(saved, saved)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        export_model(saved, tmp_path / "file")
    with pytest.raises(ValueError, match="format='tflite' is not one of onnx"):
        export_model(saved, tmp_path / "out", "tflite")
    for format in ("torch", "openvino"):
        assert main(["export", str(saved), str(tmp_path / "out"), "--format", format, "--int8"]) == 2
        assert f"int8 is not available for format='{format}'" in capsys.readouterr().err
