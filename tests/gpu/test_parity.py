"""Outputs on the GPU equal those of the published code and of the processor, for all precisions and kernels."""

import copy

import pytest
import torch
from transformers.utils import is_flash_attn_2_available


GOLDEN = ("classification_default", "classification_all_pooling", "classification_cross_intra_region")
GOLDEN += ("classification_self_interaction", "classification_shared_all", "classification_sigmoid_head")
GOLDEN_PRETRAINING = ("pretraining_default", "pretraining_motion_weighted", "pretraining_raw_pixels")


def assert_near(actual, expected, tolerance):
    """Equal relative to the largest expected value."""
    expected = expected.to(actual)
    scale = expected.abs().max().clamp(min=1e-6)
    assert ((actual - expected).abs().max() / scale).item() <= tolerance


def golden_on(golden, name, device):
    """A golden file and its model in float32 on the device."""
    case = golden.Golden(name, torch.float32)
    case.model.to(device)
    case.pixel_values = case.pixel_values.to(device)
    return case


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_classification_in_float32(name, golden, device):
    case = golden_on(golden, name, device)
    outputs = case.model(case.pixel_values, labels=case.tensors["labels"].to(device))
    assert_near(outputs.logits, case.tensors["logits"], 2e-4)
    outputs.loss.backward()
    for actual, expected in case.gradients():
        assert_near(actual, expected, 1e-3)


@pytest.mark.parametrize("name", GOLDEN_PRETRAINING)
def test_golden_pretraining_in_float32(name, golden, device):
    case = golden_on(golden, name, device)
    outputs = case.model(case.pixel_values, case.tensors["bool_masked_pos"].to(device))
    assert_near(outputs.logits, case.tensors["logits"], 2e-4)
    assert_near(outputs.loss[None], case.tensors["loss"], 2e-4)
    outputs.loss.backward()
    for actual, expected in case.gradients():
        assert_near(actual, expected, 1e-3)


@pytest.mark.parametrize("name", [*GOLDEN, *GOLDEN_PRETRAINING])
def test_golden_in_bf16(name, golden, device):
    case = golden_on(golden, name, device)
    masks = {"bool_masked_pos": case.tensors["bool_masked_pos"].to(device)} if name.startswith("pre") else {}
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        logits = case.model(case.pixel_values, **masks).logits
    assert_near(logits.float(), case.tensors["logits"], 0.08)
    assert not torch.equal(logits.float().cpu(), case.tensors["logits"].float())


@pytest.fixture
def classifier(base_config, device):
    """Function that makes a classifier in eval mode on the device, always with the same weights."""
    from lgi_former import LGIFormerForVideoClassification

    def make(**fields):
        torch.manual_seed(0)
        return LGIFormerForVideoClassification(base_config(**fields)).to(device).eval()

    return make


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_attention_implementations_agree(dtype, classifier, clips):
    model = classifier(attn_implementation="eager").to(dtype)
    pixel_values = clips(model.config).to(dtype)
    with torch.no_grad():
        expected = model(pixel_values).logits.float()
        model.set_attn_implementation("sdpa")
        actual = model(pixel_values).logits.float()
    assert_near(actual, expected, 1e-4 if dtype == torch.float32 else 0.05)


@pytest.mark.skipif(not is_flash_attn_2_available(), reason="flash-attn is not installed")
def test_flash_attention_2_agrees(classifier, clips):
    model = classifier(attn_implementation="eager").to(torch.bfloat16)
    pixel_values = clips(model.config).to(torch.bfloat16)
    with torch.no_grad():
        expected = model(pixel_values).logits.float()
        model.set_attn_implementation("flash_attention_2")
        assert_near(model(pixel_values).logits.float(), expected, 0.05)


def test_device_and_processor_agree(classifier, clips):
    model = classifier()
    pixel_values = clips(model.config)
    with torch.no_grad():
        actual = model(pixel_values).logits
        expected = model.cpu()(pixel_values.cpu()).logits
    assert_near(actual, expected, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [None, "reduce-overhead"], ids=["default", "reduce-overhead"])
def test_compiled_inference_agrees(mode, classifier, clips, compiled, device):
    if mode is not None and device.type != "cuda":
        pytest.skip("modes of compilation differ on a GPU only")
    model = classifier()
    whole = compiled(model, mode)
    with torch.no_grad():
        for _ in range(3):  # the second call records CUDA graphs, later calls replay them
            pixel_values = clips(model.config)
            assert_near(whole(pixel_values).logits.clone(), model(pixel_values).logits, 2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["fine-tuning", "pre-training"])
def test_compiled_training_agrees(stage, training_inputs, compiled):
    model, inputs = training_inputs(stage)
    other = copy.deepcopy(model)
    expected = model(**inputs).loss
    expected.backward()
    actual = compiled(other)(**inputs).loss
    actual.backward()
    assert_near(actual, expected, 2e-4)
    for weight, same in zip(other.parameters(), model.parameters(), strict=True):
        assert_near(weight.grad, same.grad, 2e-3)


@pytest.fixture
def training_inputs(base_config, clips, device):
    """Function that makes a model in training mode, without random operations, and its batch."""
    from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking

    def make(stage):
        config = base_config()
        inputs = {"pixel_values": clips(config)}
        if stage == "pre-training":
            inputs["bool_masked_pos"] = RegionTubeMasking(config)(2, device=device)
            return LGIFormerForPreTraining(config).to(device).train(), inputs
        inputs["labels"] = torch.tensor([0, 1], device=device)
        return LGIFormerForVideoClassification(config).to(device).train(), inputs

    return make


def test_gelu_overwrites_its_input_only_in_inference(classifier, clips):
    model = classifier()
    pixel_values = clips(model.config)
    mlp = model.lgi_former.encoder.layers[0].mlp
    with torch.no_grad():
        assert mlp.may_overwrite()
        overwritten = model(pixel_values).logits
    assert not mlp.may_overwrite()
    assert_near(overwritten, model(pixel_values).logits, 1e-5)
    with torch.no_grad():
        assert_near(model(pixel_values).logits, overwritten, 1e-6)


@pytest.mark.parametrize("symmetry", [None, "global", "local"])
def test_masks_are_created_on_the_device(symmetry, base_config, device, never_waiting):
    from lgi_former import RegionTubeMasking

    config = base_config() if symmetry is None else base_config(mask_ratio=0.75)
    masking = RegionTubeMasking(config, symmetry)
    generator = torch.Generator(device).manual_seed(0)
    masking(2, generator=generator)
    with never_waiting():
        masks = masking(4, generator=generator)
    assert masks.device.type == device.type
    counts = masks.sum(dim=1).tolist()
    assert len(set(counts)) == 1 and 0 < counts[0] < config.num_tokens
    assert not torch.equal(masks[0], masks[1])
