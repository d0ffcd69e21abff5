"""Code in the folder of a model never runs, whichever command loads it, and nobody is asked whether to run it."""

import builtins
import json
import shutil
from pathlib import Path

import pytest
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import (
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
    VideoPredictor,
    export_model,
)
from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_autoencoder, load_classifier, load_encoder
from lgi_former.hub.processor_loading import load_processor


EVIL_CODE = """
from pathlib import Path
Path({ran!r}).touch()
class Evil: pass
"""
CLASSES = ("AutoConfig", "AutoModel", "AutoModelForPreTraining", "AutoModelForVideoClassification")
CODE = "needs the Python code beside it, which never runs here. If it is an LGI-Former, write"
CONFIG, PROCESSOR = "config.json", "video_preprocessor_config.json"


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch):
    def ask(prompt=""):
        pytest.fail(f"asked: {prompt}")

    monkeypatch.setattr(builtins, "input", ask)


@pytest.fixture
def ran(tmp_path):
    """A file that evil code creates. It must not exist at the end of a test."""
    yield tmp_path / "ran"
    assert not (tmp_path / "ran").exists()


def add_evil(folder, ran, file, in_a_repository, **fields):
    """Name evil code in a JSON file: code in the folder, or in a repository, which is a local folder here."""
    home = folder.with_name("repository") if in_a_repository else folder
    home.mkdir(exist_ok=True)
    (home / "evil.py").write_text(EVIL_CODE.format(ran=str(ran)))
    reference = f"{home}--evil.Evil" if in_a_repository else "evil.Evil"
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    names = CLASSES if file == CONFIG else ("AutoVideoProcessor", "AutoImageProcessor")
    path.write_text(json.dumps(content | {"auto_map": dict.fromkeys(names, reference)} | fields))


COMMANDS = {
    "predict": ["predict", "--sample", "--model", "M", "--no_crop_faces"],
    "embed": ["embed", "V", "--model", "M", "--output", "O.npy"],
    "reconstruct": ["reconstruct", "V", "--model", "M", "--output", "O.png"],
    "attention": ["visualize", "attention", "V", "--model", "M", "--output", "O.png"],
    "export": ["export", "M", "O"],
    "evaluate": ["evaluate", "--model", "M", "--data", "D"],
    "convert": ["convert", "V", "O", "--config", "M"],
    "demo": ["demo", "--model", "M"],
    "finetune": ["finetune", "--model_name_or_path", "M", "--train_data", "D", "--output_dir", "O"],
    "finetune new": ["finetune", "--config_name", "M", "--train_data", "D", "--output_dir", "O"],
    "pretrain": ["pretrain", "--model_name_or_path", "M", "--train_data", "D", "--output_dir", "O"],
    "pretrain new": ["pretrain", "--config_name", "M", "--train_data", "D", "--output_dir", "O"],
    "push": ["push", "M", "owner/name", "--yes"],
}


@pytest.mark.parametrize("in_a_repository", [False, True], ids=["folder", "repository"])
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_refuse_an_unknown_family(command, in_a_repository, ran, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    model, data = tmp_path / "model", tmp_path / "data"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"\2" + bytes(7) + b"{}")
    add_evil(model, ran, CONFIG, in_a_repository, model_type="evil")
    LGIFormerVideoProcessor().save_pretrained(model, save_code=False)
    for label in ("happy", "sad"):
        (data / label).mkdir(parents=True)
        (data / label / "a.mp4").touch()
    (tmp_path / "video.mp4").touch()
    places = {"M": model, "O": tmp_path / "out", "D": data, "V": tmp_path / "video.mp4", "O.npy": tmp_path / "out.npy"}
    places["O.png"] = tmp_path / "out.png"
    assert main([str(places.get(word, word)) for word in COMMANDS[command]]) in (1, 2)
    error = capsys.readouterr().err
    assert CODE in error and "Traceback" not in error and "custom code" not in error


LOADERS = {
    "classifier": lambda folder: load_classifier(folder, "cpu"),
    "encoder": lambda folder: load_encoder(folder, "cpu"),
    "autoencoder": lambda folder: load_autoencoder(folder, "cpu"),
    "processor": load_processor,
    "export": lambda folder: export_model(folder, f"{folder}_out"),
    "VideoPredictor": lambda folder: VideoPredictor(folder, device="cpu", crop_faces=False)({"video": ["a.mp4"]}),
}


