"""Loss curves, and the logs that they are read from."""

import json

import numpy as np
import pytest

from lgi_former.figures import draw_losses, read_log_history


HISTORY = [
    {"step": 10, "loss": 2.0, "learning_rate": 1e-3},
    {"step": 20, "loss": 1.0, "learning_rate": 1e-3},
    {"step": 20, "eval_loss": 1.5},
    {"step": 20, "train_loss": 1.5, "train_runtime": 3.0},
]


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("given", ["run/trainer_state.json", "run"])
def test_the_log_of_a_run_is_read(given, tmp_path):
    _write(tmp_path / "run" / "trainer_state.json", {"log_history": HISTORY})
    assert read_log_history(tmp_path / given) == HISTORY


def test_the_log_of_the_last_checkpoint_is_read(tmp_path):
    for step in (9, 10):
        _write(tmp_path / f"checkpoint-{step}" / "trainer_state.json", {"log_history": HISTORY[: step - 8]})
    assert read_log_history(tmp_path) == HISTORY[:2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"log_history": [{"step": 1, "train_loss": 2.0}]}, "logs no loss"),
        ({"epoch": 1}, "no 'log_history'"),
        ([1], "no 'log_history'"),
        ({"log_history": 3}, "no 'log_history'"),
    ],
    ids=["no loss", "another file", "a list", "a number"],
)
def test_other_files_are_refused(content, message, tmp_path):
    _write(tmp_path / "state.json", content)
    with pytest.raises(ValueError, match=rf"state\.json.*{message}"):
        read_log_history(tmp_path / "state.json")


def test_missing_logs_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"holds no trainer_state\.json"):
        read_log_history(tmp_path)
    with pytest.raises(ValueError, match=r"nothing\.json' cannot be read"):
        read_log_history(tmp_path / "nothing.json")


def test_training_and_evaluation_are_drawn(texts):
    figure = draw_losses({"first": HISTORY, "second": HISTORY[:2]})
    curves = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}
    assert curves == {
        "first": [[10, 2], [20, 1]],
        "first, evaluation": [[20, 1.5]],
        "second": [[10, 2], [20, 1]],
    }
    assert {"first", "first, evaluation", "second", "step", "loss"} <= set(texts(figure))


def test_a_long_run_is_drawn_as_means_over_all_its_points():
    losses = np.arange(1000.0)
    figure = draw_losses({"run": [{"step": step + 1, "loss": loss} for step, loss in enumerate(losses)]})
    points, means = (line.get_ydata() for line in figure.axes[0].lines)
    assert points.tolist() == losses.tolist()
    np.testing.assert_allclose(means, losses.reshape(200, 5).mean(axis=1))


def test_every_run_is_in_the_legend():
    names = ["_old", "$100 run$", "caf\udce9"]
    figure = draw_losses(dict.fromkeys(names, HISTORY[:2]))
    figure.draw_without_rendering()
    shown = [text.get_text().strip().replace("\\$", "$") for text in figure.axes[0].get_legend().get_texts()]
    assert shown == ["_old", "$100 run$", "caf\\udce9"]
