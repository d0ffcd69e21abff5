"""Whether bfloat16 is faster: what is timed, and what is not imported."""

import subprocess
import sys

import pytest
import torch

from lgi_former.training.run import precision


@pytest.mark.parametrize("is_faster", [True, False])
def test_the_faster_precision_wins(is_faster, monkeypatch):
    seconds = {torch.bfloat16: 1.0, torch.float32: 2.0 if is_faster else 0.5}
    monkeypatch.setattr(precision, "device_has_bf16", lambda use_cpu: True)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_seconds_of_product", seconds.get)
    assert precision.bf16_is_faster.__wrapped__() == is_faster


def test_products_are_timed():
    assert all(0 < precision._seconds_of_product(dtype) < 10 for dtype in (torch.float32, torch.bfloat16))


def test_training_does_not_look_for_a_cuda_compiler():
    """Otherwise torch logs "No CUDA runtime is found" on machines with a folder of CUDA."""
    code = "import sys, lgi_former.training.finetune; sys.exit('torch.utils.cpp_extension' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
