"""Parameter groups and learning rates are the published ones, for LGI-Former and for VideoMAE."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import VideoMAEForPreTraining, VideoMAEForVideoClassification

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.conversion.published_names import classifier_names
from lgi_former.training.trainer.optimization import cosine_schedule, parameter_groups, scaled_learning_rate


GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "optimization.json").read_text())


def settings_by_name(model, weight_decay=0.05, layer_decay=0.75, learning_rate=1.0):
    """(learning rate, decay) of each weight in the groups."""
    name_of = {id(weight): name for name, weight in model.named_parameters()}
    return {
        name_of[id(weight)]: (group["lr"], group["weight_decay"])
        for group in parameter_groups(model, weight_decay, layer_decay, learning_rate)
        for weight in group["params"]
    }


def test_groups_of_the_full_model_are_the_published_ones():
    config = LGIFormerConfig(num_labels=7)
    with torch.device("meta"):
        model = LGIFormerForVideoClassification(config)
    settings = settings_by_name(model)
    for published, ours in classifier_names(config).items():
        learning_rate_scale, weight_decay = GOLDEN["finetuning_parameter_groups"][published]
        for name in ours:
            assert settings.pop(name) == (pytest.approx(learning_rate_scale), weight_decay), name
    assert len(GOLDEN["finetuning_parameter_groups"]) == 519
    assert not settings


def test_there_are_two_groups_a_layer_at_most():
    with torch.device("meta"):
        model = LGIFormerForVideoClassification(LGIFormerConfig(num_hidden_layers=4))
    assert len(parameter_groups(model, 0.05, 0.75, 1e-3)) == 2 * 6
    assert len(parameter_groups(model, 0.05, 1.0, 1e-3)) == 2


def test_pretraining_decays_only_matrices():
    with torch.device("meta"):
        model = LGIFormerForPreTraining(LGIFormerConfig(num_hidden_layers=2))
    settings = settings_by_name(model, layer_decay=1.0)
    assert settings.keys() == dict(model.named_parameters()).keys()
    assert settings["lgi_former.embeddings.representative_tokens"] == (1.0, 0.0)
    assert settings["decoder.mask_token"] == (1.0, 0.0)
    for name, weight in model.named_parameters():
        if "token" not in name:
            assert settings[name] == (1.0, 0.05 if weight.ndim > 1 else 0.0), name


def test_decoder_layers_belong_to_the_last_layer():
    with torch.device("meta"):
        model = LGIFormerForPreTraining(LGIFormerConfig(num_hidden_layers=2))
    settings = settings_by_name(model)
    assert settings["lgi_former.encoder.layers.0.mlp.fc1.weight"] == (0.75**2, 0.05)
    assert settings["decoder.layers.0.mlp.fc1.weight"] == (1.0, 0.05)


def test_videomae_has_groups_by_the_same_rule(videomae_config):
    settings = settings_by_name(VideoMAEForVideoClassification(videomae_config))
    assert settings["videomae.embeddings.patch_embeddings.projection.weight"] == (0.75**4, 0.05)
    assert settings["videomae.embeddings.patch_embeddings.projection.bias"] == (0.75**4, 0.0)
    assert settings["videomae.encoder.layer.0.attention.attention.query.weight"] == (0.75**3, 0.05)
    assert settings["videomae.encoder.layer.2.layernorm_before.weight"] == (0.75, 0.0)
    assert settings["fc_norm.weight"] == (1.0, 0.0)
    assert settings["classifier.weight"] == (1.0, 0.05)

    settings = settings_by_name(VideoMAEForPreTraining(videomae_config))
    assert settings["mask_token"] == (1.0, 0.0)
    assert settings["decoder.decoder_layers.0.intermediate.dense.weight"] == (1.0, 0.05)
    assert settings["videomae.encoder.layer.2.intermediate.dense.weight"] == (0.75, 0.05)


def test_frozen_weights_have_no_group_and_adapters_have_that_of_their_layer():
    model = LGIFormerForVideoClassification(
        LGIFormerConfig(num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=16)
    )
    model = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["classifier"]))
    settings = settings_by_name(model)
    assert settings.keys() == {name for name, weight in model.named_parameters() if weight.requires_grad}
    adapters = {name: setting for name, setting in settings.items() if "lora_A" in name}
    assert len(adapters) == 2 * 3
    assert {setting for name, setting in adapters.items() if ".layers.0." in name} == {(0.75**2, 0.05)}
    assert {setting for name, setting in adapters.items() if ".layers.1." in name} == {(0.75, 0.05)}


def test_learning_rate_follows_the_published_schedule():
    golden = GOLDEN["learning_rate_schedule"]
    steps = golden["epochs"] * golden["steps_per_epoch"]
    weight = torch.nn.Parameter(torch.zeros(()))
    lowered = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.AdamW(
        [{"params": [weight], "lr": golden["base"]}, {"params": [lowered], "lr": 0.75 * golden["base"]}]
    )
    schedule = cosine_schedule(
        optimizer,
        num_warmup_steps=golden["warmup_epochs"] * golden["steps_per_epoch"],
        num_training_steps=steps,
        minimum_rate=golden["minimum"] / golden["base"],
    )
    values = []
    for _ in range(steps):
        values.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
    assert [of_last_layer for of_last_layer, _ in values] == pytest.approx(golden["values"], rel=1e-9, abs=1e-15)
    assert [of_layer for _, of_layer in values] == pytest.approx([0.75 * value for value in golden["values"]])
    assert schedule.get_last_lr()[0] == pytest.approx(golden["minimum"])


@pytest.mark.parametrize(("warmup", "first_rates"), [(0, [1.0]), (1, [0.0, 1.0]), (2, [0.0, 1.0, 1.0])])
def test_short_warm_ups(warmup, first_rates):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
    schedule = cosine_schedule(optimizer, warmup, num_training_steps=10, minimum_rate=0.0)
    rates = []
    for _ in first_rates:
        rates += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    assert rates == first_rates


def test_learning_rate_is_scaled_to_the_total_batch():
    assert scaled_learning_rate(1e-3, total_batch_size=96) == pytest.approx(GOLDEN["learning_rate_schedule"]["base"])
