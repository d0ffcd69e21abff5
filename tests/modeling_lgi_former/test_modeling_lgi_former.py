"""Features of a Transformers model class."""

import copy

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
)

import lgi_former
from lgi_former import (
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    LGIFormerPreTrainedModel,
    RegionTubeMasking,
)


VARIANTS = {
    "default": {},
    "cross intra-region": {"intra_region_attention": "cross"},
    "self interaction": {"local_global_interaction": "self"},
    "no interaction": {"local_global_interaction": None},
    "no inter-region": {"inter_region_attention": False},
    "cross intra-region, self interaction": {"intra_region_attention": "cross", "local_global_interaction": "self"},
    "shared intra and interaction": {"attention_sharing": "intra_and_interaction"},
    "shared all": {"attention_sharing": "all"},
    "local pooling": {"pooling": "local"},
    "all pooling": {"pooling": "all"},
    "frame level": {"frame_level": True},
    "no query and value bias": {"qkv_bias": False},
}


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def variant(request, tiny_config):
    return tiny_config(**request.param)


def inputs_of(model_class, config, clips):
    """Keyword inputs of a model class. With a head, it returns a loss."""
    inputs = {"pixel_values": clips(config)}
    if model_class is LGIFormerForPreTraining:
        inputs["bool_masked_pos"] = RegionTubeMasking(config)(2)
    if model_class is LGIFormerForVideoClassification:
        shape = (2, config.num_frames) if config.frame_level else (2,)
        inputs["labels"] = torch.randint(config.num_labels, shape)
    return inputs


# Transformers 5.23 renames it to activation_checkpointing_enable, which 5.17 does not have.
allows_gradient_checkpointing_enable = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

HEADS = [LGIFormerForPreTraining, LGIFormerForVideoClassification]
ALL_CLASSES = [LGIFormerModel, *HEADS]
AUTO_CLASSES = {
    LGIFormerModel: AutoModel,
    LGIFormerForPreTraining: AutoModelForPreTraining,
    LGIFormerForVideoClassification: AutoModelForVideoClassification,
}


def test_base_model_has_the_published_size():
    with torch.device("meta"):
        config = lgi_former.LGIFormerConfig(num_labels=7)
        assert LGIFormerForVideoClassification(config).num_parameters() == 84_878_343
        assert LGIFormerForPreTraining(config).num_parameters() == 92_760_192


