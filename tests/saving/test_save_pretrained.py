"""Saved files, with and without code, and the files of a folder that belong in a model repository."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForVideoClassification, AutoVideoProcessor

from lgi_former import (
    LGIFormerConfig,
    LGIFormerForVideoClassification,
    LGIFormerPreTrainedModel,
    LGIFormerVideoProcessor,
    saving,
)
from lgi_former.hub import repository_files
from lgi_former.image_processing import processor_for


FIELDS = {"image_size": 16, "patch_size": 4, "num_frames": 4, "region_size": (2, 2, 4), "hidden_size": 16}
FIELDS |= {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
CONFIG_AND_WEIGHTS = {"config.json", "model.safetensors"}


@pytest.fixture
def model():
    return LGIFormerForVideoClassification(LGIFormerConfig(**FIELDS))


def names_in(folder):
    return {path.name for path in Path(folder).iterdir()}


def auto_map_of(folder, file="config.json"):
    return json.loads(Path(folder, file).read_text()).get("auto_map")


def test_a_model_and_its_processor_are_saved_with_the_code(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert (
        names_in(tmp_path)
        == CONFIG_AND_WEIGHTS | saving.flat_code("configuration_lgi_former", "modeling_lgi_former").keys()
    )
    processor_for(model.config).save_pretrained(tmp_path)
    assert (
        names_in(tmp_path) == CONFIG_AND_WEIGHTS | {"video_preprocessor_config.json"} | saving.all_flat_code().keys()
    )
    assert set(repository_files.model_files(tmp_path)) == set(tmp_path.iterdir())
    assert auto_map_of(tmp_path) == saving.CONFIG_AUTO_MAP
    assert auto_map_of(tmp_path, "video_preprocessor_config.json") == saving.PROCESSOR_AUTO_MAP
    text = "".join(path.read_text() for path in tmp_path.iterdir() if path.suffix != ".safetensors")
    assert str(saving.PACKAGE) not in text and str(Path.home()) not in text


def test_a_configuration_alone_is_saved_with_the_code(tmp_path):
    LGIFormerConfig(**FIELDS).save_pretrained(tmp_path)
    assert names_in(tmp_path) >= {"config.json", "configuration_lgi_former.py", "modeling_lgi_former.py"}


def test_save_code_leaves_it_out(model, tmp_path):
    model.save_pretrained(tmp_path / "with")
    loaded = LGIFormerForVideoClassification.from_pretrained(tmp_path / "with")
    processor = processor_for(model.config)
    processor.save_pretrained(tmp_path / "with")
    for saved in (loaded, AutoVideoProcessor.from_pretrained(tmp_path / "with")):
        saved.save_pretrained(tmp_path / "without", save_code=False)
    assert names_in(tmp_path / "without") == CONFIG_AND_WEIGHTS | {"video_preprocessor_config.json"}
    assert auto_map_of(tmp_path / "without") is None
    assert auto_map_of(tmp_path / "without", "video_preprocessor_config.json") is None
    loaded.save_pretrained(tmp_path / "again")
    assert auto_map_of(tmp_path / "again") == saving.CONFIG_AUTO_MAP


@pytest.mark.parametrize("saved_class", [LGIFormerConfig, LGIFormerPreTrainedModel, LGIFormerVideoProcessor])
def test_what_writes_the_code_stands_in_the_class_statement(saved_class):
    writer = saved_class.__bases__[0]
    assert writer.__module__ == "lgi_former.saving.save_pretrained" and "save_code" in writer.save_pretrained.__doc__
    for name in ("save_pretrained", "to_json_file"):
        assert name not in vars(saved_class)


def test_json_alone_brings_no_code(model, tmp_path):
    model.config.to_json_file(tmp_path / "config.json")
    model.save_pretrained(tmp_path / "other_process", is_main_process=False)
    assert names_in(tmp_path) == {"config.json", "other_process"} and not names_in(tmp_path / "other_process")


def test_saving_anew_in_shards_leaves_a_whole_directory(model, tmp_path):
    model.save_pretrained(tmp_path)
    code = tmp_path / "configuration_lgi_former.py"
    code.write_text(code.read_text() + "# of an older version\n")
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert code.read_text() == saving.all_flat_code()[code.name]
    (tmp_path / "model.safetensors").unlink()  # Transformers leaves it, too
    shards = {path.name for path in repository_files.model_files(tmp_path) if path.suffix == ".safetensors"}
    assert len(shards) > 1 and tmp_path / "model.safetensors.index.json" in repository_files.model_files(tmp_path)
    assert AutoModelForVideoClassification.from_pretrained(tmp_path)


def test_a_file_of_the_users_is_not_replaced(model, tmp_path):
    file = tmp_path / "modeling_lgi_former.py"
    file.write_text("precious = True\n")
    with pytest.raises(FileExistsError, match=rf"{file.name}' was not written by lgi_former .*save_code=False"):
        model.save_pretrained(tmp_path)
    assert names_in(tmp_path) == {file.name} and file.read_text() == "precious = True\n"
    model.save_pretrained(tmp_path, save_code=False)
    assert names_in(tmp_path) == {file.name, *CONFIG_AND_WEIGHTS}
    assert {path.name for path in repository_files.model_files(tmp_path)} == CONFIG_AND_WEIGHTS


def test_code_of_earlier_versions_is_removed_or_not_uploaded(model, tmp_path):
    old = {name: f"{saving.HEADER} {name}, version 0.0.1\n" for name in ("encoder.py", "regions.py", "decoding.py")}
    old["encoder.py"] += "from .regions import A\n"
    users = {"train.py": "from .decoding import B\n", "notes.py": "", "latin.py": "# é"}
    for name, source in (old | users).items():
        (tmp_path / name).write_text(source, encoding="latin-1")
    model.save_pretrained(tmp_path)
    code = saving.flat_code("modeling_lgi_former").keys()
    assert names_in(tmp_path) == CONFIG_AND_WEIGHTS | code | users.keys() | {"decoding.py"}  # train.py needs this one
    (tmp_path / "encoder.py").write_text(old["encoder.py"])
    assert {path.name for path in repository_files.model_files(tmp_path)} == CONFIG_AND_WEIGHTS | code


@pytest.mark.parametrize("left", ["", "# Deri", "\0" * 100, "\n"])
def test_what_a_killed_process_left_of_the_code_is_replaced(model, tmp_path, left):
    (tmp_path / "modeling_lgi_former.py").write_text(left)
    (tmp_path / ".modeling_lgi_former.unfinished.py").write_text("# Derived from lgi_former's")
    assert not repository_files.model_files(tmp_path)
    model.save_pretrained(tmp_path)
    assert (tmp_path / "modeling_lgi_former.py").read_text() == saving.all_flat_code()["modeling_lgi_former.py"]
    assert not (tmp_path / ".modeling_lgi_former.unfinished.py").exists()


def test_code_is_whole_at_any_time(model, tmp_path, monkeypatch):
    """A process that ends while it writes a file leaves the earlier file, or no file."""
    write_text = Path.write_text

    def write_half(path, text, *args, **kwargs):
        write_text(path, text[: len(text) // 2], *args, **kwargs)
        raise KeyboardInterrupt

    model.save_pretrained(tmp_path)
    code = {path: path.read_text() for path in tmp_path.glob("*.py")}
    monkeypatch.setattr(Path, "write_text", write_half)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            model.save_pretrained(folder)
    assert {path: path.read_text() for path in tmp_path.glob("*.py")} == code
    assert not list((tmp_path / "new").glob("*.py"))


def test_code_of_a_subclass_stays_named(model, tmp_path):
    of_a_repository = "someone/model--configuration_lgi_former.LGIFormerConfig"
    model.config.auto_map = {"AutoModel": "my_model.MyModel", "AutoConfig": of_a_repository}
    model.save_pretrained(tmp_path / "with")
    assert auto_map_of(tmp_path / "with") == saving.CONFIG_AUTO_MAP | {"AutoModel": "my_model.MyModel"}
    model.save_pretrained(tmp_path / "without", save_code=False)
    assert auto_map_of(tmp_path / "without") == {"AutoModel": "my_model.MyModel"}


def test_an_adapter_is_saved_as_one(model, tmp_path):
    peft = pytest.importorskip("peft")
    peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path)
    assert names_in(tmp_path) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert set(repository_files.model_files(tmp_path)) == set(tmp_path.iterdir())


def test_with_the_package_the_code_is_not_run(model, tmp_path):
    model.save_pretrained(tmp_path)
    processor_for(model.config).save_pretrained(tmp_path)
    for path in tmp_path.glob("*.py"):
        path.write_text("raise RuntimeError('this was run')\n")
    for trust in (None, False, True):
        assert type(AutoConfig.from_pretrained(tmp_path, trust_remote_code=trust)) is LGIFormerConfig
        loaded = AutoModelForVideoClassification.from_pretrained(tmp_path, trust_remote_code=trust)
        assert type(loaded) is LGIFormerForVideoClassification
        AutoVideoProcessor.from_pretrained(tmp_path, trust_remote_code=trust)


def test_private_files_are_not_model_files(model, tmp_path):
    model.save_pretrained(tmp_path)
    names = names_in(tmp_path)
    (tmp_path / "README.md").write_text("A model.")
    torch.save({}, tmp_path / "training_args.bin")
    for other in ("trainer_state.json", "optimizer.pt", "skipped_videos.csv", "train.py", ".env", "model.pth"):
        (tmp_path / other).write_text("private")
    for folder in ("checkpoint-1", "runs", "__pycache__", "model_of_another.safetensors"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
    assert {path.name for path in repository_files.model_files(tmp_path)} == {*names, "README.md"}


def test_code_of_the_user_that_auto_map_names_belongs_to_the_model(model, tmp_path):
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"]["AutoModel"] = "my_model.MyModel"
    (tmp_path / "config.json").write_text(json.dumps(config))
    for name in ("my_model.py", "my_notes.py", "model_backup.safetensors"):
        (tmp_path / name).touch()
    names = {path.name for path in repository_files.model_files(tmp_path)}
    assert "my_model.py" in names and not names & {"my_notes.py", "model_backup.safetensors"}
