"""Conversion of published checkpoints: same results, safe reading, clear errors."""

import argparse
import inspect
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
)

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, convert_mae_dfer_checkpoint
from lgi_former.conversion.published_checkpoint import PublishedCheckpoint
from lgi_former.conversion.published_file import PublishedFile
from lgi_former.conversion.published_names import classifier_names, pretraining_names, to_published
from lgi_former.hub import all_flat_code


GOLDEN = Path(__file__).parents[1] / "golden"
# Fields that the weights of golden files do not show.
GIVEN = {"num_attention_heads": 2, "image_size": 16, "region_size": (2, 2, 4)}


def golden(name):
    """Tensors by kind, the configuration and the published arguments of a golden file."""
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        metadata = file.metadata()
    weights = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    return (
        tensors,
        weights,
        LGIFormerConfig(**json.loads(metadata["config"])),
        json.loads(metadata["mae_dfer_arguments"]),
    )


def save(path, weights, key="model", **arguments):
    """Write a `.pth` file like the published scripts."""
    args = argparse.Namespace(lr=1e-3, opt_betas=[0.9, 0.95], **arguments)
    torch.save({key: weights, "optimizer": {"state": {}}, "epoch": 49, "scaler": {}, "args": args}, path)
    return path


@pytest.fixture
def classifier_pth(tmp_path):
    """A small fine-tuned checkpoint."""
    _, weights, _, arguments = golden("classification_default")
    return save(tmp_path / "model.pth", weights, **arguments)


@pytest.mark.parametrize(
    "name", ["classification_default", "classification_shared_all", "classification_local_pooling"]
)
def test_a_fine_tuned_checkpoint_gives_the_golden_logits(name, tmp_path):
    tensors, weights, config, arguments = golden(name)
    checkpoint = save(tmp_path / "model.pth", weights, **arguments)
    output = convert_mae_dfer_checkpoint(checkpoint, tmp_path / "out", config=config, dataset="dfew")
    assert {path.name for path in output.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "video_preprocessor_config.json",
        *all_flat_code(),
    }
    model = AutoModelForVideoClassification.from_pretrained(output)
    torch.testing.assert_close(model(tensors["pixel_values"].float()).logits, tensors["logits"], rtol=1e-4, atol=1e-5)
    assert model.config.id2label == dict(
        enumerate(["happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"])
    )
    processor = AutoVideoProcessor.from_pretrained(output)
    assert processor.size == {"height": 16, "width": 16} and processor.sampling_rate == 4


def test_the_card_names_the_file_and_claims_no_figures(classifier_pth, tmp_path):
    output = convert_mae_dfer_checkpoint(classifier_pth, tmp_path / "out", dataset="dfew", **GIVEN)
    card = (output / "README.md").read_text()
    assert "converted from `model.pth`" in card and "those of DFEW" in card and "model-index" not in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize("name", ["pretraining_default", "pretraining_motion_weighted"])
def test_a_pretraining_checkpoint_gives_the_golden_loss(name, tmp_path):
    tensors, weights, config, arguments = golden(name)
    given = GIVEN | {"decoder_num_attention_heads": 2}
    output = convert_mae_dfer_checkpoint(save(tmp_path / "a.pth", weights, **arguments), tmp_path / "out", **given)
    model = AutoModelForPreTraining.from_pretrained(output)
    assert model.config.decoder_position_order == "region"
    assert model.config.motion_loss_weight == config.motion_loss_weight
    outputs = model(tensors["pixel_values"].float(), tensors["bool_masked_pos"])
    torch.testing.assert_close(outputs.loss, tensors["loss"][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*_*.safetensors")))
def test_the_configuration_is_inferred_from_weights_and_arguments(name, tmp_path):
    _, weights, config, arguments = golden(name)
    given = GIVEN | ({"decoder_num_attention_heads": 2} if name.startswith("pretraining") else {})
    checkpoint = PublishedCheckpoint(PublishedFile(save(tmp_path / "a.pth", weights, **arguments)))
    inferred = checkpoint.infer_config(**given).to_dict()
    wanted = config.to_dict()
    if name.startswith("classification"):
        for field in [field for field in wanted if field.startswith("decoder_")]:
            del wanted[field]
    assert {field: inferred[field] for field in wanted} == wanted


def released(kind):
    reference = json.loads((GOLDEN / "released_checkpoints.json").read_text())
    generator = torch.Generator().manual_seed(0)
    return {
        name: 0.02 * torch.randn(shape, generator=generator)
        for name, shape in reference[f"released_{kind}_checkpoint"].items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "auto_class", "names"),
    [
        ("finetuned", AutoModelForVideoClassification, classifier_names),
        ("pretrained", AutoModelForPreTraining, pretraining_names),
    ],
)
def test_released_checkpoints_convert_whole_and_back(kind, auto_class, names, tmp_path):
    """The published defaults fit the names and shapes of the released files."""
    weights = released(kind)
    checkpoint = save(tmp_path / "released.pth", weights)
    output = convert_mae_dfer_checkpoint(checkpoint, tmp_path / "out")
    model, report = auto_class.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    expected = (
        LGIFormerConfig(num_labels=7) if kind == "finetuned" else LGIFormerConfig(decoder_position_order="region")
    )
    for field in inspect.get_annotations(LGIFormerConfig):
        assert getattr(model.config, field) == getattr(expected, field), field
    assert model.num_parameters() == (84_878_343 if kind == "finetuned" else 92_760_192)

    shapes = {name: weight.shape for name, weight in weights.items()}
    back = to_published(model.state_dict(), names(model.config), shapes)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weight) for name, weight in weights.items())