@pytest.mark.parametrize("attn_implementation", ["eager", "sdpa"])
def test_base_model_multiplies_no_more_than_it_must(attn_implementation):
    """A clip needs 41.5 GMACs. The published graph needs 49.65 and VideoMAE-B 80.69. Fake tensors count them."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
    from transformers.initialization import no_init_weights

    def count_products(query, key, value, *options, out_shape, **more_options):
        return sdpa_flop_count(query, key, value)

    # What sdpa becomes on a CPU; torch counts the products inside of it for GPUs alone.
    on_cpu = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: count_products}
    counter = FlopCounterMode(display=False, custom_mapping=on_cpu)
    with FakeTensorMode(), no_init_weights(), torch.no_grad(), counter:
        config = lgi_former.LGIFormerConfig(num_labels=7, attn_implementation=attn_implementation)
        LGIFormerForVideoClassification(config).eval()(torch.zeros(1, 16, 3, 160, 160))
    assert 41.0e9 < counter.get_total_flops() / 2 < 41.6e9


@pytest.mark.parametrize("model_class", ALL_CLASSES)
def test_save_and_load_give_the_same_numbers(model_class, variant, clips, tmp_path):
    model = model_class(variant).eval()
    model.save_pretrained(tmp_path)
    loaded, report = AUTO_CLASSES[model_class].from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is model_class
    assert not report["missing_keys"] and not report["unexpected_keys"]
    inputs = inputs_of(model_class, variant, clips)
    for actual, expected in zip(loaded(**inputs).to_tuple(), model(**inputs).to_tuple(), strict=True):
        assert torch.equal(actual, expected)


def test_weights_are_saved_as_safetensors_once_each(tiny_config, tmp_path):
    model = LGIFormerForVideoClassification(tiny_config(attention_sharing="all"))
    model.save_pretrained(tmp_path, save_code=False)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    keys = model.state_dict().keys()
    assert not [key for key in keys if "position_embeddings" in key or "interaction_attention" in key]


@pytest.mark.parametrize("model_class", HEADS)
@pytest.mark.parametrize("attn_implementation", ["eager", "sdpa"])
def test_every_trainable_weight_gets_a_gradient(model_class, variant, clips, attn_implementation):
    model = model_class(variant).train()
    model.set_attn_implementation(attn_implementation)
    model(**inputs_of(model_class, variant, clips)).loss.backward()
    without = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not without


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_python", "gelu_new", "relu"])
def test_inference_overwrites_nothing_that_a_hook_holds(tiny_config, clips, hidden_act):
    model = LGIFormerForVideoClassification(tiny_config(hidden_act=hidden_act)).eval()
    pixel_values = clips(model.config)
    expected = model(pixel_values).logits
    mlp = model.lgi_former.encoder.layers[0].mlp
    held = []
    with torch.no_grad():
        torch.testing.assert_close(model(pixel_values).logits, expected)
        for module in (mlp.fc1, mlp.activation_fn):
            hook = module.register_forward_hook(lambda module, args, output: held.extend([args[0], output]))
            torch.testing.assert_close(model(pixel_values).logits, expected)
            hook.remove()
    normed, wide, wide_again, activated = held
    torch.testing.assert_close(wide, mlp.fc1(normed))
    assert torch.equal(wide, wide_again)
    torch.testing.assert_close(activated, mlp.activation_fn(wide))


@allows_gradient_checkpointing_enable
@pytest.mark.parametrize("model_class", HEADS)
@pytest.mark.parametrize(
    "options", [{"use_reentrant": True}, {"use_reentrant": False}, {"context_fn": "keep_products"}]
)
def test_gradient_checkpointing_changes_no_gradient(model_class, variant, clips, options):
    model = model_class(variant).train()
    inputs = inputs_of(model_class, variant, clips)
    model(**inputs).loss.backward()
    expected = {name: weight.grad.clone() for name, weight in model.named_parameters()}

    model.zero_grad()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    model(**inputs).loss.backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name])


@allows_gradient_checkpointing_enable
def test_gradient_checkpointing_recomputes_every_layer(tiny_config, clips):
    model = LGIFormerForPreTraining(tiny_config()).train()
    model.gradient_checkpointing_enable()
    calls = []
    for layer in [*model.lgi_former.encoder.layers, *model.decoder.layers]:
        layer.mlp.register_forward_pre_hook(lambda module, _: calls.append(module))
    model(**inputs_of(LGIFormerForPreTraining, model.config, clips)).loss.backward()
    assert len(calls) == 2 * (2 + 2)


@allows_gradient_checkpointing_enable
def test_gradient_checkpointing_that_keeps_products_multiplies_nothing_twice(tiny_config, clips):
    from torch.utils.flop_counter import FlopCounterMode

    model = LGIFormerForPreTraining(tiny_config()).train()
    inputs = inputs_of(LGIFormerForPreTraining, model.config, clips)
    counts = []
    for options in ({}, {"context_fn": "keep_products"}, {"use_reentrant": False}):
        if options:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
        with FlopCounterMode(display=False) as counter:
            model(**inputs).loss.backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] < counts[2]


@allows_gradient_checkpointing_enable
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_fn": "keep_all"}, "'keep_all' of activation checkpointing is not one of keep_products"),
        ({"context_fn": "keep_products", "use_reentrant": True}, "needs use_reentrant=False"),
    ],
)
def test_gradient_checkpointing_refuses_unknown_options(tiny_config, options, message):
    with pytest.raises(ValueError, match=message):
        LGIFormerForPreTraining(tiny_config()).gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


@pytest.mark.parametrize("model_class", ALL_CLASSES)
def test_eager_and_sdpa_agree(model_class, variant, clips):
    model = model_class(variant).eval()
    inputs = inputs_of(model_class, variant, clips)
    model.set_attn_implementation("eager")
    expected = model(**inputs).to_tuple()
    model.set_attn_implementation("sdpa")
    for actual, wanted in zip(model(**inputs).to_tuple(), expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-5)


def test_flash_attention_is_called_with_what_it_takes(tiny_config, clips, monkeypatch):
    """flash-attn needs a GPU, so another function under its name checks queries, keys and settings."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    def attend(module, query, key, value, attention_mask, dropout, scaling, is_causal, **kwargs):
        assert attention_mask is None and not is_causal and not module.is_causal and dropout == 0.0
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scaling).transpose(1, 2), None

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS, "flash_attention_2", attend)
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    pixel_values = clips(model.config)
    expected = model(pixel_values).logits
    assert LGIFormerForVideoClassification._supports_flash_attn
    model.config._attn_implementation = "flash_attention_2"
    torch.testing.assert_close(model(pixel_values).logits, expected, rtol=1e-4, atol=1e-5)


