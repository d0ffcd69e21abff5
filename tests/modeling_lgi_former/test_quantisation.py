"""Quantised loading by bitsandbytes and torchao: the head stays as it is, and a saved model loads again."""

import types

import pytest
import torch
from transformers import AutoModelForPreTraining, AutoModelForVideoClassification, BitsAndBytesConfig, TorchAoConfig

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking


KINDS = ["bitsandbytes 8 bit", "bitsandbytes 4 bit", "torchao int8"]


def quantisation(kind):
    if kind == "torchao int8":
        torchao = pytest.importorskip("torchao.quantization")
        return TorchAoConfig(torchao.Int8WeightOnlyConfig())
    pytest.importorskip("bitsandbytes")
    return BitsAndBytesConfig(load_in_8bit=True) if "8" in kind else BitsAndBytesConfig(load_in_4bit=True)


def is_packed(weight):
    return getattr(getattr(weight, "quant_state", None), "packing_format_for_cpu", False)


@pytest.fixture
def config():
    """Widths are multiples of 32, which 4-bit weights need on CPUs."""
    encoder = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    decoder = {"decoder_hidden_size": 64, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2}
    size = {"image_size": 32, "patch_size": 8, "num_frames": 4, "region_size": (1, 2, 2)}
    return LGIFormerConfig(**encoder, **decoder, **size, decoder_intermediate_size=64, classifier_init_scale=50.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_quantised_model_keeps_its_head_and_loads_again(kind, config, tmp_path):
    options = {"quantization_config": quantisation(kind)}
    clips, mask = torch.randn(2, 4, 3, 32, 32), RegionTubeMasking(config)(2)
    torch.manual_seed(0)
    classifier, autoencoder = LGIFormerForVideoClassification(config).eval(), LGIFormerForPreTraining(config).eval()
    classifier.save_pretrained(tmp_path / "classifier")
    autoencoder.save_pretrained(tmp_path / "autoencoder")

    quantised = AutoModelForVideoClassification.from_pretrained(tmp_path / "classifier", **options)
    head, inner = quantised.classifier, quantised.lgi_former.encoder.layers[0].mlp.fc1
    assert type(head) is torch.nn.Linear and type(head.weight.data) is torch.Tensor
    torch.testing.assert_close(head.weight, classifier.classifier.weight)
    assert type(inner) is not torch.nn.Linear or type(inner.weight.data) is not torch.Tensor
    quantised.save_pretrained(tmp_path / "saved")
    with torch.no_grad():
        expected, logits = classifier(clips).logits, quantised(clips).logits
        again = AutoModelForVideoClassification.from_pretrained(tmp_path / "saved")(clips).logits
    assert logits.isfinite().all() and (logits - expected).norm() < 0.25 * expected.norm()
    torch.testing.assert_close(again, logits)
    if any(is_packed(weight) for weight in quantised.parameters()):  # 4 bits, on a CPU with bfloat16 instructions
        with pytest.raises(ValueError, match="cannot be saved any more"):
            quantised.save_pretrained(tmp_path / "late")

    quantised = AutoModelForPreTraining.from_pretrained(tmp_path / "autoencoder", **options)
    with torch.no_grad():
        losses = [model(clips, mask).loss for model in (autoencoder, quantised)]
    torch.testing.assert_close(*losses, rtol=0.02, atol=0)


def test_weights_in_the_layout_of_a_cpu_are_not_saved(config, tmp_path):
    """bitsandbytes would write other weights. It marks the layout so."""
    model = LGIFormerForVideoClassification(config)
    weight = model.lgi_former.encoder.layers[1].mlp.fc1.weight
    weight.quant_state = types.SimpleNamespace(packing_format_for_cpu=False)
    model.save_pretrained(tmp_path / "before")
    weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(ValueError, match=r"The 4-bit weight lgi_former\.encoder\.layers\.1\.mlp\.fc1\.weight cannot"):
        model.save_pretrained(tmp_path / "after")
    assert not (tmp_path / "after").exists()
