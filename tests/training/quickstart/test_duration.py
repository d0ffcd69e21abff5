"""The announced duration depends on the speed of the machine. The plan does not."""

import pytest

from lgi_former.training.quickstart import run as quickstart
from lgi_former.training.quickstart.duration import Speed, about_minutes, seconds_needed
from lgi_former.training.quickstart.outcome import DEFAULT_PLAN, QUICK_PLAN


SLOW, FAST = Speed(0.2, 5.0, 6.0), Speed(0.01, 0.1, 0.1)


@pytest.mark.parametrize("quick", [False, True])
def test_steps_are_the_same_on_all_machines(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(quickstart, "run_stages", lambda outcome, output_dir: outcome)
    plans, texts = [], []
    for name, speed in (("slow", SLOW), ("fast", FAST)):
        monkeypatch.setattr(quickstart, "measure_speed", lambda speed=speed: speed)
        plans.append(quickstart.quickstart(tmp_path / name, quick=quick).plan)
        texts.append(capsys.readouterr().out)
    assert plans == [QUICK_PLAN if quick else DEFAULT_PLAN] * 2
    assert about_minutes(seconds_needed(plans[0], SLOW)) in texts[0]
    assert about_minutes(seconds_needed(plans[0], FAST)) in texts[1]
    for text in texts:
        assert "Ctrl-C is safe: `--resume` goes on." in text
        assert ("too few steps to learn much" in text) == quick


def test_all_stages_count():
    plan = vars(DEFAULT_PLAN)
    seconds = seconds_needed(DEFAULT_PLAN, SLOW)
    steps = plan["pretraining_steps"] * 5.0 + 2 * plan["finetuning_steps"] * 6.0
    videos = (plan["num_unlabelled"] + plan["num_labelled"] + plan["num_tested"]) * 0.2
    assert steps + videos < seconds < 1.1 * (steps + videos)
    assert seconds_needed(QUICK_PLAN, SLOW) < seconds / 5


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4, "about 1 minute"), (89, "about 1 minute"), (91, "about 2 minutes"), (540, "about 9 minutes")],
)
def test_minutes_are_rounded(seconds, words):
    assert about_minutes(seconds) == words