def test_conversion_back_gives_the_same_weights():
    for name, names in [("classification_shared_all", classifier_names), ("pretraining_default", pretraining_names)]:
        _, weights, config, _ = golden(name)
        from lgi_former import LGIFormerForVideoClassification
        from lgi_former.conversion.published_names import from_published

        model_class = LGIFormerForPreTraining if "pretraining" in name else LGIFormerForVideoClassification
        shapes = {key: weight.shape for key, weight in model_class(config).state_dict().items()}
        ours = from_published(weights, names(config), shapes)
        back = to_published(ours, names(config), {key: weight.shape for key, weight in weights.items()})
        assert back.keys() == weights.keys()
        assert all(torch.equal(back[key], weights[key]) for key in weights)


@pytest.mark.parametrize("prefix", ["", "backbone.", "encoder.", "module.", "module.backbone."])
@pytest.mark.parametrize("key", ["model", "module"])
def test_prefixes_of_wrappers_are_removed(prefix, key, tmp_path):
    _, weights, config, _ = golden("classification_default")
    checkpoint = save(tmp_path / "a.pth", {prefix + name: weight for name, weight in weights.items()}, key=key)
    output = convert_mae_dfer_checkpoint(checkpoint, tmp_path / "out", config=config)
    assert AutoConfig.from_pretrained(output).architectures == ["LGIFormerForVideoClassification"]


def test_an_encoder_alone_becomes_a_bare_model(tmp_path):
    tensors, weights, config, _ = golden("pretraining_default")
    encoder = {name: weight for name, weight in weights.items() if name.startswith("encoder.")}
    output = convert_mae_dfer_checkpoint(save(tmp_path / "a.pth", encoder), tmp_path / "out", config=config)
    hidden = AutoModel.from_pretrained(output)(tensors["pixel_values"].float(), tensors["bool_masked_pos"])
    golden_mean = tensors["encoder_output"].mean(dim=1)  # of tokens in another order
    torch.testing.assert_close(hidden.last_hidden_state.mean(dim=1), golden_mean, rtol=1e-4, atol=1e-5)


def test_the_checkpoints_own_arguments_name_dataset_and_sampling_rate(tmp_path):
    _, weights, _, arguments = golden("classification_default")
    checkpoint = save(tmp_path / "a.pth", weights, data_set="FERV39k", sampling_rate=1, input_size=16, **arguments)
    output = convert_mae_dfer_checkpoint(checkpoint, tmp_path / "out", num_attention_heads=2)
    assert AutoConfig.from_pretrained(output).id2label[3] == "Angry"
    assert AutoVideoProcessor.from_pretrained(output).sampling_rate == 1


def test_labels_can_be_given(classifier_pth, tmp_path):
    labels = list("abcdefg")
    output = convert_mae_dfer_checkpoint(classifier_pth, tmp_path / "out", labels=labels, **GIVEN)
    assert AutoConfig.from_pretrained(output).label2id["c"] == 2


