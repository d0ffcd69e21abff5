"""Weights by the names of the published MAE-DFER code, to and from those of this package."""

import torch

from ..configuration import LGIFormerConfig
from .published_file import names_in_words


_ATTENTIONS = {"first": "intra_region", "second": "inter_region", "third": "interaction"}


def classifier_names(config: LGIFormerConfig) -> dict[str, list[str]]:
    """Published names of the weights of a fine-tuned checkpoint, and our names.

    A published weight with several of our names is their concatenation along dimension 0.
    """
    return {
        **_prefixed("", "lgi_former.", _encoder_names(config)),
        **module_names("fc_norm", "lgi_former.pooler.layernorm"),
        **module_names("head", "classifier"),
    }


def pretraining_names(config: LGIFormerConfig) -> dict[str, list[str]]:
    """Names as in `classifier_names`, for a published pre-training checkpoint."""
    return {
        **_prefixed("encoder.", "lgi_former.", encoder_names(config)),
        **_prefixed("decoder.", "decoder.", _decoder_names(config)),
        "encoder_to_decoder.weight": ["decoder.embed.weight"],
        "mask_token": ["decoder.mask_token"],
    }


def encoder_names(config: LGIFormerConfig) -> dict[str, list[str]]:
    """Names as in `classifier_names`, for the encoder of published pre-training, which has a final norm."""
    return {**_encoder_names(config), **module_names("norm", "layernorm")}


def from_published(
    weights: dict[str, torch.Tensor], names: dict[str, list[str]], shapes: dict[str, torch.Size]
) -> dict[str, torch.Tensor]:
    """Convert published weights to our state dict.

    Args:
        weights: Published weights by published name: exactly those in `names`.
        names: Our names by published name, from one of the functions above.
        shapes: Shapes of our weights by our name.

    Raises:
        ValueError: If a weight is missing, unexpected, or has another size than in the model.
    """
    missing, unexpected = sorted(names.keys() - weights.keys()), sorted(weights.keys() - names.keys())
    if missing or unexpected:
        raise ValueError(
            f"The checkpoint does not have the expected {len(names)} weights of an LGI-Former: "
            f"{names_in_words(missing)} missing, {names_in_words(unexpected)} unexpected."
        )
    state_dict: dict[str, torch.Tensor] = {}
    for published, ours in names.items():
        weight = weights[published]
        if weight.numel() != sum(shapes[name].numel() for name in ours) or len(weight) % len(ours):
            raise ValueError(
                f"Weight {published!r} of the checkpoint has shape {tuple(weight.shape)}, but the configuration needs "
                f"{tuple(shapes[ours[0]])} for {ours[0]!r}. Set the fields that differ."
            )
        for name, part in zip(ours, weight.chunk(len(ours)), strict=True):
            part = part.reshape(shapes[name]).clone()
            if name in state_dict and not torch.equal(part, state_dict[name]):
                raise ValueError(
                    f"The configuration shares weight {name!r} among attentions (attention_sharing), but "
                    f"{published!r} of the checkpoint differs. Use attention_sharing='none'."
                )
            state_dict[name] = part
    return state_dict


def to_published(state_dict: dict[str, torch.Tensor], names: dict[str, list[str]], shapes: dict[str, torch.Size]):
    """Convert our state dict to published weights. `shapes` has published shapes that differ from ours, by name."""
    weights = {published: torch.cat([state_dict[name] for name in ours]) for published, ours in names.items()}
    return {name: weight.reshape(shapes.get(name, weight.shape)) for name, weight in weights.items()}


def _encoder_names(config):
    names = {
        "lg_region_tokens": ["embeddings.representative_tokens"],
        **module_names("patch_embed.proj", "embeddings.projection"),
    }
    for index in range(config.num_hidden_layers):
        names |= _prefixed(f"blocks.{index}.", f"encoder.layers.{index}.", _layer_names(config))
    return names


def _layer_names(config):
    present = {
        "first": config.intra_region_attention,
        "second": config.inter_region_attention,
        "third": config.local_global_interaction,
    }
    shared_with_first = {"none": (), "intra_and_interaction": ("third",), "all": ("second", "third")}
    names = {}
    for order, step in _ATTENTIONS.items():
        if not present[order]:
            continue
        owner = "intra_region" if order in shared_with_first[config.attention_sharing] else step
        names |= module_names(f"{order}_attn_norm0", f"{step}_norm")
        if present[order] == "cross":
            names |= module_names(f"{order}_attn_norm1", f"{step}_context_norm")
        published, ours = f"{order}_attn.", f"{owner}_attention."
        names |= {f"{published}q.weight": [f"{ours}q_proj.weight"]}
        names |= {f"{published}kv.weight": [f"{ours}k_proj.weight", f"{ours}v_proj.weight"]}
        names |= _attention_rest(config, published, ours)
    return (
        names
        | module_names("norm2", "mlp_norm")
        | module_names("mlp.fc1", "mlp.fc1")
        | module_names("mlp.fc2", "mlp.fc2")
    )


def _decoder_names(config):
    layer = {
        **module_names("norm1", "attention_norm"),
        "attn.qkv.weight": [f"attention.{part}_proj.weight" for part in "qkv"],
        **_attention_rest(config, "attn.", "attention."),
        **module_names("norm2", "mlp_norm"),
        **module_names("mlp.fc1", "mlp.fc1"),
        **module_names("mlp.fc2", "mlp.fc2"),
    }
    names = {}
    for index in range(config.decoder_num_hidden_layers):
        names |= _prefixed(f"blocks.{index}.", f"layers.{index}.", layer)
    return names | module_names("norm", "norm") | module_names("head", "head")


def _attention_rest(config, published, ours):
    """Names of biases and output projection, which are the same for encoder and decoder."""
    biases = {f"{published}{part}_bias": [f"{ours}{part}_proj.bias"] for part in "qv"} if config.qkv_bias else {}
    return biases | module_names(f"{published}proj", f"{ours}o_proj")


def module_names(published: str, ours: str) -> dict[str, list[str]]:
    """Names of weight and bias of a module, from the published to ours."""
    return {f"{published}.{part}": [f"{ours}.{part}"] for part in ("weight", "bias")}


def _prefixed(published, ours, names):
    return {published + name: [ours + part for part in parts] for name, parts in names.items()}
