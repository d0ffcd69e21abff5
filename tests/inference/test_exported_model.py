"""Exported models: the same answers as the model in every program, pipeline and command, and refusals."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModel, pipeline

import lgi_former
from lgi_former import ExportedModel, LGIFormerForPreTraining, LGIFormerModel, RegionTubeMasking, export_model
from lgi_former.commands.cli import main
from lgi_former.extras import MissingExtraError
from lgi_former.hub import loading, model_files
from lgi_former.hub.exported_folder import checksums
from lgi_former.inference import FacialExpressionPipeline, embed_video, predict_video
from lgi_former.inference.demo import UploadLimits
from lgi_former.inference.demo.launch import load_demo
from lgi_former.inference.loading import load_classifier
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune


pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PROBLEMS = ("single_label_classification", "multi_label_classification", "regression")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_model, tiny_processor):
    """Function `(name)` that exports a tiny model once. Returns its folder."""
    root = tmp_path_factory.mktemp("exported")
    models = {
        "classifier": (tiny_model(), "onnx", False),
        "frames": (tiny_model(frame_level=True), "onnx", True),
        "encoder": (tiny_model(LGIFormerModel), "onnx", True),
        "autoencoder": (tiny_model(LGIFormerForPreTraining), "torch", True),
        "torch": (tiny_model(), "torch", False),
    }

    def export(name):
        if name == "openvino" and not (root / name).exists():
            openvino = pytest.importorskip("openvino")
            folder = shutil.copytree(export("frames"), root / name)
            program = openvino.convert_model(folder / "model.onnx")
            openvino.save_model(program, folder / "openvino_model.xml", compress_to_fp16=False)
            change_json(folder / "export.json", format="openvino", sha256=checksums(folder, "openvino"))
        elif not (root / name).exists():
            model, program_format, dynamic_batch = models[name]
            export_model(model, root / name, program_format, dynamic_batch=dynamic_batch, processor=tiny_processor())
        return root / name

    return export


@pytest.fixture
def changed(exported, tmp_path):
    """Function `(name)` that copies the folder of an exported model, to change its files."""
    return lambda name: shutil.copytree(exported(name), tmp_path / name)


def change_json(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")


def assert_same_scores(found, expected, atol=1e-5):
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=atol)


@pytest.mark.parametrize("name", ["classifier", "torch", "frames", "openvino"])
def test_every_program_and_batch_gives_the_outputs_of_the_model(name, exported, tiny_model):
    model, program = (
        tiny_model(frame_level=name in ("frames", "openvino")),
        ExportedModel.from_pretrained(exported(name)),
    )
    assert program.eval().to("cpu") is program and program.config.id2label == model.config.id2label
    for num_clips in (1, 2, 5):
        clips = torch.randn(num_clips, 4, 3, 32, 32)
        with torch.inference_mode():
            expected = model(clips)
        outputs = program(clips.double())
        assert type(outputs) is type(expected)
        torch.testing.assert_close(outputs.logits, expected.logits, atol=1e-5, rtol=0)
        logits = program(clips.numpy()).logits
        assert isinstance(logits, np.ndarray)
        np.testing.assert_array_equal(logits, outputs.logits)


@pytest.mark.parametrize("problem_type", PROBLEMS)
@pytest.mark.parametrize("name", ["classifier", "frames"])
def test_scores_of_a_video(name, problem_type, changed, clip, tiny_model, tiny_processor):
    model, folder = tiny_model(frame_level=name == "frames", problem_type=problem_type), changed(name)
    for file in ("config.json", "preprocessing.json"):  # the program gives logits of any meaning
        change_json(folder / file, problem_type=problem_type)
    program, processor = load_classifier(str(folder))
    prediction = predict_video(program, processor, clip, num_segments=3)
    expected = predict_video(model, tiny_processor(), clip, num_segments=3)
    assert_same_scores(prediction.scores, expected.scores)
    results = [
        FacialExpressionPipeline(model=each, video_processor=processor, crop_faces=False, window=1.0)(clip)
        for each in (program, model)
    ]
    for found, wanted in zip(*(result.pop("timeline") for result in results), strict=True):
        assert_same_scores(found.pop("scores"), wanted.pop("scores"))
        assert found == wanted
    assert_same_scores(results[0]["scores"], results[1]["scores"])


def test_pipelines_of_transformers(exported, clip, tiny_model, tiny_processor):
    folder, model = str(exported("classifier")), tiny_model()
    recognise = pipeline("facial-expression-recognition", model=folder, crop_faces=False)
    assert isinstance(recognise.model, ExportedModel) and recognise.device.type == "cpu"
    expected = FacialExpressionPipeline(model=model, video_processor=tiny_processor(), crop_faces=False)(clip)
    assert_same_scores(recognise(clip)["scores"], expected["scores"])
    program = ExportedModel.from_pretrained(folder)
    classify = pipeline("video-classification", model=program, video_processor=folder, device="cpu")
    expected = pipeline("video-classification", model=model, video_processor=tiny_processor(), device="cpu")(clip)
    assert "ExportedModel" in repr(classify)
    assert_same_scores(*({entry["label"]: entry["score"] for entry in each} for each in (classify(clip), expected)))
    with pytest.raises(ValueError, match="computes on the CPU"):
        pipeline("video-classification", model=program, video_processor=folder, device="meta")


def test_a_pipeline_of_transformers_says_how_it_takes_an_exported_folder(exported, clip):
    folder = str(exported("classifier"))
    with pytest.raises(ValueError, match=r"is an exported model\. lgi_former\.ExportedModel\.from_pretrained\('"):
        pipeline("video-classification", model=folder, device="cpu")
    with pytest.raises(OSError, match="video_processor='"):
        AutoModel.from_pretrained(exported("encoder"))


def test_pipelines_of_transformers_take_batches(exported, clip, tiny_model, tiny_processor, tmp_path):
    still = tmp_path / "still.npy"
    np.save(still, np.random.default_rng(0).integers(0, 256, (20, 40, 40, 3), dtype=np.uint8))
    videos = [clip, np.load(still), clip]
    processor = tiny_processor()
    for model in (tiny_model(), ExportedModel.from_pretrained(exported("classifier"))):
        parts = {"video_processor": processor, "image_processor": processor, "device": "cpu"}
        classify = pipeline("video-classification", model=model, **parts)
        expected = [classify(video) for video in videos]
        for found, wanted in zip(classify(videos, batch_size=2), expected, strict=True):
            assert_same_scores(*({entry["label"]: entry["score"] for entry in each} for each in (found, wanted)))
        assert expected[0] != expected[1]


@pytest.mark.parametrize("level", ["clip", "region", "token"])
def test_embeddings(level, exported, clip, tmp_path, tiny_model, tiny_processor):
    expected = embed_video(tiny_model(LGIFormerModel), tiny_processor(), clip, level, num_segments=2)
    output = tmp_path / "embeddings.npy"
    options = ["--level", level, "--num_segments", "2", "--output", str(output)]
    assert main(["embed", clip, "--model", str(exported("encoder")), *options]) == 0
    np.testing.assert_allclose(np.load(output)[0], expected, atol=1e-5)


def test_a_masked_autoencoder(exported, tiny_model):
    model, program = tiny_model(LGIFormerForPreTraining), ExportedModel.from_pretrained(exported("autoencoder"))
    clips, mask = torch.randn(3, 4, 3, 32, 32), RegionTubeMasking(model.config)(3)
    with torch.inference_mode():
        expected = model(clips, mask)
    outputs = program(clips, mask)
    assert type(outputs) is type(expected)
    torch.testing.assert_close(outputs.logits, expected.logits, atol=1e-5, rtol=0)
    uneven = mask.clone()
    uneven[0, 0] = ~uneven[0, 0]
    other = torch.zeros_like(mask)
    for wrong, message in (
        (None, "needs bool_masked_pos"),
        (uneven, "same number of visible tokens"),
        (other, "masks no token"),
        (mask.int(), "dtype"),
        (mask[:, 1:], "shape"),
        (mask[:2], "for 2 clips"),
    ):
        with pytest.raises(ValueError, match=message):
            program(clips, wrong)


def test_commands_and_the_demo_run_an_exported_classifier(
    exported, clip, tmp_path, capsys, tiny_model, tiny_processor
):
    tiny_model().save_pretrained(tmp_path / "model")
    tiny_processor().save_pretrained(tmp_path / "model")
    results = []
    for folder in (tmp_path / "model", exported("classifier")):
        assert main(["predict", clip, "--model", str(folder), "--no_crop_faces", "--json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert_same_scores(results[1]["scores"], results[0]["scores"], atol=1e-4)
    demo = load_demo(str(exported("classifier")), UploadLimits(), face_cropper=object())
    assert demo.recognise(clip, crop_faces=False)["scores"] == results[1]["scores"]


def test_the_command_evaluates_an_exported_classifier(
    exported, clip, tmp_path, tiny_model, tiny_processor, monkeypatch
):
    tiny_model().save_pretrained(tmp_path / "model")
    tiny_processor().save_pretrained(tmp_path / "model")
    other = shutil.copy(clip, tmp_path / "other.mp4")
    (tmp_path / "test.csv").write_text(f"path,label\n{clip},sad\n{other},happy\n", encoding="utf-8")
    tables = []
    monkeypatch.setattr("lgi_former.training.run.arguments.device_has_bf16", lambda use_cpu: True)
    for name, folder, chosen in (("a", tmp_path / "model", ["--bf16", "false"]), ("b", exported("classifier"), [])):
        options = ["--data", str(tmp_path / "test.csv"), "--output_dir", str(tmp_path / name), *chosen]
        assert main(["evaluate", "--model", str(folder), *options, "--batch_size", "2", "--use_cpu", "true"]) == 0
        assert json.loads((tmp_path / name / "metrics.json").read_text())["precision"] == "float32"
        tables.append(pd.read_csv(tmp_path / name / "predictions.csv"))
    pd.testing.assert_frame_equal(*tables, atol=1e-4)


def test_an_exported_model_of_another_kind_is_refused(exported, clip, tmp_path, capsys):
    output = ["--output", str(tmp_path / "embeddings.npy")]
    for words in (
        ["predict", clip, "--no_crop_faces", "--model", str(exported("encoder"))],
        ["embed", clip, "--model", str(exported("classifier")), *output],
        ["embed", clip, "--model", str(exported("encoder")), *output, "--device", "meta"],
    ):
        assert main(words) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "is an exported LGIFormerModel, but this needs a fine-tuned classifier" in first
    assert "is an exported LGIFormerForVideoClassification, but this needs an encoder" in second
    assert "computes on the CPU, not on meta" in third


def test_what_needs_weights_refuses_an_exported_model(exported):
    folder = str(exported("classifier"))
    for use in (
        loading.load_classifier,
        loading.load_encoder,  # `visualize`
        loading.load_autoencoder,  # `reconstruct`
        lambda name: load_model_to_finetune(ModelArguments(name), ["happy", "sad", "neutral"]),
        model_files,  # `push`, and Spaces
    ):
        with pytest.raises(ValueError, match=r"is an exported model: .* Give the model that it was exported from"):
            use(folder)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((4, 3, 32, 32), np.float32, r"has the shape \(4, 3, 32, 32\)"),
        ((1, 3, 4, 32, 32), np.float32, r"takes .* = \(clips, 4, 3, 32, 32\)"),
        ((1, 4, 3, 32, 64), np.float32, "has the shape"),
        ((0, 4, 3, 32, 32), np.float32, "has the shape"),
        ((1, 4, 3, 32, 32), np.uint8, "has dtype uint8"),
    ],
)
def test_wrong_clips_are_refused(shape, dtype, message, exported):
    program = ExportedModel.from_pretrained(exported("classifier"))
    with pytest.raises(ValueError, match=message):
        program(np.zeros(shape, dtype))
    with pytest.raises(ValueError, match="takes no bool_masked_pos"):
        program(np.zeros((1, 4, 3, 32, 32), np.float32), np.zeros((1, 8), bool))


def _remove(name):
    return lambda folder, exported: (folder / name).unlink()


def _write(name, content):
    return lambda folder, exported: (folder / name).write_bytes(content)


def _change(name, **fields):
    return lambda folder, exported: change_json(folder / name, **fields)


def _take(name, other):
    return lambda folder, exported: shutil.copy(exported(other) / name, folder / name)


def _leave_out(name, field):
    def leave_out(folder, exported):
        fields = json.loads((folder / name).read_text(encoding="utf-8"))
        del fields[field]
        (folder / name).write_text(json.dumps(fields), encoding="utf-8")

    return leave_out


def _forget(name):
    """Remove the checksum of a file."""

    def forget(folder, exported):
        known = checksums(folder, "onnx")
        del known[name]
        change_json(folder / "export.json", sha256=known)

    return forget


OTHER_JSON = (b"[]", b"null", b"3", b'"text"')
"""JSON without an object."""


def _flip(name):
    """Change a weight."""

    def flip(folder, exported):
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return flip


def _undescribed(damage):
    """A damage that no checksum reveals."""

    def damage_both(folder, exported):
        damage(folder, exported)
        change_json(folder / "export.json", sha256=checksums(folder, "onnx"))

    return damage_both


def _cut(name):
    def cut(folder, exported):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return cut


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder, exported: shutil.rmtree(folder), "there is nothing at this path"),
        (_remove("export.json"), "is not an exported model: it has no export.json"),
        (_remove("model.onnx"), "has no model.onnx"),
        (_remove("config.json"), "has no config.json"),
        (_write("export.json", b"{"), "export.json is damaged"),
        (_write("export.json", b"[]"), "export.json is damaged"),
        (_write("export.json", b"\xff"), "export.json is damaged"),
        (_change("export.json", inputs=None), "export.json is damaged"),
        (_change("export.json", batch_size=0), "export.json is damaged"),
        (_change("export.json", lgi_former_version="99.0"), "of lgi-former 99.0, but this is lgi-former"),
        (
            _change("export.json", format="tensorrt"),
            "the unknown format 'tensorrt'. The formats are onnx, openvino",
        ),
        (_change("export.json", sha256={}), r"export.json' has no checksum of model\.onnx"),
        (_change("export.json", sha256=[]), r"export.json' has no checksum of model\.onnx"),
        (_leave_out("export.json", "sha256"), "export.json is damaged .*sha256"),
        (_write("model.onnx", b""), "model.onnx' was changed, is damaged or of another model"),
        (_flip("model.onnx"), "model.onnx' was changed, is damaged or of another model"),
        (_remove("video_preprocessor_config.json"), r"has no video_preprocessor_config\.json"),
        (_change("video_preprocessor_config.json", num_segments=2), r"preprocessor_config\.json' was changed"),
        (_change("video_preprocessor_config.json", image_mean=[0.5] * 3), r"preprocessor_config\.json' was changed"),
        (_forget("video_preprocessor_config.json"), r"has no checksum of video_preprocessor_config\.json"),
        *((_write("config.json", text), r"config\.json cannot be read: it holds ") for text in OTHER_JSON),
        (_write("config.json", b"{"), r"config\.json cannot be read: it is not JSON"),
        (_undescribed(_write("model.onnx", b"")), "model.onnx' cannot be loaded"),
        (_undescribed(_cut("model.onnx")), "model.onnx' cannot be loaded"),
        (_change("config.json", architectures=["BertModel"]), r"architectures=\['BertModel'\]"),
        (_change("config.json", id2label={0: "happy"}), "config.json does not describe model.onnx"),
        (_change("config.json", id2label={0: "sad", 1: "happy", 2: "neutral"}), "have different labels"),
        (_change("config.json", problem_type="multi_label_classification"), "have different problem types"),
        (_change("preprocessing.json", problem_type="regression"), "have different problem types"),
        (_change("config.json", frame_level=True), "config.json does not describe model.onnx"),
        (_write("preprocessing.json", b"{"), "preprocessing.json is damaged"),
        (_change("config.json", num_frames=8), "config.json does not describe model.onnx"),
        (_take("config.json", "encoder"), "config.json does not describe model.onnx"),
        (_undescribed(_take("model.onnx", "encoder")), "export.json does not describe model.onnx"),
        (_undescribed(_take("model.onnx", "frames")), "export.json does not describe model.onnx"),
        (_take("export.json", "frames"), "model.onnx' was changed, is damaged or of another model"),
    ],
)
def test_a_damaged_folder_is_refused(damage, message, changed, exported):
    folder = changed("classifier")
    damage(folder, exported)
    with pytest.raises((ValueError, OSError), match=message) as raised:
        ExportedModel.from_pretrained(folder)
    assert "\n" not in str(raised.value)


def test_a_damaged_program_of_torch_is_refused(changed):
    folder = changed("torch")
    with pytest.raises(ValueError, match="leave out num_threads"):
        ExportedModel.from_pretrained(folder, num_threads=1)
    _undescribed(_cut("model.pt2"))(folder, None)
    with pytest.raises(ValueError, match=r"model\.pt2' cannot be loaded"):
        ExportedModel.from_pretrained(folder)


def test_the_weights_of_openvino_belong_to_the_program(changed):
    folder = changed("openvino")
    (folder / "openvino_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no openvino_model\.bin"):
        ExportedModel.from_pretrained(folder)


@pytest.mark.parametrize(("name", "module", "extra"), [("classifier", "onnxruntime", "export"), ("openvino",) * 3])
def test_a_missing_runtime_is_named_with_its_extra(name, module, extra, exported, monkeypatch):
    folder = exported(name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf'{module}.*pip install "lgi-former\[{extra}\]"'):
        ExportedModel.from_pretrained(folder)


def test_the_number_of_threads(exported, monkeypatch):
    import onnxruntime

    asked, make = [], onnxruntime.InferenceSession

    def session(path, options, **kwargs):
        asked.append(options.intra_op_num_threads)
        return make(path, options, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    folder = exported("classifier")
    ExportedModel.from_pretrained(folder)
    ExportedModel.from_pretrained(folder, num_threads=3)
    assert asked == [torch.get_num_threads(), 3]
    with pytest.raises(ValueError, match="num_threads=0 must be at least 1"):
        ExportedModel.from_pretrained(folder, num_threads=0)


def test_the_examples_of_the_page_run(exported, clip, tmp_path, monkeypatch, tiny_model, tiny_processor):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported("classifier"), "quickstart_onnx")
    model = tiny_model()
    model.save_pretrained("quickstart/model")
    tiny_processor(num_segments=2).save_pretrained("quickstart/model")
    (tmp_path / "quickstart/corpus/test").mkdir(parents=True)
    shutil.copy(clip, "quickstart/corpus/test/00003.mp4")
    page = Path(lgi_former.__file__).with_name("docs") / "predict.md"
    examples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    examples = [example for example in examples if "quickstart" in example]
    assert len(examples) == 2
    found = {}
    for example in examples:
        exec(example, found)
    best = next(iter(predict_video(model, tiny_processor(), clip).scores))
    assert found["best"] == [best] * 3 and next(iter(found["prediction"].scores)) == best
    assert isinstance(found["logits"], np.ndarray)
