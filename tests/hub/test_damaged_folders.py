"""Damaged folders of models: errors are sentences that name the file and the field or weight."""

import json
import random
import re
import struct
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, VideoMAEConfig, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor
from lgi_former.commands.cli import main
from lgi_former.extras import MissingExtraError
from lgi_former.hub.loading import load_classifier, load_config
from lgi_former.hub.upload import files_to_upload
from lgi_former.saving import damaged_weights
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune


CONFIG, PROCESSOR, WEIGHTS = "config.json", "video_preprocessor_config.json", "model.safetensors"


@pytest.fixture
def folder(save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ["happy", "sad"])
    return tmp_path / "model"


def edit(path, remove=(), **fields):
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in content.items() if name not in remove}))


def rename(path, old, new):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({new if name == old else name: value for name, value in content.items()}))


def flip(path, position, bit=0):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def is_refused(folder, message):
    with pytest.raises((ValueError, OSError), match=message) as caught:
        load_classifier(str(folder), "cpu")
    assert "ignore_mismatched_sizes" not in str(caught.value) and "\n" not in str(caught.value)


def misspelling_is_refused(file, old, new, *classes):
    """The commands and `from_pretrained` of the classes name the field. Only the commands know the folder."""
    rename(file, old, new)
    message = rf"{re.escape(file.name)} has the unknown field '{new}'; did you mean '{old}'\?"
    is_refused(file.parent, f"^{file.parent}.*{message}")
    for loaded in classes:
        with pytest.raises(ValueError, match=message):
            loaded.from_pretrained(file.parent)


@pytest.mark.parametrize(
    ("old", "new"),
    [("hidden_size", "hidden_sizes"), ("num_hidden_layers", "num_hidden_layer"), ("id2label", "id2labels")],
)
def test_misspelt_fields_of_a_configuration(old, new, folder):
    misspelling_is_refused(folder / CONFIG, old, new, LGIFormerConfig, LGIFormerForVideoClassification)


@pytest.mark.parametrize(("old", "new"), [("image_mean", "image_means"), ("num_frames", "num_frame")])
def test_misspelt_fields_of_a_processor(old, new, folder):
    misspelling_is_refused(folder / PROCESSOR, old, new, LGIFormerVideoProcessor)


@pytest.mark.parametrize(
    "field", ["_num_labels", "_attn_implementation", "tie_encoder_decoder", "my_num_frames", "return_dict_in_generate"]
)
def test_fields_of_users_and_of_earlier_versions_of_transformers(field):
    assert LGIFormerConfig.from_dict({field: None}).hidden_size == LGIFormerConfig().hidden_size


def test_files_of_image_processors():
    """Those of VideoMAE on the Hub have this field."""
    assert LGIFormerVideoProcessor.from_dict({"image_processor_type": "VideoMAEImageProcessor", "fps": None})


def test_a_configuration_that_needs_arguments():
    class OwnConfig(LGIFormerConfig):
        has_no_defaults_at_init = True  # Transformers asks for it

        def __init__(self, own, **fields):
            super().__init__(**fields)
            self.own = own

    assert OwnConfig.from_dict({"own": 3}).own == 3


def test_misspelt_fields_of_videomae(tmp_path):
    VideoMAEConfig(image_size=32, num_frames=4, id2label={0: "a"}).save_pretrained(tmp_path)
    load_config(tmp_path)
    rename(tmp_path / CONFIG, "image_size", "image_sizes")
    with pytest.raises(
        ValueError, match=r"config\.json has the unknown field 'image_sizes'; did you mean 'image_size'"
    ):
        load_config(tmp_path)


def test_fields_of_users_and_of_later_versions_are_accepted(folder):
    edit(folder / CONFIG, my_notes="x", _attn_implementation_autoset=True, torch_dtype="float32", use_cache=True)
    edit(folder / PROCESSOR, processor_class=None, new_setting=3)
    load_classifier(str(folder), "cpu")


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        (CONFIG, "dtype", "flo!t32"),
        (CONFIG, "id2label", {"x": "happy"}),
        (CONFIG, "id2label", 5),
        (CONFIG, "hidden_size", "32"),
        (CONFIG, "hidden_size", None),
        (CONFIG, "region_size", [1, 2]),
        (CONFIG, "mask_ratio", [0.9]),
        (CONFIG, "problem_type", 7),
        (PROCESSOR, "image_mean", "0.5"),
        (PROCESSOR, "image_mean", [0.5, 0.5]),
        (PROCESSOR, "image_std", [0.0, 0.0, 0.0]),
        (PROCESSOR, "resample", 99),
        (PROCESSOR, "size", {"height": "x", "width": 32}),
        (PROCESSOR, "size", {"height": 10**6, "width": 10**6}),
        (PROCESSOR, "num_frames", "4"),
        (PROCESSOR, "rescale_factor", "small"),
    ],
)
def test_wrong_values_are_named_with_file_and_field(file, field, value, folder):
    edit(folder / file, **{field: value})
    is_refused(folder, rf"{file}.*{field}")


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("lgi_formr", "did you mean lgi_former"),
        ("evil", "'evil', a family that neither"),
        (["x"], "a family that neither"),
    ],
)
def test_unknown_families_are_named(family, message, folder):
    edit(folder / CONFIG, model_type=family, auto_map=None)
    is_refused(folder, rf"config\.json has model_type=.*{message}")
    edit(folder / CONFIG, ["model_type"], model_typ="lgi_former")
    is_refused(folder, r"config\.json has no field 'model_type'; did you mean model_typ")


