"""The model to train: the checkpoints that it starts from, and errors."""

import json
from types import SimpleNamespace

import pytest
import torch
from transformers import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEImageProcessor

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.image_processing import processor_for
from lgi_former.training.run.arguments import DataArguments, ModelArguments
from lgi_former.training.run.starting_model import (
    load_model_to_finetune,
    load_model_to_pretrain,
    make_masking,
)


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
SMALL |= {"decoder_hidden_size": 12, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}
SMALL |= {"decoder_intermediate_size": 16, "patch_size": 4, "image_size": 16, "num_frames": 4}
LABELS = ["happy", "sad"]


def options(model_type="lgi_former", **fields):
    region = {"region_size": [2, 2, 4]} if model_type == "lgi_former" else {}
    return ModelArguments(model_type=model_type, config_overrides=json.dumps(SMALL | region), **fields)


@pytest.mark.parametrize(
    ("model_type", "pretraining_class", "classifier_class"),
    [
        ("lgi_former", LGIFormerForPreTraining, LGIFormerForVideoClassification),
        ("videomae", VideoMAEForPreTraining, VideoMAEForVideoClassification),
    ],
)
def test_both_families_in_both_stages(model_type, pretraining_class, classifier_class, tmp_path):
    pretrained, _ = load_model_to_pretrain(options(model_type), mask_ratio=0.75)
    assert isinstance(pretrained, pretraining_class)
    mask = make_masking(pretrained.config, 0.75)(3)
    assert mask.shape == (3, 32) and mask.sum(1).tolist() == [24, 24, 24]
    pixel_values = torch.rand(3, 4, 3, 16, 16)
    assert pretrained(pixel_values=pixel_values, bool_masked_pos=mask).loss.isfinite()

    pretrained.save_pretrained(tmp_path)
    classifier, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(tmp_path)), LABELS)
    assert isinstance(classifier, classifier_class)
    assert classifier.config.id2label == dict(enumerate(LABELS))
    weights = dict(classifier.named_parameters())
    for name, weight in pretrained.named_parameters():
        if ".encoder." in name and "decoder" not in name:
            torch.testing.assert_close(weight, weights[name])


@pytest.mark.parametrize(
    ("field", "value"),
    [("id2label", {"0": "a", "1": "b"}), ("label2id", {"a": 0, "b": 1}), ("id2label", {}), ("num_labels", 7)],
)
def test_labels_in_config_overrides_are_refused(field, value):
    arguments = ModelArguments(config_overrides=json.dumps({field: value}))
    with pytest.raises(
        ValueError, match=rf"config_overrides sets {field}, but .* videos: happy, sad\. Name .* --labels"
    ):
        load_model_to_finetune(arguments, LABELS)


def test_the_decoder_mask_ratio_is_an_option_or_that_of_the_model(tmp_path):
    model, _ = load_model_to_pretrain(options(), 0.75, 0.5)
    assert model.config.decoder_mask_ratio == 0.5
    model.save_pretrained(tmp_path)
    stored = ModelArguments(model_name_or_path=str(tmp_path))
    assert load_model_to_pretrain(stored, 0.75).model.config.decoder_mask_ratio == 0.5
    assert load_model_to_pretrain(stored, 0.75, 0.0).model.config.decoder_mask_ratio == 0
    with pytest.raises(ValueError, match=r"leaves out 3\.6 of the 12 masked tokens"):
        load_model_to_pretrain(stored, 0.75, 0.3)
    with pytest.raises(ValueError, match=r"decoder_mask_ratio=0\.5 needs LGI-Former\."):
        load_model_to_pretrain(options("videomae"), 0.75, 0.5)


def test_a_classifier_of_other_classes_gets_a_new_head(tmp_path):
    first, _ = load_model_to_finetune(options(), LABELS)
    first.save_pretrained(tmp_path)
    other, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(tmp_path)), ["a", "b", "c"], 0.2)
    assert other.classifier.weight.shape[0] == 3 and other.config.drop_path_rate == 0.2
    again, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(tmp_path)), LABELS)
    torch.testing.assert_close(again.classifier.weight, first.classifier.weight)


def test_weights_train_in_single_precision_however_they_were_stored(tmp_path):
    load_model_to_pretrain(options(), 0.75).model.to(torch.bfloat16).save_pretrained(tmp_path)
    arguments = ModelArguments(model_name_or_path=str(tmp_path))
    assert load_model_to_pretrain(arguments, 0.75).model.dtype == torch.float32
    assert load_model_to_finetune(arguments, LABELS).model.dtype == torch.float32


def test_a_checkpoint_takes_clips_of_another_size(tmp_path):
    load_model_to_pretrain(options(), 0.75).model.save_pretrained(tmp_path)
    model, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(tmp_path), num_frames=8), LABELS)
    assert model(pixel_values=torch.rand(1, 8, 3, 16, 16)).logits.shape == (1, 2)


def test_the_encoder_must_be_whole(tmp_path):
    load_model_to_pretrain(options(), 0.75).model.save_pretrained(tmp_path)
    arguments = ModelArguments(model_name_or_path=str(tmp_path), config_overrides='{"num_hidden_layers": 3}')
    with pytest.raises(ValueError, match=r"has no weights, or weights of another shape, for lgi_former\.encoder"):
        load_model_to_finetune(arguments, LABELS)