def test_evaluation_is_deterministic_and_dropout_is_for_training(tiny_config, clips):
    config = tiny_config(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3, drop_path_rate=0.3)
    model = LGIFormerForVideoClassification(config).eval()
    pixel_values = clips(config)
    assert torch.equal(model(pixel_values).logits, model(pixel_values).logits)
    model.train()
    assert not torch.equal(model(pixel_values).logits, model(pixel_values).logits)


@pytest.mark.parametrize("name", ["hidden_dropout_prob", "attention_probs_dropout_prob", "drop_path_rate"])
def test_each_kind_of_dropout_acts(tiny_config, clips, name):
    model = LGIFormerForVideoClassification(tiny_config(**{name: 0.3})).train()
    pixel_values = clips(model.config)
    assert not torch.equal(model(pixel_values).logits, model(pixel_values).logits)


def test_drop_path_grows_from_zero_and_drops_regions_or_clips(tiny_config):
    config = tiny_config(num_hidden_layers=3, drop_path_rate=0.4)
    layers = LGIFormerModel(config).encoder.layers
    assert [layer.drop_path.p for layer in layers] == pytest.approx([0.0, 0.2, 0.4])

    layer = layers[-1].train()
    for module in layer.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.zeros_(module.weight)  # an update is then the bias that follows
    states = torch.zeros(64, config.num_regions, 3, config.hidden_size)
    is_applied = {}
    for name, bias in {
        "intra": layer.intra_region_attention.o_proj.bias,
        "inter": layer.inter_region_attention.o_proj.bias,
        "interaction": layer.interaction_attention.o_proj.bias,
        "mlp": layer.mlp.fc2.bias,
    }.items():
        torch.nn.init.ones_(bias)
        torch.manual_seed(0)
        updates = layer(states)
        torch.nn.init.zeros_(bias)
        updates = updates[:, :, 1:] if name == "interaction" else updates[:, :, :1]
        assert updates.unique().tolist() == pytest.approx([0, 1 / 0.6])
        is_applied[name] = updates.mean(dim=(2, 3)) > 0
        assert 0.4 < is_applied[name].float().mean() < 0.8
        torch.testing.assert_close(updates.amax(dim=(2, 3)), updates.amin(dim=(2, 3)))  # applied or dropped as a whole
        of_clips = (is_applied[name] == is_applied[name][:, :1]).all()
        assert of_clips == (name in ("inter", "interaction"))
    draws = [is_applied[name][:, 0].tolist() for name in is_applied]
    assert all(draws[first] != draws[second] for first in range(4) for second in range(first))  # drawn for each update
    assert torch.equal(layer.eval()(states), states)


def test_attentions_and_hidden_states(tiny_config, clips):
    config = tiny_config()
    model = LGIFormerModel(config).eval()  # sdpa: asking for attentions computes them all the same
    outputs = model(clips(config), output_attentions=True, output_hidden_states=True)

    within, between, interaction = outputs.attentions[:3]
    tokens, regions, heads = config.num_tokens, config.num_regions, config.num_attention_heads
    region_tokens = 1 + tokens // regions
    assert len(outputs.attentions) == 3 * config.num_hidden_layers
    assert within.shape == (2 * regions, heads, region_tokens, region_tokens)
    assert between.shape == (2, heads, regions, regions)
    assert interaction.shape == (2, heads, tokens, regions)
    for attention in outputs.attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))

    assert len(outputs.hidden_states) == len(outputs.representative_hidden_states) == config.num_hidden_layers + 1
    assert {states.shape for states in outputs.hidden_states} == {(2, tokens, config.hidden_size)}
    assert {states.shape for states in outputs.representative_hidden_states} == {(2, regions, config.hidden_size)}
    torch.testing.assert_close(model.layernorm(outputs.hidden_states[-1]), outputs.last_hidden_state)
    assert torch.equal(outputs.representative_hidden_states[-1], outputs.representative_hidden_state)


