"""Every file in `benchmarks/` can be imported, and every command in it shows its help."""

from pathlib import Path

import pytest

from lgi_former.image_processing.decoding import frame_stream


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


def test_frames_of_a_long_video_are_counted(load_benchmark, monkeypatch, tmp_path):
    monkeypatch.setattr(frame_stream, "decoded_frames", frame_stream.decoded_frames)  # the benchmark replaces it
    benchmark = load_benchmark("long_video_memory.py")
    benchmark.write_video(str(tmp_path / "video.mp4"), 10, 5, 64, 64)
    counts = benchmark.count_frames(frame_stream)
    with frame_stream.open_frames(tmp_path / "video.mp4") as frames:
        assert len(list(frames)) == 10
    assert counts["decoded"] == 10 and counts["most_held"] > 0
