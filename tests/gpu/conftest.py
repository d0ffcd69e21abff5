"""Tests for a GPU. Without one they run on the processor, with small models.

These tests also run on machines that lack packages of the other tests: they use no fixture from `tests/conftest.py`.
"""

import contextlib
import importlib.util
from pathlib import Path

import pytest
import torch


CHECKOUT = Path(__file__).parents[2]


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The checkout need not be installed.
_load(CHECKOUT / "benchmarks" / "gpu_sections" / "importable.py").make_importable()


def pytest_report_header():
    """Show where the tests run: without a GPU they test little."""
    return f"tests/gpu run on {torch.cuda.get_device_name() if torch.cuda.is_available() else 'the processor'}"


def pytest_collection_modifyitems(items):
    """The longest test starts first, so that other processes run the others at the same time."""
    items.sort(key=lambda item: item.path.name != "test_tuned_kernels.py")


@pytest.fixture(scope="session")
def device():
    """The GPU, or the processor without one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def _exact_and_repeatable():
    """No TF32, a fixed seed, and no compiled graphs of an earlier test."""
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
    """Function that makes a configuration: two layers of the base model, or of a small one on a processor."""
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
    # Weights are as large as trained ones. With the initial ones, outputs and gradients would be nearly zero.
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
    """Function that makes random clips for a configuration, on the device."""
    return lambda config, batch_size=2: torch.randn(
        batch_size, config.num_frames, 3, config.image_size, config.image_size, device=device
    )


@pytest.fixture
def never_waiting(device):
    """Context manager. Inside it, waiting for the GPU raises an error. On a processor it does nothing."""

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
    """Function that compiles a model in a mode, as one graph. A processor runs the graph without compiling it."""

    def compile_whole(model, mode=None):
        if device.type != "cuda":
            return torch.compile(model, fullgraph=True, backend="eager")
        return torch.compile(model, fullgraph=True, mode=mode)

    return compile_whole
