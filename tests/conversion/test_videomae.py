"""Conversion of the authors' VideoMAE baseline: Transformers' model gives the published results."""

import argparse

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForPreTraining, AutoModelForVideoClassification, AutoVideoProcessor
from transformers.models.videomae.modeling_videomae import get_sinusoid_encoding_table

from lgi_former import convert_mae_dfer_checkpoint
from lgi_former.commands.cli import main


WIDTH, DECODER_WIDTH, LAYERS, PATCH = 128, 64, 2, 3 * 2 * 16 * 16


def layer_weights(prefix, width):
    shapes = {
        "norm1.weight": (width,),
        "norm1.bias": (width,),
        "attn.q_bias": (width,),
        "attn.v_bias": (width,),
        "attn.qkv.weight": (3 * width, width),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "norm2.weight": (width,),
        "norm2.bias": (width,),
        "mlp.fc1.weight": (4 * width, width),
        "mlp.fc1.bias": (4 * width,),
        "mlp.fc2.weight": (width, 4 * width),
        "mlp.fc2.bias": (width,),
    }
    return {f"{prefix}.{name}": torch.randn(shape) / 8 for name, shape in shapes.items()}


def encoder_weights(prefix):
    weights = {
        f"{prefix}patch_embed.proj.weight": torch.randn(WIDTH, 3, 2, 16, 16) / 16,
        f"{prefix}patch_embed.proj.bias": torch.randn(WIDTH),
    }
    for index in range(LAYERS):
        weights |= layer_weights(f"{prefix}blocks.{index}", WIDTH)
    return weights


@pytest.fixture
def pretrained():
    """Weights under the names of the published pre-training code."""
    torch.manual_seed(0)
    return {
        "mask_token": torch.randn(1, 1, DECODER_WIDTH),
        "encoder_to_decoder.weight": torch.randn(DECODER_WIDTH, WIDTH) / 8,
        **encoder_weights("encoder."),
        "encoder.norm.weight": torch.randn(WIDTH),
        "encoder.norm.bias": torch.randn(WIDTH),
        **layer_weights("decoder.blocks.0", DECODER_WIDTH),
        "decoder.norm.weight": torch.randn(DECODER_WIDTH),
        "decoder.norm.bias": torch.randn(DECODER_WIDTH),
        "decoder.head.weight": torch.randn(PATCH, DECODER_WIDTH) / 8,
        "decoder.head.bias": torch.randn(PATCH),
    }


@pytest.fixture
def finetuned():
    """Weights under the names of the published fine-tuning code."""
    torch.manual_seed(1)
    return {
        **encoder_weights(""),
        "fc_norm.weight": torch.randn(WIDTH),
        "fc_norm.bias": torch.randn(WIDTH),
        "head.weight": torch.randn(7, WIDTH) / 8,
        "head.bias": torch.randn(7),
    }


def norm(tokens, weights, name):
    return layer_norm(tokens, tokens.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def block(tokens, weights, prefix):
    """`Block` of the published `modeling_finetune.py`, with heads of width 64."""
    weights = {name.removeprefix(f"{prefix}."): weight for name, weight in weights.items()}
    width = tokens.shape[-1]
    bias = torch.cat([weights["attn.q_bias"], torch.zeros(width), weights["attn.v_bias"]])
    parts = linear(norm(tokens, weights, "norm1"), weights["attn.qkv.weight"], bias).chunk(3, dim=-1)
    queries, keys, values = (part.unflatten(-1, (-1, 64)).transpose(1, 2) for part in parts)
    context = scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)
    tokens = tokens + linear(context, weights["attn.proj.weight"], weights["attn.proj.bias"])
    hidden = gelu(linear(norm(tokens, weights, "norm2"), weights["mlp.fc1.weight"], weights["mlp.fc1.bias"]))
    return tokens + linear(hidden, weights["mlp.fc2.weight"], weights["mlp.fc2.bias"])


def embed(pixel_values, weights, prefix):
    weight, bias = (weights[f"{prefix}patch_embed.proj.{part}"] for part in ("weight", "bias"))
    tokens = torch.nn.functional.conv3d(pixel_values.transpose(1, 2), weight, bias, stride=(2, 16, 16))
    tokens = tokens.flatten(2).transpose(1, 2)
    return tokens + get_sinusoid_encoding_table(tokens.shape[1], WIDTH)


