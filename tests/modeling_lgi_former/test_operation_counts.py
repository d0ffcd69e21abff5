"""Number of operations of a layer. On a GPU, each operation needs a launch."""

import contextlib
from collections import Counter

import einops
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking
from lgi_former.modeling_lgi_former import attention, encoder, pooling, reconstruction, regions


# These allocate memory or return a view. They start no kernel.
NO_KERNEL = {"detach", "empty", "empty_like", "empty_strided", "lift_fresh", "new_empty", "new_empty_strided"}
NO_KERNEL |= {"_reshape_alias", "_unsafe_view"}
# With these widths the interaction folds its projections, as in the base model.
FIELDS = {"hidden_size": 64, "decoder_hidden_size": 48}
# What was counted when this test was written. Casts are a part of all operations.
FORWARD = {
    ("inference", "autocast"): {"casts": 41, "all": 91},
    ("inference", "bf16 weights"): {"casts": 0, "all": 50},
    ("fine-tuning", "autocast"): {"casts": 41, "all": 95},
    ("pre-training", "autocast"): {"casts": 41, "all": 91},
    ("decoder", "autocast"): {"casts": 17, "all": 38},
}
FORWARD_AND_BACKWARD = {"fine-tuning": 171, "pre-training": 160, "decoder": 59}


class OperationCounter(TorchDispatchMode):
    """Counts operations that would start a kernel, by name."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        namespace, name = operation._schema.name.split("::")
        if namespace == "aten" and not operation.is_view and name not in NO_KERNEL:
            self.counts[name] += 1
        return operation(*args, **(kwargs or {}))


@contextlib.contextmanager
def cuda_autocast():
    """Like `torch.autocast("cuda", torch.bfloat16)`, which has no effect without a GPU."""
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    torch.set_autocast_enabled("cuda", True)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", False)


@pytest.fixture
def one_layer(tiny_config, clips):
    """Function `(stage, run, dtype, **fields)`: the counts of `run(model, inputs)` that one more layer adds.

    The layer is one of the encoder, or with the stage "decoder" one of the decoder of pre-training.
    """

    def count(stage, run, dtype, **fields):
        config = tiny_config(**FIELDS, **fields)
        inputs = {"pixel_values": clips(config)}
        model_class = LGIFormerForVideoClassification
        if stage in ("pre-training", "decoder"):
            model_class = LGIFormerForPreTraining
            inputs["bool_masked_pos"] = RegionTubeMasking(config)(2)
        elif stage == "fine-tuning":
            inputs["labels"] = torch.tensor([0, 1])
        model = model_class._from_config(config, dtype=dtype).train(stage != "inference")
        with OperationCounter() as counter, torch.set_grad_enabled(stage != "inference"):
            run(model, inputs)
        return counter.counts

    def difference(stage, run, dtype=torch.float32, **fields):
        name = "decoder_num_hidden_layers" if stage == "decoder" else "num_hidden_layers"
        fields = {"mask_ratio": 0.5, "drop_path_rate": 0.1 if stage == "fine-tuning" else 0.0, **fields}
        counts = count(stage, run, dtype, **fields, **{name: 3})
        counts.subtract(count(stage, run, dtype, **fields, **{name: 2}))
        return counts

    return difference


@pytest.mark.parametrize(("stage", "precision"), FORWARD)
def test_forward_on_a_gpu(stage, precision, one_layer, fake_gpu):
    def run(model, inputs):
        with cuda_autocast() if precision == "autocast" else contextlib.nullcontext():
            model(**inputs)

    dtype = torch.float32 if precision == "autocast" else torch.bfloat16
    # A fake GPU has no fused attention: what sdpa takes instead depends on the version of torch.
    counts = one_layer(stage, run, dtype, attn_implementation="eager")
    most = FORWARD[stage, precision]
    assert counts["_to_copy"] <= most["casts"] and counts.total() <= most["all"], counts


@pytest.mark.parametrize("stage", FORWARD_AND_BACKWARD)
def test_forward_and_backward(stage, one_layer, monkeypatch):
    """Counts on the CPU. Its autocast casts less often than that of a GPU, but other operations are the same."""
    # Training on a GPU does not leave out regions that stochastic depth drops.
    monkeypatch.setattr(encoder, "must_not_read", lambda *args: True)

    def run(model, inputs):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()

    counts = one_layer(stage, run)
    assert counts.total() <= FORWARD_AND_BACKWARD[stage], counts


def test_autocast_leaves_float64_as_it_is(tiny_config, clips, fake_gpu):
    model = LGIFormerForVideoClassification._from_config(tiny_config(), dtype=torch.float64).eval()
    with torch.no_grad(), cuda_autocast():
        assert model(clips(model.config)).logits.dtype == torch.float64


def test_einops_sees_no_weights(tiny_config, clips, monkeypatch):
    """The second call does not compile the model again.

    einops adds each new type of tensor to a registry that torch.compile watches. So weights must not use einops.
    """
    types = set()

    def recorded(tensor, *args, **kwargs):
        types.add(type(tensor))
        return einops.rearrange(tensor, *args, **kwargs)

    for module in (attention, encoder, pooling, reconstruction, regions):
        monkeypatch.setattr(module, "rearrange", recorded)
    classifier = LGIFormerForVideoClassification(tiny_config(**FIELDS))
    classifier(clips(classifier.config))
    autoencoder = LGIFormerForPreTraining(tiny_config(mask_ratio=0.5, **FIELDS))
    autoencoder(clips(autoencoder.config), RegionTubeMasking(autoencoder.config)(2))
    assert types == {torch.Tensor}
