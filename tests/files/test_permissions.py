"""Saved weights have the permissions that umask asks for."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lgi_former import LGIFormerForVideoClassification
from lgi_former.files import follow_umask


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def wanted(request):
    """The permissions of new files with a umask."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def mode_of(path):
    return path.stat().st_mode & 0o777


def test_saved_models(save_tiny_model, tmp_path, wanted):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", ["a", "b"])
    assert {mode_of(path) for path in (tmp_path / "model").iterdir()} == {wanted}


def test_the_average_of_weights_in_a_checkpoint(load_module, tmp_path, wanted):
    tiny_run = load_module(Path(__file__).parents[1] / "training" / "tiny_run.py")
    fields = {"max_steps": 1, "save_strategy": "steps", "save_steps": 1, "trainer_fields": {"ema_decay": 0.5}}
    tiny_run.finetuning(tmp_path, **fields).train()
    files = list((tmp_path / "checkpoint-1").glob("*.safetensors"))
    assert len(files) == 2 and {mode_of(path) for path in files} == {wanted}


def test_other_files_do_not_change(tmp_path):
    for name, mode in (("secret.txt", 0o600), ("shared.safetensors", 0o640)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    save_file({"weight": torch.zeros(1)}, tmp_path / "new.safetensors")
    follow_umask(tmp_path, "*.safetensors")
    assert (mode_of(tmp_path / "secret.txt"), mode_of(tmp_path / "shared.safetensors")) == (0o600, 0o640)
    assert {path.name for path in tmp_path.iterdir()} == {"secret.txt", "shared.safetensors", "new.safetensors"}