def test_attentions_of_variants_sum_to_one(variant, clips):
    model = LGIFormerForVideoClassification(variant).eval()
    attentions = model(clips(variant), output_attentions=True).attentions
    steps = 1 + variant.inter_region_attention + (variant.local_global_interaction is not None)
    assert len(attentions) == steps * variant.num_hidden_layers
    for attention in attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))


def test_outputs_on_request_follow_the_configuration_too(tiny_config, clips):
    config = tiny_config(output_hidden_states=True, output_attentions=True, attn_implementation="eager")
    outputs = LGIFormerForVideoClassification(config).eval()(clips(config))
    assert len(outputs.hidden_states) == 3 and len(outputs.attentions) == 6
    assert LGIFormerForVideoClassification(config).eval()(clips(config), output_attentions=False).attentions is None


def test_return_dict_false_gives_a_tuple(tiny_config, clips):
    config = tiny_config(return_dict=False)
    loss, logits = LGIFormerForPreTraining(config)(**inputs_of(LGIFormerForPreTraining, config, clips))
    assert loss.shape == () and logits.ndim == 3
    (logits,) = LGIFormerForVideoClassification(config)(clips(config))
    assert logits.shape == (2, 5)


def test_hidden_states_are_in_raster_order(tiny_config):
    """The first hidden state of a token is the sum of its tubelet's projection and its own position."""
    config = tiny_config()
    model = LGIFormerModel(config).eval()
    pixel_values = torch.zeros(1, config.num_frames, 3, config.image_size, config.image_size)
    time, row, column = 3, 1, 2
    pixel_values[:, 2 * time : 2 * time + 2, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 1.0
    difference = (
        model(pixel_values, output_hidden_states=True).hidden_states[0]
        - model(torch.zeros_like(pixel_values), output_hidden_states=True).hidden_states[0]
    )
    (touched,) = difference[0].abs().sum(-1).nonzero(as_tuple=True)
    assert touched.tolist() == [time * 16 + row * 4 + column]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("model_class", ALL_CLASSES)
def test_half_precision(model_class, tiny_config, clips, dtype):
    config = tiny_config()
    model = model_class(config).eval()
    inputs = inputs_of(model_class, config, clips)
    expected = model(**inputs).to_tuple()
    actual = copy.deepcopy(model).to(dtype)(**inputs).to_tuple()
    for half, full in zip(actual, expected, strict=True):
        assert half.isfinite().all()
        torch.testing.assert_close(half.float(), full, rtol=0.1, atol=0.05 * full.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("model_class", ALL_CLASSES)
def test_loading_in_half_precision(model_class, tiny_config, clips, dtype, tmp_path):
    """A dtype can be requested or stored, also with another clip size or a new model."""
    auto_class = AUTO_CLASSES[model_class]
    model_class(tiny_config()).save_pretrained(tmp_path / "full")
    half = auto_class.from_pretrained(tmp_path / "full", dtype=dtype)
    half.save_pretrained(tmp_path / "half")
    for model in (
        half,
        auto_class.from_pretrained(tmp_path / "half"),
        auto_class.from_pretrained(tmp_path / "half", num_frames=16),
        model_class.from_pretrained(tmp_path / "half", num_frames=16, dtype="auto"),
        auto_class.from_config(tiny_config(), dtype=dtype),
    ):
        assert model.dtype == dtype
        outputs = model(**inputs_of(model_class, model.config, clips))
        assert all(output.isfinite().all() for output in outputs.to_tuple())


def test_bf16_autocast_training_step(tiny_config, clips):
    model = LGIFormerForPreTraining(tiny_config()).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(**inputs_of(LGIFormerForPreTraining, model.config, clips)).loss
    loss.backward()
    assert loss.dtype == torch.float32 and all(weight.grad.isfinite().all() for weight in model.parameters())


def test_initialisation(tiny_config):
    config = tiny_config(hidden_size=256, initializer_range=0.02, classifier_init_scale=0.001, num_labels=7)
    classifier = LGIFormerForVideoClassification(config)
    projection = classifier.lgi_former.encoder.layers[0].intra_region_attention.q_proj
    assert projection.weight.std().item() == pytest.approx(0.02, rel=0.05) and projection.bias.abs().max() == 0
    assert classifier.classifier.weight.std().item() == pytest.approx(2e-5, rel=0.1)
    assert classifier.lgi_former.embeddings.representative_tokens.std().item() == pytest.approx(0.02, rel=0.2)

    pretraining = LGIFormerForPreTraining(config)
    fc1 = pretraining.lgi_former.encoder.layers[0].mlp.fc1.weight
    xavier_bound = (6 / sum(fc1.shape)) ** 0.5
    assert 0.98 * xavier_bound < fc1.abs().max().item() <= xavier_bound
    head = pretraining.decoder.head.weight
    assert 0.95 * (6 / sum(head.shape)) ** 0.5 < head.abs().max().item() <= (6 / sum(head.shape)) ** 0.5
    assert pretraining.decoder.mask_token.std().item() == pytest.approx(0.02, rel=0.5)


def test_a_subclass_without_the_usual_encoder_is_initialised_as_a_classifier(tiny_config):
    class Projection(LGIFormerPreTrainedModel):
        def __init__(self, config):
            super().__init__(config)
            self.projection = torch.nn.Linear(256, 256)
            self.post_init()

    model = Projection(tiny_config(initializer_range=0.02))
    assert model.projection.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.projection.bias.abs().max() == 0


def test_the_classifier_takes_the_pretrained_encoder_without_its_norm(tiny_config, tmp_path):
    pretrained = LGIFormerForPreTraining(tiny_config())
    pretrained.save_pretrained(tmp_path)
    classifier, report = LGIFormerForVideoClassification.from_pretrained(
        tmp_path, num_labels=3, output_loading_info=True
    )
    assert set(report["missing_keys"]) == {
        "classifier.bias",
        "classifier.weight",
        "lgi_former.pooler.layernorm.bias",
        "lgi_former.pooler.layernorm.weight",
    }
    unexpected = {key for key in report["unexpected_keys"] if not key.startswith("decoder.")}
    assert unexpected == {"lgi_former.layernorm.bias", "lgi_former.layernorm.weight"}
    for name, weight in classifier.lgi_former.encoder.state_dict().items():
        assert torch.equal(weight, pretrained.lgi_former.encoder.state_dict()[name])
    # What was missing is initialised, not left as memory was found.
    assert torch.equal(classifier.lgi_former.pooler.layernorm.weight, torch.ones(32))
    assert 0 < classifier.classifier.weight.abs().max() < 2


def test_bare_encoder_loads_from_both_kinds_of_checkpoint(tiny_config, clips, tmp_path):
    config = tiny_config()
    classifier = LGIFormerForVideoClassification(config).eval()
    classifier.save_pretrained(tmp_path / "classifier")
    encoder = AutoModel.from_pretrained(tmp_path / "classifier")
    pixel_values = clips(config)
    logits = classifier.classifier(encoder(pixel_values).pooler_output)
    torch.testing.assert_close(logits, classifier(pixel_values).logits)

    pretrained = LGIFormerForPreTraining(config).eval()
    pretrained.save_pretrained(tmp_path / "pretrained")
    encoder = AutoModel.from_pretrained(tmp_path / "pretrained")
    expected = pretrained.lgi_former(pixel_values).last_hidden_state
    torch.testing.assert_close(encoder(pixel_values).last_hidden_state, expected)


def test_head_is_resized_with_ignore_mismatched_sizes(tiny_config, clips, tmp_path):
    LGIFormerForVideoClassification(tiny_config(num_labels=5, classifier_init_scale=0.001)).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="mismatch"):
        LGIFormerForVideoClassification.from_pretrained(tmp_path, num_labels=11)
    model = LGIFormerForVideoClassification.from_pretrained(tmp_path, num_labels=11, ignore_mismatched_sizes=True)
    assert model(clips(model.config)).logits.shape == (2, 11)
    assert model.classifier.weight.std().item() == pytest.approx(0.2 * 0.001, rel=0.3)


@pytest.mark.parametrize("model_class", ALL_CLASSES)
@pytest.mark.parametrize("ignore_mismatched_sizes", [False, True])
def test_checkpoint_loads_for_clips_of_another_size(
    model_class, tiny_config, clips, tmp_path, ignore_mismatched_sizes
):
    small = model_class(tiny_config())
    small.save_pretrained(tmp_path)
    large = AUTO_CLASSES[model_class].from_pretrained(
        tmp_path, num_frames=16, image_size=32, ignore_mismatched_sizes=ignore_mismatched_sizes
    )
    assert large.config.region_grid == (4, 4, 2) and large.config.image_size == 32
    embeddings = (large if model_class is LGIFormerModel else large.lgi_former).embeddings
    tokens = embeddings.representative_tokens
    small_tokens = (small if model_class is LGIFormerModel else small.lgi_former).embeddings.representative_tokens
    assert tokens.shape == (32, 32) and tokens.requires_grad
    assert torch.equal(tokens[0], small_tokens[0]) and torch.equal(tokens[-1], small_tokens[-1])  # the corners
    torch.testing.assert_close(
        embeddings.position_embeddings, model_class(large.config).base_model.embeddings.position_embeddings
    )

    inputs = inputs_of(model_class, large.config, clips)
    outputs = large(**inputs)
    large.save_pretrained(tmp_path / "large")
    again = model_class.from_pretrained(tmp_path / "large")
    assert torch.equal(again(**inputs)[0], outputs[0])


def test_weights_without_their_configuration_load_with_a_given_one(tiny_config, tmp_path):
    model = LGIFormerModel(tiny_config())
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    loaded = LGIFormerModel.from_pretrained(tmp_path, config=tiny_config())
    assert torch.equal(loaded.embeddings.representative_tokens, model.embeddings.representative_tokens)


def test_long_and_large_clips_work_from_the_configuration_alone(tiny_config, clips):
    config = tiny_config(num_frames=64, image_size=224, patch_size=16, region_size=(2, 7, 7))
    assert LGIFormerForVideoClassification(config)(clips(config, 1)).logits.shape == (1, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :4], r"pixel_values has shape \(2, 4, 3, 16, 16\).*\(batch, 8, 3, 16, 16\)"),
        (lambda x: x.transpose(1, 2), "pixel_values has shape"),
        (lambda x: x[0], "pixel_values has shape"),
        (lambda x: x.to(torch.uint8), "needs normalised floats"),
    ],
)
def test_clips_of_a_wrong_shape_are_refused(tiny_config, clips, change, message):
    model = LGIFormerForVideoClassification(tiny_config())
    with pytest.raises(ValueError, match=message):
        model(change(clips(model.config)))


