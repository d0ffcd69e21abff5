"""The rates of matrix products and of copies."""

from collections.abc import Iterator

import torch

from .setting import Setting
from .timing import in_turns, product


LARGE = 8192
CLIPS = 64
# Rows are the tokens of 64 clips, including representative tokens.
SHAPES = {
    "LGI-Former, query": (CLIPS * 808, 512, 512),
    "LGI-Former, fc1": (CLIPS * 808, 512, 2048),
    "LGI-Former, fc2": (CLIPS * 808, 2048, 512),
    "LGI-Former, embedding": (CLIPS * 800, 1536, 512),
    "VideoMAE, query": (CLIPS * 800, 768, 768),
    "VideoMAE, fc1": (CLIPS * 800, 768, 3072),
    "VideoMAE, fc2": (CLIPS * 800, 3072, 768),
}


def run(setting: Setting) -> Iterator[dict]:
    """Products of large matrices in each precision, then of the models' shapes, then a copy."""
    size = setting.pick(LARGE, 256)
    for name, dtype, tf32 in (
        ("bf16", torch.bfloat16, False),
        ("float32, TF32", torch.float32, True),
        ("float32", torch.float32, False),
    ):
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        yield _rate(setting, f"{size} x {size} x {size}, {name}", (size, size, size), dtype)
        torch.set_float32_matmul_precision(precision)
    for name, shape in SHAPES.items():
        if setting.rehearse:
            shape = tuple(side // 32 for side in shape)
        yield _rate(setting, f"{name}: {' x '.join(map(str, shape))}, bf16", shape, torch.bfloat16)
    yield _copy_rate(setting)


def matrix_product(setting: Setting):
    """A large product in bf16 and its number of operations, to be timed in turns with other calls."""
    size = setting.pick(LARGE, 256)
    return product(setting.device, size, size, size), 2 * size**3


def _rate(setting, name, shape, dtype):
    rows, inner, columns = shape
    call = product(setting.device, *shape, dtype)
    call()
    seconds = in_turns({"product": call}, setting.device, setting.pick(0.5, 0.02))["product"]
    return {
        "table": "Products",
        "product": name,
        "ms": 1e3 * seconds,
        "TFLOP/s": 2 * rows * inner * columns / seconds / 1e12,
    }


def _copy_rate(setting):
    source = torch.randn(setting.pick(2**30, 2**16) // 4, device=setting.device)
    target = torch.empty_like(source)
    seconds = in_turns({"copy": lambda: target.copy_(source)}, setting.device, setting.pick(0.5, 0.02))["copy"]
    size = source.numel() * source.element_size()
    return {
        "table": "Copy",
        "MiB": size / 2**20,
        "ms": 1e3 * seconds,
        "TB/s read and written": 2 * size / seconds / 1e12,
    }