def test_a_kernel_of_the_hub_is_never_run(folder):
    edit(folder / CONFIG, attn_implementation="stranger/kernel")
    is_refused(folder, r"config\.json has attn_implementation='stranger/kernel', which is code on the Hub")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"hidden_size": 64},
            r"model\.safetensors has the weight .* of shape .*config\.json describes .*hidden_size=64",
        ),
        (
            {"num_hidden_layers": 10**9},
            r"config\.json has num_hidden_layers=1000000000, but .*model\.safetensors has only",
        ),
        ({"id2label": {str(i): str(i) for i in range(3)}}, r"weight classifier\.bias of shape \(2,\).*num_labels=3"),
        ({"num_hidden_layers": 3}, r"model\.safetensors has no weights for lgi_former\.encoder\.layers\.\d"),
    ],
)
def test_weights_and_configuration_of_different_models(fields, message, folder):
    edit(folder / CONFIG, **fields)
    is_refused(folder, message)
    if "id2label" not in fields:
        with pytest.raises(ValueError, match=message.partition(" has no")[0]):
            load_model_to_finetune(ModelArguments(model_name_or_path=str(folder)), ["a", "b", "c"])


def test_damaged_weights(folder):
    path = folder / WEIGHTS
    whole = path.read_bytes()
    cases = {
        "is truncated, damaged or no safetensors file": [whole[:-10], whole[:100], b"", b"x" * 50, whole + b"\0"],
        "is truncated": [struct.pack("<Q", 10**8) + whole[8:], struct.pack("<Q", 2**63) + whole[8:]],
        "is a pointer of Git LFS": [b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n"],
        r"is damaged: the checksum of '.*' is wrong": [whole[:-1] + bytes([whole[-1] ^ 1])],
    }
    for message, contents in cases.items():
        for content in contents:
            path.write_bytes(content)
            is_refused(folder, rf"model\.safetensors {message}")
    with pytest.raises(ValueError, match=r"is damaged: the checksum"):
        files_to_upload(folder, "owner/name", folder.parent)
    tensors = {name: weight for name, weight in load_file(path).items() if "bias" not in name}
    save_file(tensors, path, {"format": "pt"})
    is_refused(folder, r"model\.safetensors has no weights for classifier\.bias, .* and \d+ more")


def test_not_a_number(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["classifier.bias"][0] = torch.nan
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    is_refused(folder, r"model\.safetensors has NaN or infinite values in classifier\.bias")


def test_damaged_shards(folder):
    model = LGIFormerForVideoClassification.from_pretrained(folder)
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    load_classifier(str(folder), "cpu")
    index = folder / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text())["weight_map"]
    name, shard = next(iter(weight_map.items()))
    for change, message in (
        (
            {name: "../other.safetensors"},
            r"names the shard '\.\./other\.safetensors'. Shards must be files in the same",
        ),
        ({name: "/etc/passwd"}, "Shards must be files in the same folder"),
        ({name: 3}, "Shards must be files in the same folder"),
        ({name: "model-9.safetensors"}, "names the shard 'model-9.safetensors', which is missing"),
        ({"other.weight": shard}, "names the weight 'other.weight', which no shard has"),
    ):
        edit(index, weight_map=weight_map | change)
        is_refused(folder, rf"model\.safetensors\.index\.json {message}|{message}")
    edit(index, weight_map=[])
    is_refused(folder, r"index\.json has no object 'weight_map'")
    edit(index, weight_map=weight_map)
    flip(folder / shard, -1)
    is_refused(folder, rf"{shard} is damaged: the checksum")


def test_damaged_pickled_weights(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    load_classifier(str(folder), "cpu")
    whole = (folder / "pytorch_model.bin").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        (folder / "pytorch_model.bin").write_bytes(content)
        is_refused(folder, r"pytorch_model\.bin")


def test_pickled_objects_are_refused_without_advice_to_run_them(folder):
    torch.save({"a": Path.cwd}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    is_refused(folder, r"pytorch_model\.bin cannot be loaded: it holds objects that are no weights, or is damaged")


@pytest.mark.parametrize("auto_map", ["evil.Evil", ["evil.Evil"], {"AutoModel": ["evil.Evil", None]}])
def test_a_damaged_auto_map_loses_no_model(auto_map, folder, tmp_path):
    edit(folder / CONFIG, auto_map=auto_map)
    model, _ = load_classifier(str(folder), "cpu")
    model.save_pretrained(tmp_path / "saved")
    LGIFormerForVideoClassification.from_pretrained(tmp_path / "saved")
    with pytest.raises(ValueError, match=r"config\.json' has auto_map=.*, which must be an object of names"):
        files_to_upload(folder, "owner/name", folder.parent)


def test_damaged_settings_of_an_adapter_are_named(folder):
    pytest.importorskip("peft")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "EVIL"}))
    is_refused(folder, r"adapter_config\.json cannot be loaded")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": 7}))
    with pytest.raises(ValueError, match=r"adapter_config\.json has base_model_name_or_path=7"):
        files_to_upload(folder, "owner/name", folder.parent)