def test_a_classifier_cannot_be_pretrained(tmp_path):
    load_model_to_finetune(options(), LABELS).model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has no weights"):
        load_model_to_pretrain(ModelArguments(model_name_or_path=str(tmp_path)), 0.75)


def test_unknown_fields_and_families_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no field 'hiden_size'; did you mean hidden_size\?"):
        load_model_to_pretrain(ModelArguments(config_overrides='{"hiden_size": 16}'), 0.75)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="'bert' cannot be trained here"):
        load_model_to_finetune(ModelArguments(model_name_or_path=str(tmp_path)), LABELS)


@pytest.mark.parametrize(
    ("overrides", "sizes", "load"),
    [
        ({"mask_ratio": 0.5}, {}, lambda arguments: load_model_to_pretrain(arguments, 0.75)),
        ({"decoder_mask_ratio": 0.25}, {}, lambda arguments: load_model_to_pretrain(arguments, 0.75, 0.5)),
        ({"image_size": 32}, {"image_size": 16}, lambda arguments: load_model_to_pretrain(arguments, 0.9)),
        ({"num_frames": 8}, {"num_frames": 4}, lambda arguments: load_model_to_finetune(arguments, LABELS)),
        ({"drop_path_rate": 0.2}, {}, lambda arguments: load_model_to_finetune(arguments, LABELS)),
        ({"label_units": ["m"]}, {}, lambda arguments: load_model_to_finetune(arguments, ["x"], label_units=["s"])),
    ],
)
def test_overrides_that_clash_with_an_option_are_refused(overrides, sizes, load):
    name = next(iter(overrides))
    with pytest.raises(ValueError, match=rf"config_overrides asks for {name}=.* but the option --{name} is "):
        load(ModelArguments(config_overrides=json.dumps(overrides), **sizes))


def test_overrides_may_repeat_an_option_or_set_a_field_without_a_value():
    fields = SMALL | {"region_size": [2, 2, 4], "mask_ratio": 0.75, "decoder_mask_ratio": 0.5}
    config = load_model_to_pretrain(ModelArguments(config_overrides=json.dumps(fields)), 0.75).model.config
    assert (config.mask_ratio, config.decoder_mask_ratio) == (0.75, 0.5)


def test_a_configuration_alone_is_trained_from_scratch(tmp_path):
    load_model_to_pretrain(options(), 0.75).model.config.save_pretrained(tmp_path)
    model, _ = load_model_to_pretrain(ModelArguments(config_name=str(tmp_path)), 0.5)
    assert model.config.hidden_size == 16 and model.config.mask_ratio == 0.5


def test_a_published_checkpoint_is_converted_once(tmp_path, monkeypatch):
    conversions = []

    def convert(path, output_dir):
        conversions.append(path)
        model, _ = load_model_to_pretrain(options(), 0.75)
        model.save_pretrained(output_dir)
        processor_for(model.config, sampling_rate=2).save_pretrained(output_dir)
        return output_dir

    monkeypatch.setattr("lgi_former.training.run.starting_model.convert_mae_dfer_checkpoint", convert)
    start = load_model_to_finetune(ModelArguments(model_name_or_path="pretrained.pth"), LABELS)
    assert start.model.config.hidden_size == 16
    assert start.sampling_rate == 2
    assert conversions == ["pretrained.pth"]


def test_frames_are_sampled_as_by_the_starting_models_processor(tmp_path):
    model, sampling_rate = load_model_to_pretrain(options(), 0.75)
    assert sampling_rate == 4
    model.save_pretrained(tmp_path)
    arguments = ModelArguments(model_name_or_path=str(tmp_path))
    assert load_model_to_pretrain(arguments, 0.75).sampling_rate == 4  # there is no processor
    VideoMAEImageProcessor().save_pretrained(tmp_path)
    assert load_model_to_pretrain(arguments, 0.75).sampling_rate == 4  # this processor samples no frames
    processor_for(model.config, sampling_rate=1).save_pretrained(tmp_path)
    assert load_model_to_pretrain(arguments, 0.75).sampling_rate == 1


@pytest.mark.parametrize(
    ("stored", "given", "expected"), [(None, None, None), (25, None, 25), (25, 30, 30), (25, 0, None)]
)
def test_the_sampling_frame_rate_is_that_of_the_option_or_else_of_the_starting_model(
    stored, given, expected, tmp_path
):
    model, _ = load_model_to_pretrain(options(), 0.75)
    model.save_pretrained(tmp_path)
    processor_for(model.config, sampling_frame_rate=stored).save_pretrained(tmp_path)
    start = load_model_to_pretrain(ModelArguments(model_name_or_path=str(tmp_path)), 0.75)
    sampling = start.sampling(DataArguments(train_data=["a.csv"], sampling_frame_rate=given))
    assert sampling == {"sampling_rate": 4, "sampling_frame_rate": expected}


def test_a_setting_that_videomae_lacks_is_a_warning(monkeypatch):
    warnings = []
    logger = SimpleNamespace(warning=warnings.append)
    monkeypatch.setattr("lgi_former.training.run.starting_model.logger", logger)
    load_model_to_finetune(options("videomae"), LABELS, drop_path_rate=0.1)
    assert "drop_path_rate=0.1 has no effect" in warnings[0]
