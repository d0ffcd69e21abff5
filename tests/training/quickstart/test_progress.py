"""The progress of a training stage."""

import sys
from types import SimpleNamespace

import pytest

from lgi_former.training.quickstart.progress import StageProgress


def train(progress, steps):
    for step in range(steps + 1):
        state = SimpleNamespace(global_step=step, max_steps=steps)
        if step == 0:
            progress.on_train_begin(None, state, None)
        else:
            progress.on_step_begin(None, SimpleNamespace(global_step=step - 1, max_steps=steps), None)
            progress.on_step_end(None, state, None)
        if step:
            progress.on_log(None, state, None, logs={"loss": 1 / step})
        if step % 25 == 0:
            progress.on_log(None, state, None, logs={"eval_uar": step / 100, "eval_loss": 1.0})
    progress.on_train_end(None, state, None)


def test_a_file_gets_lines_without_control_characters(capsys):
    train(StageProgress(), 50)
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "step 50 of 50: loss 0.020, recognised 50%"
    assert captured.out.splitlines()[:-1] == [
        "step 0 of 50: recognised 0%",
        "step 25 of 50: loss 0.040, recognised 25%",
    ]
    assert len(captured.out.splitlines()) <= 5
    assert captured.err == "" and "\r" not in captured.out and "\x1b" not in captured.out


@pytest.mark.parametrize("steps", [25, 30])
def test_a_terminal_gets_a_bar(steps, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    train(StageProgress(), steps)
    captured = capsys.readouterr()
    assert f"{steps}/{steps}" in captured.err and "recognised=25%" in captured.err
    assert captured.out == ""
