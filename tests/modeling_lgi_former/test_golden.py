"""Parity with the published implementation, whose results were computed in float64."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.conversion.published_names import classifier_names, from_published, pretraining_names
from lgi_former.modeling_lgi_former.attention import LGIFormerAttention
from lgi_former.modeling_lgi_former.reconstruction import reconstruction_targets


GOLDEN = Path(__file__).parents[1] / "golden"
CLASSIFICATION = sorted(path.stem for path in GOLDEN.glob("classification_*.safetensors"))
PRETRAINING = sorted(path.stem for path in GOLDEN.glob("pretraining_*.safetensors"))


class Golden:
    """A golden file and the model it describes."""

    def __init__(self, name, dtype):
        with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            self.config = LGIFormerConfig(**json.loads(file.metadata()["config"]))
        is_classification = name.startswith("classification")
        model_class = LGIFormerForVideoClassification if is_classification else LGIFormerForPreTraining
        self.names = (classifier_names if is_classification else pretraining_names)(self.config)
        self.model = model_class(self.config)
        shapes = {name: weight.shape for name, weight in self.model.state_dict().items()}
        self.model.load_state_dict(from_published(self.part("model."), self.names, shapes))
        self.model.to(dtype).eval()
        self.pixel_values = self.tensors["pixel_values"].to(dtype)

    def part(self, prefix):
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    def gradients(self):
        """(gradient of our weights, golden gradient)."""
        for published, golden in self.part("grad.").items():
            ours = torch.cat([self.model.get_parameter(name).grad for name in self.names[published]])
            yield ours.view(golden.shape), golden


def test_golden_files_are_all_there():
    assert len(CLASSIFICATION) == 10 and len(PRETRAINING) == 5


def assert_equal(actual, golden, tolerance):
    """Equal relative to the largest golden value."""
    scale = golden.abs().max().item()
    torch.testing.assert_close(actual, golden.to(actual.dtype), rtol=0, atol=tolerance * max(scale, 1e-6))


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_classification(name, dtype, tolerance):
    golden = Golden(name, dtype)
    outputs = golden.model(golden.pixel_values, labels=golden.tensors["labels"])
    assert_equal(outputs.logits, golden.tensors["logits"], tolerance)
    assert_equal(outputs.loss[None], golden.tensors["loss"], tolerance)

    features = golden.model.lgi_former(golden.pixel_values, pooled_only=True).pooler_output
    assert_equal(features, golden.tensors["features"], tolerance)

    outputs.loss.backward()
    for actual, expected in golden.gradients():
        assert_equal(actual, expected, tolerance)


@pytest.mark.parametrize("name", PRETRAINING)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_pretraining(name, dtype, tolerance):
    golden = Golden(name, dtype)
    bool_masked_pos = golden.tensors["bool_masked_pos"]
    outputs = golden.model(golden.pixel_values, bool_masked_pos)
    assert_equal(outputs.logits, golden.tensors["logits"], tolerance)
    assert_equal(outputs.loss[None], golden.tensors["loss"], tolerance)

    targets = reconstruction_targets(golden.pixel_values, golden.config)[bool_masked_pos]
    assert_equal(targets.view_as(golden.tensors["targets"]), golden.tensors["targets"], tolerance)

    outputs.loss.backward()
    for actual, expected in golden.gradients():
        assert_equal(actual, expected, tolerance)


@pytest.mark.parametrize("name", PRETRAINING)
def test_encoder_output_in_raster_order(name):
    golden = Golden(name, torch.float64)
    bool_masked_pos = golden.tensors["bool_masked_pos"]
    actual = golden.model.lgi_former(golden.pixel_values, bool_masked_pos).last_hidden_state

    # Golden tokens are listed by region. Number all tokens in raster order and see which number stands where.
    regions = golden.model.lgi_former.embeddings.regions
    raster = torch.arange(golden.config.num_tokens).expand(2, -1)
    visible = [regions.split(raster)[i][~regions.split(bool_masked_pos)[i]] for i in range(2)]
    golden_in_raster_order = golden.tensors["encoder_output"].take_along_dim(
        torch.stack(visible).argsort(dim=1)[..., None], dim=1
    )
    assert_equal(actual, golden_in_raster_order, 1e-6)


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("attn_implementation", ["eager", "sdpa"])
def test_shortcuts_are_exact(name, attn_implementation, monkeypatch):
    """Folded and pruned computations give the logits and gradients of the full one, except for rounding."""

    def logits_and_gradients(**kwargs):
        golden = Golden(name, torch.float64)
        golden.model.set_attn_implementation(attn_implementation)
        outputs = golden.model(golden.pixel_values, labels=golden.tensors["labels"], **kwargs)
        outputs.loss.backward()
        gradients = {name: weight.grad for name, weight in golden.model.named_parameters() if weight.grad is not None}
        return {"logits": outputs.logits, **gradients}

    shortest = logits_and_gradients()
    full = logits_and_gradients(output_hidden_states=True)
    monkeypatch.setattr(LGIFormerAttention, "folding_pays", lambda self, **kwargs: False)
    unfolded = logits_and_gradients()
    for key, value in shortest.items():
        torch.testing.assert_close(value, unfolded[key], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(value, full[key] if key in full else torch.zeros_like(value), rtol=1e-9, atol=1e-12)


def test_folding_is_used_by_default(monkeypatch):
    folded = []
    attend_folded = LGIFormerAttention.attend_folded
    monkeypatch.setattr(
        LGIFormerAttention, "attend_folded", lambda self, *args: folded.append(self) or attend_folded(self, *args)
    )
    golden = Golden("classification_default", torch.float32)
    golden.model(golden.pixel_values)
    # Once a layer but the last, whose interaction cannot reach the logits.
    assert len(folded) == golden.config.num_hidden_layers - 1