def test_masks_that_do_not_fit_are_refused(tiny_config, clips):
    model = LGIFormerForPreTraining(tiny_config())
    pixel_values = clips(model.config)
    mask = RegionTubeMasking(model.config)(2)
    unequal = mask.clone()
    unequal[1, unequal[1].nonzero()[0]] = False
    for bool_masked_pos, message in [
        (unequal, "leaves 5 tokens of region 0 of clip 1 visible, but 4 of region 0"),
        (mask[:, :10], r"shape \(2, 10\)"),
        (mask.float(), "torch.float32"),
        (torch.zeros_like(mask), "masks no token"),
        (torch.ones_like(mask), "masks every token"),
    ]:
        with pytest.raises(ValueError, match=message):
            model(pixel_values, bool_masked_pos)


def test_a_mask_of_another_ratio_is_taken(tiny_config, clips):
    model = LGIFormerForPreTraining(tiny_config())
    half = copy.deepcopy(model.config)
    half.mask_ratio = 0.5
    assert model(clips(half), RegionTubeMasking(half)(2)).logits.shape == (2, 32, 96)


def test_masked_tokens_do_not_reach_the_prediction(tiny_config, clips):
    config = tiny_config()
    model = LGIFormerForPreTraining(config).eval()
    pixel_values, mask = clips(config, 1), RegionTubeMasking(config)(1)
    noise = torch.randn_like(pixel_values)
    token = mask[0].nonzero()[0].item()
    time, row, column = token // 16, token // 4 % 4, token % 4
    changed = pixel_values.clone()
    tubelet = (
        0,
        slice(2 * time, 2 * time + 2),
        slice(None),
        slice(4 * row, 4 * row + 4),
        slice(4 * column, 4 * column + 4),
    )
    changed[tubelet] = noise[tubelet]
    before, after = model(pixel_values, mask), model(changed, mask)
    assert torch.equal(before.logits, after.logits) and before.loss != after.loss


