"""Loading of models: clear errors, and code beside a model never runs."""

import builtins
import functools
import json
import time

import httpx
import pytest
from huggingface_hub.errors import RepositoryNotFoundError
from transformers import AutoConfig, VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification
from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_classifier, load_config, load_encoder, loading_errors
from lgi_former.image_processing import processor_for
from lgi_former.messages import announce_if_slow
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune, load_model_to_pretrain


ALL_CLASSES = ("AutoConfig", "AutoModel", "AutoModelForPreTraining", "AutoModelForVideoClassification")
EVIL_CODE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
raise SystemExit("code of the model ran")
"""
SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
REFUSAL = "needs the Python code beside it, which never runs here"


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch):
    """A question to the user fails the test."""

    def ask(prompt=""):
        pytest.fail(f"asked: {prompt}")

    monkeypatch.setattr(builtins, "input", ask)


def add_evil_code(folder, file="config.json", classes=ALL_CLASSES, **fields):
    """Name evil code in a file of a model. The code creates a file `ran` if it runs."""
    (folder / "evil.py").write_text(EVIL_CODE)
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | {"auto_map": dict.fromkeys(classes, "evil.Evil")} | fields))


def test_a_missing_folder_is_named_before_the_hub(tmp_path):
    message = (
        r"^There is no folder 'out/model' here, and the model of that name on the Hub cannot be loaded: no network"
    )
    with pytest.raises(OSError, match=message), loading_errors("out/model"):
        raise OSError("no network")
    with pytest.raises(OSError, match=f"^{tmp_path} cannot be loaded: no weights"), loading_errors(str(tmp_path)):
        raise OSError("no weights")


def test_a_repository_that_does_not_exist_is_an_error_with_the_next_step():
    response = httpx.Response(404, request=httpx.Request("GET", "https://hub/out/model"))
    message = r"^There is no folder 'out/model' here, and no model .* Check the spelling\."
    with pytest.raises(OSError, match=message), loading_errors("out/model"):
        raise OSError("out/model is not a local folder") from RepositoryNotFoundError("404", response=response)


def test_a_hub_that_answers_late_is_named(tmp_path, monkeypatch, capsys):
    def ask(name):
        time.sleep(0.2)
        raise OSError("no answer")

    monkeypatch.setattr("lgi_former.hub.loading.announce_if_slow", functools.partial(announce_if_slow, seconds=0.05))
    monkeypatch.setattr("lgi_former.hub.loading.check_reachable", ask)
    (tmp_path / "config.json").touch()
    for name, announced in (("owner/name", "Asking the Hub for owner/name ...\n"), (tmp_path, "")):
        with pytest.raises(OSError, match="no answer"):
            load_config(name)
        assert capsys.readouterr().err == announced


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(OSError, match=r"is not the folder of a model: it has no config\.json"):
        load_config(tmp_path)


@pytest.mark.parametrize("fields", [{"model_type": "evil"}, {}, {"model_type": None}, {"model_type": "LGI_former"}])
@pytest.mark.parametrize(
    "load",
    [
        load_config,
        load_classifier,
        load_encoder,
        lambda folder: load_model_to_finetune(ModelArguments(model_name_or_path=folder), ["happy", "sad"]),
        lambda folder: load_model_to_pretrain(ModelArguments(model_name_or_path=folder), 0.9),
        lambda folder: load_model_to_pretrain(ModelArguments(config_name=folder), 0.9),
    ],
)
def test_code_of_an_unknown_family_is_refused(load, fields, tmp_path):
    add_evil_code(tmp_path, **fields)
    with pytest.raises(ValueError, match=REFUSAL):
        load(str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", ["finetune", "pretrain"])
def test_training_refuses_code_of_a_model(command, tmp_path, capsys):
    model = tmp_path / "model"
    model.mkdir()
    add_evil_code(model, model_type="evil")
    for index, label in enumerate(["happy", "sad"]):
        (tmp_path / "videos" / label).mkdir(parents=True)
        (tmp_path / "videos" / label / f"{index}.mp4").touch()
    options = ["--train_data", str(tmp_path / "videos"), "--output_dir", str(tmp_path / "run")]
    assert main([command, "--model_name_or_path", str(model), *options]) == 2
    error = capsys.readouterr().err
    assert REFUSAL in error and "Traceback" not in error
    assert not (model / "ran").exists()


def test_models_of_known_families_ignore_code_beside_them(tmp_path):
    model = LGIFormerForVideoClassification(LGIFormerConfig(**SIZE, num_labels=2))
    model.save_pretrained(tmp_path / "ours")
    processor_for(model.config).save_pretrained(tmp_path / "ours")
    VideoMAEForVideoClassification(VideoMAEConfig(**SIZE)).save_pretrained(tmp_path / "videomae")
    for family in ("ours", "videomae"):
        add_evil_code(tmp_path / family)
        add_evil_code(tmp_path / family, "video_preprocessor_config.json", ["AutoVideoProcessor"])
        arguments = ModelArguments(model_name_or_path=str(tmp_path / family))
        assert len(load_model_to_finetune(arguments, ["happy", "sad"]).model.config.id2label) == 2
        load_classifier(str(tmp_path / family))
        assert not (tmp_path / family / "ran").exists()


def test_a_known_family_that_classifies_no_videos_is_refused(tmp_path):
    AutoConfig.for_model("bert").save_pretrained(tmp_path)
    add_evil_code(tmp_path)
    with pytest.raises(ValueError, match="is a 'bert', which Transformers cannot load as a video classifier"):
        load_classifier(str(tmp_path))
    assert not (tmp_path / "ran").exists()