def test_a_model_that_needs_another_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "torchao.core.config", None)
    edit(folder / CONFIG, quantization_config={"quant_method": "torchao", "quant_type": {"default": {}}})
    with pytest.raises(MissingExtraError, match=f"{folder} needs a package: .*torchao"):
        load_classifier(str(folder), "cpu")


def test_checksums_are_never_out_of_date(folder, tmp_path):
    """Transformers alone writes weights without checksums, which load."""
    assert damaged_weights(folder / WEIGHTS) == []
    flip(folder / WEIGHTS, -1)
    assert len(damaged_weights(folder / WEIGHTS)) == 1
    flip(folder / WEIGHTS, -1)
    tensors = load_file(folder / WEIGHTS)
    tensors["classifier.bias"] += 1
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    model, _ = load_classifier(str(folder), "cpu")
    assert torch.equal(model.classifier.bias, tensors["classifier.bias"])
    header = (folder / WEIGHTS).read_bytes()[:2000]
    assert b"crc32" not in header
    model.save_pretrained(folder)
    assert b"crc32" in (folder / WEIGHTS).read_bytes()[:9000] and damaged_weights(folder / WEIGHTS) == []


def test_checksums_of_one_save_alone(folder):
    """Other files of the user stay, and later files of other models have no checksums."""
    (folder / "model_old.safetensors").write_bytes(b"no weights")
    model, _ = load_classifier(str(folder), "cpu")
    model.register_buffer('name "\u00e9', torch.ones(2))
    model.save_pretrained(folder)
    assert (folder / "model_old.safetensors").read_bytes() == b"no weights"
    assert damaged_weights(folder / WEIGHTS) == [] and b'"00000000' not in (folder / WEIGHTS).read_bytes()[:9000]
    PreTrainedModel.save_pretrained(model, folder / "plain")
    assert b"crc32" not in (folder / "plain" / WEIGHTS).read_bytes()[:9000]


def test_random_changes_of_all_files(folder, capsys):
    """39 changed files: a prediction, or one sentence without a traceback that names a file of the folder."""
    dice = random.Random(1)
    whole = {name: (folder / name).read_bytes() for name in (CONFIG, PROCESSOR, WEIGHTS)}
    for number in range(39):
        name = [CONFIG, PROCESSOR, WEIGHTS][number % 3]
        content = bytearray(whole[name])
        limit = min(len(content), 6000)  # mostly the header of the weights
        for _ in range(dice.choice([1, 1, 4])):
            content[dice.randrange(limit)] = dice.randrange(256)
        (folder / name).write_bytes(content)
        try:
            load_classifier(str(folder), "cpu")
        except (ValueError, OSError) as error:
            assert any(file in str(error) for file in (CONFIG, PROCESSOR, WEIGHTS)), error
            assert "custom code" not in str(error) and "\n" not in str(error)
        (folder / name).write_bytes(whole[name])


def test_a_sentence_of_the_command(folder, capsys):
    edit(folder / CONFIG, dtype="flo!t32")
    assert main(["predict", "--sample", "--model", str(folder), "--no_crop_faces"]) == 2
    error = capsys.readouterr().err
    assert "config.json" in error and "dtype" in error and "Traceback" not in error


def test_models_of_other_families_have_no_checksums(tmp_path):
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = VideoMAEConfig(**size, image_size=32, num_frames=4)
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path)
    LGIFormerVideoProcessor().save_pretrained(tmp_path, save_code=False)
    load_classifier(str(tmp_path), "cpu")