def test_decoder_position_order_matters(tiny_config, clips):
    config = tiny_config()
    raster = LGIFormerForPreTraining(config).eval()
    region = LGIFormerForPreTraining(tiny_config(decoder_position_order="region")).eval()
    region.load_state_dict(raster.state_dict())
    inputs = inputs_of(LGIFormerForPreTraining, config, clips)
    assert not torch.allclose(raster(**inputs).logits, region(**inputs).logits)


def test_frame_level_logits_are_in_time_order(tiny_config, clips):
    """Local tokens of each time are averaged, then upsampled linearly: frames 0 and 1 are nearest to tubelet 0."""
    config = tiny_config(frame_level=True)
    model = LGIFormerForVideoClassification(config).eval()
    pixel_values = clips(config)
    encoded = model.lgi_former(pixel_values, output_hidden_states=True)
    means = encoded.hidden_states[-1].view(2, 4, 16, 32).mean(dim=2)
    expected = []
    for frame in range(config.num_frames):
        position = min(max((frame + 0.5) / 2 - 0.5, 0), 3)
        left, weight = int(position), position % 1
        expected.append(means[:, left] * (1 - weight) + means[:, min(left + 1, 3)] * weight)
    features = model.lgi_former.pooler.layernorm(torch.stack(expected, dim=1))
    torch.testing.assert_close(model(pixel_values).logits, model.classifier(features))
    assert model(pixel_values).logits.shape == (2, 8, 5)


