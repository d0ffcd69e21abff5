"""Names of the weights in published VideoMAE checkpoints, and of the same weights in Transformers' VideoMAE."""

from transformers import VideoMAEConfig

from .published_names import module_names


def videomae_names(config: VideoMAEConfig, kind: str) -> dict[str, list[str]]:
    """Map the name of each published weight to the names of its parts in Transformers, stacked along dimension 0.

    Args:
        kind: `"pretraining"` or `"classification"`.
    """
    published = "encoder." if kind == "pretraining" else ""
    names = {
        **module_names(f"{published}patch_embed.proj", "videomae.embeddings.patch_embeddings.projection"),
        **_layers(f"{published}blocks", "videomae.encoder.layer", config.num_hidden_layers),
    }
    if kind == "classification":
        return names | module_names("fc_norm", "fc_norm") | module_names("head", "classifier")
    return {
        **names,
        **module_names("encoder.norm", "videomae.layernorm"),
        **_layers("decoder.blocks", "decoder.decoder_layers", config.decoder_num_hidden_layers),
        **module_names("decoder.norm", "decoder.norm"),
        **module_names("decoder.head", "decoder.head"),
        "encoder_to_decoder.weight": ["encoder_to_decoder.weight"],
        "mask_token": ["mask_token"],
    }


def _layers(published: str, ours: str, count: int) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for index in range(count):
        names |= _layer(f"{published}.{index}", f"{ours}.{index}")
    return names


def _layer(published: str, ours: str) -> dict[str, list[str]]:
    attention = f"{ours}.attention.attention"
    return {
        f"{published}.attn.qkv.weight": [f"{attention}.{part}.weight" for part in ("query", "key", "value")],
        f"{published}.attn.q_bias": [f"{attention}.query.bias"],
        f"{published}.attn.v_bias": [f"{attention}.value.bias"],
        **module_names(f"{published}.attn.proj", f"{ours}.attention.output.dense"),
        **module_names(f"{published}.norm1", f"{ours}.layernorm_before"),
        **module_names(f"{published}.norm2", f"{ours}.layernorm_after"),
        **module_names(f"{published}.mlp.fc1", f"{ours}.intermediate.dense"),
        **module_names(f"{published}.mlp.fc2", f"{ours}.output.dense"),
    }