class RunsCode:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    torch.save({"model": {}, "args": RunsCode(tmp_path / "owned")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil.pth is refused: loading it would call \w+.mkdir"):
        convert_mae_dfer_checkpoint(tmp_path / "evil.pth", tmp_path / "out")
    assert not (tmp_path / "owned").exists() and not (tmp_path / "out").exists()


def test_files_that_are_not_checkpoints_are_refused(classifier_pth, tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content)

    whole = classifier_pth.read_bytes()
    write("truncated.pth", whole[: len(whole) // 2])
    write("empty.pth", b"")
    write("text.pth", b"<html>404</html>")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"model": {"epoch": 3}}, tmp_path / "no_weights.pth")
    torch.save({"model": {"layer1.0.conv1.weight": torch.zeros(1)}}, tmp_path / "foreign.pth")
    for name, message in {
        "truncated.pth": r"truncated.pth \([\d,]+ bytes\) is not a complete PyTorch checkpoint",
        "empty.pth": r"empty.pth \(0 bytes\) is not a complete",
        "text.pth": "text.pth .* is not a complete",
        "list.pth": "contains a list. Expected a dictionary",
        "no_weights.pth": "contains no weights",
        "foreign.pth": "contains no LGI-Former .*: expected .*lg_region_tokens.*, found layer1.0.conv1.weight",
    }.items():
        with pytest.raises(ValueError, match=message):
            convert_mae_dfer_checkpoint(tmp_path / name, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint file .*missing.pth"):
        convert_mae_dfer_checkpoint(tmp_path / "missing.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_incomplete_checkpoint_says_what_is_missing(tmp_path):
    _, weights, _, _ = golden("classification_default")
    del weights["blocks.1.mlp.fc2.bias"]
    weights["surplus"] = torch.zeros(3)
    with pytest.raises(ValueError, match=r"blocks.1.mlp.fc2.bias missing, surplus unexpected"):
        convert_mae_dfer_checkpoint(save(tmp_path / "a.pth", weights), tmp_path / "out", **GIVEN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "heads cannot be inferred from a width of 24.*Pass num_attention_heads"),
        (
            {"num_attention_heads": 2},
            "has 8 representative tokens.*need .*Pass the num_frames, image_size or region_size",
        ),
        ({**GIVEN, "hidden_size": 48}, "has shape .* needs"),
        ({**GIVEN, "dataset": "mafw"}, "has 7 outputs, but 11 labels were given: anger"),
        ({**GIVEN, "dataset": "imagenet"}, "dataset='imagenet' is unknown. Known are dfew, ferv39k"),
        ({**GIVEN, "labels": ["a"] * 7}, "Labels must be different, but are a, a"),
        ({**GIVEN, "heads": 2}, "has no field heads"),
        (
            {**GIVEN, "config": LGIFormerConfig()},
            "num_attention_heads, image_size, region_size cannot be set together with a config",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(classifier_pth, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        convert_mae_dfer_checkpoint(classifier_pth, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_pretraining_checkpoints_have_no_labels(tmp_path):
    _, weights, config, _ = golden("pretraining_default")
    with pytest.raises(ValueError, match="is pre-trained and has no classes"):
        convert_mae_dfer_checkpoint(save(tmp_path / "a.pth", weights), tmp_path / "out", config=config, dataset="dfew")


def test_nothing_is_overwritten_unless_asked(classifier_pth, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text("mine")
    with pytest.raises(FileExistsError, match=r"is not empty\. Choose another directory, or pass overwrite"):
        convert_mae_dfer_checkpoint(classifier_pth, tmp_path / "out", **GIVEN)
    assert (tmp_path / "out" / "config.json").read_text() == "mine"
    with pytest.raises(FileExistsError, match="is a file"):
        convert_mae_dfer_checkpoint(classifier_pth, classifier_pth, **GIVEN)
    convert_mae_dfer_checkpoint(classifier_pth, tmp_path / "out", overwrite=True, **GIVEN)
    assert AutoConfig.from_pretrained(tmp_path / "out").hidden_size == 24


def test_a_given_configuration_is_used(tmp_path):
    _, weights, config, arguments = golden("classification_default")
    config.id2label = {index: f"mine {index}" for index in range(7)}
    checkpoint = save(tmp_path / "a.pth", weights, data_set="DFEW", **arguments)
    output = convert_mae_dfer_checkpoint(checkpoint, tmp_path / "out", config=config)
    assert AutoConfig.from_pretrained(output).id2label == config.id2label
    convert_mae_dfer_checkpoint(checkpoint, tmp_path / "other", config=config, dataset="dfew")
    assert config.id2label[0] == "mine 0"


@pytest.mark.parametrize(("labels", "message"), [("abcdefg", "is a string"), ([], "has 7 outputs, but 0 labels")])
def test_labels_must_be_a_list_with_one_name_for_each_class(classifier_pth, tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        convert_mae_dfer_checkpoint(classifier_pth, tmp_path / "out", labels=labels, **GIVEN)