def test_frame_level_pooling_refuses_a_mask(tiny_config, clips):
    config = tiny_config(frame_level=True)
    with pytest.raises(ValueError, match="needs all 64 local tokens"):
        LGIFormerModel(config)(clips(config), RegionTubeMasking(config)(2))


@pytest.mark.parametrize(("name", "low", "high"), [("sigmoid", 0, 1), ("relu", 0, torch.inf), ("tanh", -1, 1)])
def test_head_activations(tiny_config, clips, name, low, high):
    model = LGIFormerForVideoClassification(tiny_config(head_activation=name)).eval()
    plain = LGIFormerForVideoClassification(tiny_config()).eval()
    plain.load_state_dict(model.state_dict())
    pixel_values = clips(model.config)
    logits = model(pixel_values).logits
    assert logits.min() >= low and logits.max() <= high
    torch.testing.assert_close(logits, getattr(torch, name)(plain(pixel_values).logits))


@pytest.mark.parametrize("num_channels", [1, 4])
def test_other_channels_than_three(tiny_config, clips, num_channels):
    config = tiny_config(num_channels=num_channels)
    assert LGIFormerForPreTraining(config)(**inputs_of(LGIFormerForPreTraining, config, clips)).loss.isfinite()
    with pytest.raises(ValueError, match="norm_pix_loss=False"):
        LGIFormerForPreTraining(tiny_config(num_channels=num_channels, norm_pix_loss=False))


def test_regions_given_as_a_list(tiny_config, clips, tmp_path):
    LGIFormerModel(tiny_config()).save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path, region_size=[1, 2, 4])
    assert model.config.region_size == (1, 2, 4)
    assert model(clips(model.config)).representative_hidden_state.shape == (2, 8, 32)


def test_a_head_can_start_from_zero(tiny_config):
    assert LGIFormerForVideoClassification(tiny_config(classifier_init_scale=0)).classifier.weight.abs().max() == 0


def test_a_configuration_made_impossible_afterwards_is_refused(tiny_config):
    config = tiny_config()
    config.num_frames = 12
    config.region_size = (4, 2, 4)
    with pytest.raises(ValueError, match="does not divide the token grid"):
        LGIFormerModel(config)
