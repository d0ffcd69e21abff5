"""On a CPU, training does not compute the updates that stochastic depth drops. The result is the same."""

import pytest
import torch

from lgi_former import LGIFormerForVideoClassification
from lgi_former.modeling_lgi_former import encoder
from lgi_former.modeling_lgi_former.encoder import LGIFormerLayer


VARIANTS = [
    {},
    {"intra_region_attention": "cross"},
    {"local_global_interaction": "self"},
    {"local_global_interaction": None},
    {"attention_sharing": "all"},
]


def _computed_regions(layer: LGIFormerLayer) -> list[int]:
    """Numbers of regions that the feed-forward network gets from now on."""
    counts = []
    layer.mlp.register_forward_pre_hook(lambda module, args: counts.append(args[0].shape[:-2].numel()))
    return counts


def _step(layer: LGIFormerLayer, states: torch.Tensor, representative_only: bool) -> list[torch.Tensor]:
    """The updated states of a training step, and all gradients. Every weight must have one, for data parallelism."""
    torch.manual_seed(1)
    inputs = [states.clone().requires_grad_(), *layer.parameters()]
    updated = layer(inputs[0], representative_only)
    weights = torch.linspace(-1, 1, updated.numel()).view_as(updated)
    return [updated, *torch.autograd.grad((updated * weights).sum(), inputs)]


@pytest.mark.parametrize("representative_only", [False, True])
@pytest.mark.parametrize("fields", VARIANTS, ids=str)
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.99])
def test_dropped_regions_are_left_out_exactly(tiny_config, monkeypatch, rate, fields, representative_only):
    config = tiny_config(**fields)
    layer = LGIFormerLayer(config, drop_path_rate=rate).train()
    states = torch.randn(3, config.num_regions, 17, config.hidden_size)
    counts = _computed_regions(layer)
    skipped = _step(layer, states, representative_only)
    monkeypatch.setattr(encoder, "must_not_read", lambda *args: True)
    whole = _step(layer, states, representative_only)
    torch.testing.assert_close(skipped, whole, rtol=1e-4, atol=1e-5)
    expected, every_region = counts
    assert every_region == 3 * config.num_regions
    # The seed drops all regions at a rate of 0.99.
    assert expected == 0 if rate == 0.99 else 0 < expected <= every_region
    assert rate != 0.5 or expected < every_region


def test_attentions_of_a_training_step_are_of_all_regions(tiny_config, clips):
    config = tiny_config(drop_path_rate=0.5)
    outputs = LGIFormerForVideoClassification(config).train()(clips(config), output_attentions=True)
    assert {len(probabilities) for probabilities in outputs.attentions[::3]} == {2 * config.num_regions}


def test_training_in_half_precision_leaves_out_regions(tiny_config, clips):
    config = tiny_config(drop_path_rate=0.5)
    model = LGIFormerForVideoClassification(config).train()
    counts = _computed_regions(model.lgi_former.encoder.layers[-1])
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(clips(config), labels=torch.tensor([0, 1])).loss
    loss.backward()
    assert counts[0] < 2 * config.num_regions
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


# Transformers 5.23 renames the method, but 5.17 has only this name.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
def test_checkpointed_layers_drop_the_same_regions_again(tiny_config, clips):
    model = LGIFormerForVideoClassification(tiny_config(drop_path_rate=0.5)).train()
    pixel_values, labels = clips(model.config), torch.tensor([0, 1])
    gradients = []
    for checkpointing in (model.gradient_checkpointing_disable, model.gradient_checkpointing_enable):
        checkpointing()
        model.zero_grad()
        torch.manual_seed(1)
        model(pixel_values, labels=labels).loss.backward()
        gradients.append([weight.grad for weight in model.parameters()])
    torch.testing.assert_close(*gradients)
