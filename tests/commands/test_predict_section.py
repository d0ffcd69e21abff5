"""`predict --start --end --stream`: all outputs are of the section, and times stay times in the video."""

import csv
import io
import json

import av
import pytest

from lgi_former.commands.cli import main
from lgi_former.image_processing import open_frames
from lgi_former.inference.timeline_figure import draw_timeline


WINDOWS = ("--window", "0.64", "--stride", "0.32")


@pytest.fixture
def predict(finetuned, video, capsys):
    """`predict(*options)`: the exit status and stdout."""

    def run(*options, name=video):
        arguments = ["predict", name, "--model", finetuned, "--no_crop_faces", *options, "--device", "cpu"]
        return main(arguments), capsys.readouterr().out

    return run


@pytest.fixture
def result(predict):
    """Function from options to the result."""
    return lambda *options: json.loads(predict("--json", *options)[1])


def test_windows_of_a_section_are_those_of_the_whole_video(result):
    whole, section = result(*WINDOWS), result(*WINDOWS, "--start", "0.64", "--end", "00:01.92")
    inside = [entry for entry in whole["timeline"] if entry["start"] >= 0.64 and entry["end"] <= 1.92]
    assert len(inside) == 3 and section["timeline"] == inside
    assert (section["start"], section["end"], section["duration"]) == (0.64, 1.92, 1.28)
    assert not {"start", "end"} & whole.keys()


def test_a_section_ends_with_the_video(result):
    section = result(*WINDOWS, "--start", "2.2", "--end", "99")
    assert (section["start"], section["end"], section["duration"]) == (2.2, 2.56, 0.36)
    assert [(entry["start"], entry["end"]) for entry in section["timeline"]] == [(2.2, 2.56)]


def test_csv_has_the_times_in_the_video(predict):
    status, output = predict(*WINDOWS, "--csv", "--start", "0.64", "--end", "1.92")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert status == 0
    assert [(float(row["start"]), float(row["end"])) for row in rows] == [(0.64, 1.28), (0.96, 1.6), (1.28, 1.92)]


def test_segments_are_sampled_from_the_section(predict, video, finetuned, tmp_path, result):
    with av.open(str(tmp_path / "part.mkv"), "w") as container, open_frames(video, start=1, end=2) as stream:
        pictures = container.add_stream("ffv1", rate=25)
        pictures.height, pictures.width, pictures.pix_fmt = *next(iter(stream)).image.shape[:2], "bgr0"
        with open_frames(video, start=1, end=2) as frames:
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24").reformat(format="bgr0")
                container.mux(pictures.encode(picture))
        container.mux(pictures.encode())
    part = json.loads(predict("--json", "--num_segments", "2", name=str(tmp_path / "part.mkv"))[1])
    section = result("--num_segments", "2", "--start", "1", "--end", "2")
    assert section["num_views"] == part["num_views"] == 2
    assert (section["start"], section["end"]) == (1, 2)
    assert section["scores"] == pytest.approx(part["scores"], abs=1e-4)


def test_pictures_show_the_section(predict, result, tmp_path):
    section = ["--start", "1", "--end", "2"]
    figure = draw_timeline(result(*WINDOWS, *section), "title")
    assert figure.axes[0].get_xlim() == (1, 2)
    files = ["--annotate", str(tmp_path / "a.mp4"), "--timeline", str(tmp_path / "a.png")]
    status, _ = predict(*WINDOWS, *section, *files)
    assert status == 0 and (tmp_path / "a.png").exists()
    with open_frames(tmp_path / "a.mp4") as stream:
        assert len(list(stream)) == 25
    assert stream.passed == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [["--start", "1:75"], ["--end", "0"], ["--start", "2", "--end", "1"], ["--start", "nan"], ["--end", "soon"]],
)
@pytest.mark.parametrize("command", ["predict", "embed", "prepare faces"])
def test_impossible_times_are_one_sentence(command, options, video, finetuned, tmp_path, error_line):
    words = {
        "predict": ["predict", video, "--model", finetuned, "--no_crop_faces"],
        "embed": ["embed", video, "--model", finetuned, "--output", str(tmp_path / "a.npy")],
        "prepare faces": ["prepare", "faces", video, str(tmp_path / "faces")],
    }[command]
    assert main([*words, *options]) == 2
    line = error_line()
    assert "is not a time in a video" in line or "must be later than start" in line
    assert "cannot load the model" not in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "60"], "ends after 2.560 seconds, so it has nothing from start=60 on"),
        (["--stream", "7"], "has no video stream 7. Its video streams: 0 (mpeg4, 160 x 160)"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "embed"])
def test_a_section_or_stream_that_a_video_lacks_is_its_failure(
    command, options, message, video, finetuned, tmp_path, capsys
):
    words = [["predict", video, "--no_crop_faces"], ["embed", video, "--output", str(tmp_path / "a.npy")]]
    assert main([*words[command == "embed"], "--model", finetuned, "--device", "cpu", *options]) in (1, 2)
    line = capsys.readouterr().err.splitlines()[0]
    assert line.count(video) == 1 and message in line
