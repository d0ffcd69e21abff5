"""Every file in `benchmarks/` can be imported, and every command in it shows its help."""

from pathlib import Path

import pytest


BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FILES = sorted(path.relative_to(BENCHMARKS).as_posix() for path in BENCHMARKS.rglob("*.py"))
COMMANDS = [file for file in FILES if '__name__ == "__main__"' in (BENCHMARKS / file).read_text(encoding="utf-8")]


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_imported_and_shows_its_help(file, load_benchmark, monkeypatch, capsys):
    try:
        module = load_benchmark(file)
    except ModuleNotFoundError as error:
        if error.name != "decord":
            raise
        pytest.skip("decord has no wheels for this platform")
    if file in COMMANDS:
        monkeypatch.setattr("sys.argv", [file, "--help"])
        with pytest.raises(SystemExit) as ended:
            module.main()
        assert ended.value.code == 0 and capsys.readouterr().out.startswith(f"usage: {file}")


def test_commands_are_found():
    assert len(COMMANDS) >= 10 and "quickstart.py" in COMMANDS


def test_memory_of_a_video_is_measured(load_benchmark, tmp_path):
    benchmark = load_benchmark("long_video_memory.py")
    benchmark.write_video(str(tmp_path / "video.mp4"), num_frames=20, frame_rate=5, width=320, height=180)
    found = benchmark.measure(str(tmp_path / "video.mp4"), None)
    assert found["windows"] == 3 and found["peak"] >= found["before"] > 0
