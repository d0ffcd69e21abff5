"""Tests for a GPU. They are skipped without one; with LGI_FORMER_REHEARSE=1 the processor takes its place."""

import contextlib
import importlib.util
import os
from pathlib import Path

import pytest
import torch


CHECKOUT = Path(__file__).parents[2]
REHEARSES = os.environ.get("LGI_FORMER_REHEARSE") == "1"


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# On a lent GPU the checkout is not installed.
_load(CHECKOUT / "benchmarks" / "gpu_sections" / "importable.py").make_importable()


def pytest_collection_modifyitems(items):
    """The longest test starts first: with several processes, the others then run beside it."""
    items.sort(key=lambda item: item.path.name != "test_tuned_kernels.py")


@pytest.fixture(scope="session")
def device():
    """The GPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if REHEARSES:
        return torch.device("cpu")
    pytest.skip("there is no GPU; LGI_FORMER_REHEARSE=1 runs these tests on the processor")


@pytest.fixture(autouse=True)
def _exact_and_repeatable():
    """No TF32, the same random numbers, and no graphs of an earlier test."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.compiler.reset()
    torch.manual_seed(0)
    yield
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(scope="session")
def golden():
    """The module of the tests of golden files, with `Golden` and the names of the files."""
    return _load(CHECKOUT / "tests" / "modeling_lgi_former" / "test_golden.py")


@pytest.fixture
def base_config(device):
    """Makes a configuration: two layers of the base model, on a processor a small one; fields can be set."""
    from lgi_former import LGIFormerConfig

    small = {
        "image_size": 32,
        "patch_size": 8,
        "num_frames": 4,
        "region_size": (1, 2, 4),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "decoder_hidden_size": 24,
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 48,
    }
    # Weights are as large as trained ones, so that outputs and gradients are not all but zero.
    fields = {
        "num_hidden_layers": 2,
        "decoder_num_hidden_layers": 1,
        "num_labels": 7,
        "initializer_range": 0.05,
        "classifier_init_scale": 1.0,
    }
    sizes = {} if device.type == "cuda" else small
    return lambda **more: LGIFormerConfig(**{**fields, **sizes, **more})


@pytest.fixture
def clips(device):
    """Makes random clips for a configuration on the device."""
    return lambda config, batch_size=2: torch.randn(
        batch_size, config.num_frames, 3, config.image_size, config.image_size, device=device
    )


@pytest.fixture
def never_waiting(device):
    """Context in which a GPU raises an error where the host waits for it. A processor has nothing to wait for."""

    @contextlib.contextmanager
    def context():
        if device.type != "cuda":
            yield
            return
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return context


@pytest.fixture
def compiled(device):
    """`torch.compile` of a whole graph, in a mode. A processor runs the traced operations as they are."""

    def compile_whole(model, mode=None):
        if device.type != "cuda":
            return torch.compile(model, fullgraph=True, backend="aot_eager")
        return torch.compile(model, fullgraph=True, mode=mode)

    return compile_whole
