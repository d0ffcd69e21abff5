"""JSON files of a model that hold no object, or values of a wrong type, in everything that loads a model."""

import json

import pytest

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, export_model
from lgi_former.commands.cli import main
from lgi_former.hub import model_files
from lgi_former.hub.json_objects import read_object
from lgi_former.hub.loading import is_autoencoder, load_classifier, load_config, load_encoder
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune, load_model_to_pretrain


LOADERS = {
    "config": load_config,
    "classifier": load_classifier,
    "encoder": load_encoder,
    "kind": is_autoencoder,
    "export": lambda folder: export_model(folder, f"{folder}_out"),
    "push": model_files,
    "finetune": lambda folder: load_model_to_finetune(ModelArguments(folder), ["a", "b"]),
    "new": lambda folder: load_model_to_pretrain(ModelArguments(config_name=folder), 0.75),
}


@pytest.fixture
def folder(save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ["a", "b"])
    return tmp_path / "model"


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', '[{"model_type": "lgi_former"}]'])
@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_configuration_without_an_object(load, content, folder):
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json cannot be read: it holds .* instead of a JSON object"):
        load(str(folder))


@pytest.mark.parametrize("content", ["[]", "[1]", "null", "{"])
@pytest.mark.parametrize("name", ["classifier", "encoder", "export", "finetune"])
def test_a_processor_without_an_object(name, content, folder):
    (folder / "video_preprocessor_config.json").write_text(content)
    with pytest.raises((ValueError, OSError), match=r"video_preprocessor_config\.json"):
        LOADERS[name](str(folder))


@pytest.mark.parametrize(
    ("field", "value"),
    [("model_type", ["x"]), ("id2label", ["a"]), ("architectures", {"a": 1}), ("auto_map", [1]), ("image_size", [])],
)
def test_values_of_a_wrong_type_are_no_tracebacks(field, value, folder, capsys):
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(fields | {field: value}))
    assert main(["predict", "--sample", "--model", str(folder), "--no_crop_faces"]) in (0, 2)
    assert main(["embed", "clip.mp4", "--model", str(folder), "--output", str(folder / "a.npy")]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", "null", "{"])
def test_an_index_or_adapter_without_an_object(content, folder):
    (folder / "model.safetensors").rename(folder / "weights")
    for name in ("model.safetensors.index.json", "adapter_config.json"):
        (folder / name).write_text(content)
        with pytest.raises((ValueError, OSError), match=rf"{name}|is not JSON|JSON"):
            load_classifier(str(folder))
        (folder / name).unlink()


def test_a_pretrained_model_is_refused_by_predict(save_tiny_model, tmp_path, capsys):
    save_tiny_model(LGIFormerForPreTraining, tmp_path / "pretrained", ["a", "b"])
    assert main(["predict", "--sample", "--model", str(tmp_path / "pretrained"), "--no_crop_faces"]) == 2
    assert "it is not a fine-tuned classifier" in capsys.readouterr().err


def test_long_content_is_cut(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([1] * 1000))
    with pytest.raises(ValueError, match=r"a\.json cannot be read: it holds \[1, 1.{0,40}\.\.\. instead") as caught:
        read_object(tmp_path / "a.json")
    assert len(str(caught.value)) < 200 + len(str(tmp_path))
