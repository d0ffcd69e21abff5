"""Every section of `benchmarks/gpu.py` is rehearsed on the processor."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


CHECKOUT = Path(__file__).parents[1]
BENCHMARKS = CHECKOUT / "benchmarks"
TABLES = {
    "matrix": "Products",
    "compiled": "fine-tuning, compiled, bf16 autocast",
    "eager": "inference, eager, bf16 autocast",
    "profile": "Steps",
    "clip_length": "fine-tuning, clips at once: 1, eager, bf16 autocast",
    "latency": "One clip of 16 frames, not compiled",
    "feeding": "Fine-tuning clips of 160 x 160",
    "training": "Drawn faces, 7 classes",
}


@pytest.fixture(scope="module")
def gpu(load_benchmark):
    """The module `benchmarks/gpu.py`."""
    return load_benchmark("gpu.py")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TABLES if name != "matrix"])  # the command below runs it
def test_a_section_runs(name, gpu, tmp_path):
    assert set(gpu.SECTIONS) == set(TABLES)
    file = tmp_path / "rows.jsonl"
    assert gpu.run_section(name, "30", str(file), True) == 0, file.read_text()
    rows = gpu.read_rows(file)
    assert any(row.get("table", "").startswith(TABLES[name]) for row in rows)
    failures = [row for row in rows if "traceback" in row or any("failed" in column for column in row)]
    assert all(row["failed"] == "there is no GPU" for row in failures)


@pytest.mark.slow
def test_the_command_writes_both_files(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--rehearse", "--output", str(tmp_path), "--commit", "abc"]
    command += ["--sections", "matrix"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["run"]["commit"] == "abc" and written["sections"]["matrix"]["state"] == "done"
    text = (tmp_path / "gpu.md").read_text()
    assert "## Rate of matrix products and of memory" in text and "| 256 x 256 x 256, bf16 |" in text


def test_the_limits_fit_into_the_time(gpu):
    """Time is reserved for the sections that earlier runs did not finish."""
    limits = [section.limit for section in gpu.SECTIONS.values()]
    assert sum(limits[:5]) <= 60 * 8
    assert gpu.SECTIONS["compiled"].limit >= 240 and gpu.SECTIONS["latency"].limit >= 60


@pytest.fixture
def fake_sections(gpu, monkeypatch, tmp_path):
    """Replaces the script of the sections: it writes a row, then hangs, crashes or ends, by the section's name."""
    script = tmp_path / "fake.py"
    script.write_text(
        "import json, os, sys, time\n"
        "name, _, file = sys.argv[sys.argv.index('--child') + 1 :][:3]\n"
        "rows = open(file, 'w')\n"
        "print(json.dumps({'table': 'T', 'value': 1.5}), file=rows, flush=True)\n"
        "print('{\"half\": ', end='', file=rows, flush=True)\n"
        "if name == 'hangs':\n    time.sleep(600)\n"
        "if name == 'crashes':\n    os.abort()\n"
    )
    sections = {name: gpu.Section("none", "run", f"It {name}", 1.0) for name in ("hangs", "crashes", "works", "late")}
    sections["works"] = gpu.Section("none", "run", "It works", 60.0)
    sections["crashes"] = gpu.Section("none", "run", "It crashes", 60.0)
    monkeypatch.setattr(gpu, "SECTIONS", sections)
    monkeypatch.setattr(gpu, "FEWEST_SECONDS", 0.5)
    monkeypatch.setattr(gpu, "SCRIPT", script)


def test_a_section_that_hangs_or_crashes_does_not_stop_the_others(gpu, fake_sections, tmp_path):
    out = tmp_path / "out"
    assert gpu.main(["--output", str(out), "--sections", "hangs", "crashes", "works", "--commit", "abc"]) == 1
    sections = json.loads((out / "gpu.json").read_text())["sections"]
    assert {name: section["state"] for name, section in sections.items()} == {
        "hangs": "stopped",
        "crashes": "failed",
        "works": "done",
    }
    assert all(section["rows"] == [{"table": "T", "value": 1.5}] for section in sections.values())
    text = (out / "gpu.md").read_text()
    assert "was stopped at its limit" in text and "ended with status -6" in text


def test_a_section_is_skipped_when_no_time_is_left(gpu, fake_sections, tmp_path):
    assert gpu.main(["--output", str(tmp_path), "--sections", "late", "--minutes", "0", "--commit", "abc"]) == 0
    assert json.loads((tmp_path / "gpu.json").read_text())["sections"]["late"]["state"] == "left out"
    assert "There was no time left for this section." in (tmp_path / "gpu.md").read_text()


def test_tests_for_a_gpu_use_no_fixture_from_outside_their_folder():
    """They also run where packages that `tests/conftest.py` imports are missing."""
    fixtures = re.findall(r"@pytest\.fixture.*\ndef (\w+)", (CHECKOUT / "tests" / "conftest.py").read_text())
    assert "save_tiny_model" in fixtures
    for path in (CHECKOUT / "tests" / "gpu").glob("*.py"):
        assert not [name for name in fixtures if re.search(rf"\b{name}\b", path.read_text())], path