def published_logits(weights, pixel_values):
    tokens = embed(pixel_values, weights, "")
    for index in range(LAYERS):
        tokens = block(tokens, weights, f"blocks.{index}")
    return linear(norm(tokens.mean(1), weights, "fc_norm"), weights["head.weight"], weights["head.bias"])


def published_reconstruction(weights, pixel_values, mask):
    tokens = embed(pixel_values, weights, "encoder.")[~mask].unflatten(0, (len(mask), -1))
    for index in range(LAYERS):
        tokens = block(tokens, weights, f"encoder.blocks.{index}")
    tokens = linear(norm(tokens, weights, "encoder.norm"), weights["encoder_to_decoder.weight"])
    positions = get_sinusoid_encoding_table(mask.shape[1], DECODER_WIDTH).expand(len(mask), -1, -1)
    visible, masked = (positions[chosen].unflatten(0, (len(mask), -1)) for chosen in (~mask, mask))
    tokens = block(torch.cat([tokens + visible, weights["mask_token"] + masked], 1), weights, "decoder.blocks.0")
    tokens = norm(tokens[:, -masked.shape[1] :], weights, "decoder.norm")
    return linear(tokens, weights["decoder.head.weight"], weights["decoder.head.bias"])


def save(path, weights, **arguments):
    arguments = {"input_size": 32, "num_frames": 4, **arguments}
    torch.save({"model": weights, "args": argparse.Namespace(**arguments)}, path)
    return path


def test_a_pretrained_videomae_reconstructs_as_published(pretrained, tmp_path):
    output = convert_mae_dfer_checkpoint(save(tmp_path / "model.pth", pretrained), tmp_path / "out")
    model = AutoModelForPreTraining.from_pretrained(output).eval()
    pixel_values = torch.randn(2, 4, 3, 32, 32)
    mask = torch.tensor([[True, False, True, True, False, True, True, True]] * 2)
    expected = published_reconstruction(pretrained, pixel_values, mask)
    torch.testing.assert_close(model(pixel_values, mask).logits, expected, rtol=1e-3, atol=1e-4)
    assert AutoVideoProcessor.from_pretrained(output).num_frames == 4


def test_a_fine_tuned_videomae_classifies_as_published(finetuned, tmp_path):
    checkpoint = save(tmp_path / "model.pth", finetuned, data_set="DFEW")
    model = AutoModelForVideoClassification.from_pretrained(convert_mae_dfer_checkpoint(checkpoint, tmp_path / "out"))
    pixel_values = torch.randn(2, 4, 3, 32, 32)
    expected = published_logits(finetuned, pixel_values)
    torch.testing.assert_close(model.eval()(pixel_values).logits, expected, rtol=1e-4, atol=1e-4)
    assert model.config.id2label[0] == "happy"


def test_the_published_clip_is_the_default(pretrained, tmp_path):
    torch.save({"model": pretrained}, tmp_path / "model.pth")
    config = AutoConfig.from_pretrained(convert_mae_dfer_checkpoint(tmp_path / "model.pth", tmp_path / "out"))
    assert (config.image_size, config.num_frames, config.num_attention_heads) == (160, 16, 2)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("encoder.blocks.1.attn.q_bias", "missing"),
        ("decoder.blocks.0.attn.qkv.weight", "without decoder and without classifier"),
    ],
)
def test_an_incomplete_videomae_is_refused(lost, message, pretrained, tmp_path):
    del pretrained[lost]
    with pytest.raises(ValueError, match=message):
        convert_mae_dfer_checkpoint(save(tmp_path / "model.pth", pretrained), tmp_path / "out")


def test_fields_of_lgi_former_are_refused(pretrained, tmp_path):
    with pytest.raises(ValueError, match="VideoMAEConfig has no field region_size"):
        convert_mae_dfer_checkpoint(save(tmp_path / "a.pth", pretrained), tmp_path / "out", region_size=(1, 1, 2))


def test_the_command_names_the_file_of_the_authors(pretrained, tmp_path, capsys):
    checkpoint = save(tmp_path / "model.pth", pretrained, data_path="./saved/data/voxceleb2/info_clean.csv")
    assert main(["convert", str(checkpoint), str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    assert "VideoMAEForPreTraining" in output and "the authors' videomae-voxceleb2" in output