@pytest.mark.parametrize("in_a_repository", [False, True], ids=["folder", "repository"])
@pytest.mark.parametrize("load", LOADERS)
def test_python_functions_refuse_code_of_a_processor(load, in_a_repository, ran, tmp_path, save_tiny_model):
    kind = LGIFormerForPreTraining if load == "autoencoder" else LGIFormerForVideoClassification
    save_tiny_model(kind, tmp_path / "model", ["a", "b"], save_code=False)
    add_evil(tmp_path / "model", ran, PROCESSOR, in_a_repository, video_processor_type="Evil")
    with pytest.raises(
        ValueError, match=rf"{CODE} 'LGIFormerVideoProcessor' as video_processor_type in .*{PROCESSOR}"
    ):
        LOADERS[load](str(tmp_path / "model"))


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
def test_each_file_of_a_processor_is_checked(file, ran, tmp_path, save_tiny_model):
    """Transformers reads a processor from three files."""
    folder = tmp_path / "model"
    save_tiny_model(LGIFormerForVideoClassification, folder, ["a", "b"], save_code=False)
    fields = json.loads((folder / PROCESSOR).read_text()) | {"video_processor_type": "Evil"}
    (folder / PROCESSOR).unlink()
    add_evil(folder, ran, file, False, **fields)
    content = json.loads((folder / file).read_text())
    if file == "processor_config.json":
        content = {"video_processor": content}
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{CODE} .* as video_processor_type in .*{file}"):
        load_processor(str(folder))
    (folder / file).write_text(
        json.dumps(content).replace("num_frames", "num_frame").replace("Evil", "LGIFormerVideoProcessor")
    )
    with pytest.raises(ValueError, match=rf"{file} has the unknown field 'num_frame'"):
        load_processor(str(folder))


@pytest.mark.parametrize("in_a_repository", [False, True], ids=["folder", "repository"])
@pytest.mark.parametrize("family", ["lgi_former", "videomae"])
def test_known_families_load_without_their_code(family, in_a_repository, ran, tmp_path, save_tiny_model):
    """Models that this package pushes name their own flat code."""
    folder = tmp_path / "model"
    if family == "lgi_former":
        save_tiny_model(LGIFormerForVideoClassification, folder, ["a", "b"])
        load_classifier(str(folder), "cpu")
    else:
        size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        VideoMAEForVideoClassification(VideoMAEConfig(**size)).save_pretrained(folder)
        LGIFormerVideoProcessor().save_pretrained(folder, save_code=False)
    for file in (CONFIG, PROCESSOR):
        add_evil(folder, ran, file, in_a_repository)
    load_classifier(str(folder), "cpu")


def test_an_adapter_imports_no_module_that_it_names(ran, tmp_path, save_tiny_model, monkeypatch):
    peft = pytest.importorskip("peft")
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "base", ["a", "b"])
    base = LGIFormerForVideoClassification.from_pretrained(tmp_path / "base")
    adapted = peft.get_peft_model(base, peft.LoraConfig(target_modules=["fc1"]))
    adapted.save_pretrained(tmp_path / "model")
    shutil.copy(tmp_path / "base" / CONFIG, tmp_path / "model")
    shutil.copy(tmp_path / "base" / PROCESSOR, tmp_path / "model")
    settings = tmp_path / "model" / "adapter_config.json"
    fields = json.loads(settings.read_text()) | {"base_model_name_or_path": str(tmp_path / "base")}
    settings.write_text(json.dumps(fields | {"megatron_config": {"a": 1}, "megatron_core": "evil_module"}))
    (tmp_path / "evil_module.py").write_text(EVIL_CODE.format(ran=str(ran)))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"adapter_config\.json has a megatron_config"):
        load_classifier(str(tmp_path / "model"), "cpu")
    settings.write_text(json.dumps(fields))
    assert load_classifier(str(tmp_path / "model"), "cpu")[0].config.num_labels == 2


def test_the_tests_would_see_evil_code(tmp_path):
    """The code that the tests above add creates the file if it runs."""
    exec(EVIL_CODE.format(ran=str(tmp_path / "ran")))
    assert Path(tmp_path / "ran").exists()
