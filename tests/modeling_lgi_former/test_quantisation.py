"""Quantised loading by bitsandbytes and torchao: the head stays as it is, and a saved model loads again."""

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

    quantised = AutoModelForPreTraining.from_pretrained(tmp_path / "autoencoder", **options)
    with torch.no_grad():
        losses = [model(clips, mask).loss for model in (autoencoder, quantised)]
    torch.testing.assert_close(*losses, rtol=0.02, atol=0)
