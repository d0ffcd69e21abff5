"""Output of `lgi-former predict`: every video is in it, for all names and consoles, with or without a face."""

import csv
import io
import json
import os
import re
import shutil
import sys

import av
import numpy as np
import pytest

from lgi_former import FacialExpressionPipeline, LGIFormerForVideoClassification
from lgi_former.commands import predict as predict_command
from lgi_former.commands import prediction_model
from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_classifier
from lgi_former.image_processing import FaceCropper
from lgi_former.image_processing.faces import face_cropping
from lgi_former.inference import predict_video


NAMES = ["幸せ😀.mp4", "naïve café.mp4", 'a,b"c.mp4']


@pytest.fixture
def nobody(monkeypatch):
    """No face is found in any video."""
    monkeypatch.setattr(face_cropping, "CenterFaceDetector", lambda: lambda image: np.empty((0, 5)))


@pytest.fixture
def console(monkeypatch):
    """`console(encoding)`: replaces stdout by a console of that encoding. Returns a function that reads it."""

    def replace(encoding):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        return lambda: stream.buffer.getvalue().decode(encoding)

    return replace


def predict(*arguments):
    return main(["predict", *map(str, arguments), "--device", "cpu"])


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_video_without_a_face_has_a_row_with_a_note(finetuned, video, nobody, capsys):
    assert predict(video, video, "--model", finetuned, "--csv") == 0
    output = capsys.readouterr()
    rows = rows_of(output.out)
    empty = dict.fromkeys(["person", "start", "end", "expression", "happy", "neutral", "sad"], "")
    assert rows == [{"video": video, **empty, "note": "No face was found, so there is nothing to classify."}] * 2
    assert output.err == ""


def test_csv_has_a_row_for_a_video_that_cannot_be_read(finetuned, video, tmp_path, capsys):
    broken, missing = tmp_path / "broken.mp4", tmp_path / "missing.mp4"
    broken.write_bytes(b"not a video")
    videos = [str(broken), video, str(missing)]
    assert predict(*videos, "--model", finetuned, "--csv", "--no_crop_faces", "--window", "3") == 1
    output = capsys.readouterr()
    rows = rows_of(output.out)
    assert [row["video"] for row in rows] == videos
    assert "cannot be decoded" in rows[0]["note"] and "There is no file" in rows[2]["note"]
    assert rows[1]["note"] == "" and float(rows[1]["happy"]) > 0
    assert [row["happy"] for row in rows if row["note"]] == ["", ""]
    assert output.err.count("lgi-former: ") == 2


def test_csv_has_a_header_when_all_videos_fail(finetuned, tmp_path, capsys):
    assert predict(tmp_path / "missing.mp4", "--model", finetuned, "--csv") == 1
    assert capsys.readouterr().out.splitlines()[0] == "video,person,start,end,expression,happy,sad,neutral,note"


def test_a_class_with_the_name_of_a_column_has_its_own_column(tmp_path, save_tiny_model, video, capsys):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, ["note", "sad", "end", "score of end"])
    assert predict(video, "--model", tmp_path, "--csv", "--no_crop_faces", "--window", "3") == 0
    (row,) = rows_of(capsys.readouterr().out)
    assert (row["start"], row["note"]) == ("0.0", "")
    names = ("score of note", "sad", "score of end", "score of score of end")
    assert sum(float(row[name]) for name in names) == pytest.approx(1, abs=1e-3)


def test_a_long_run_ends_with_the_share_of_the_detector(finetuned, video, nobody, monkeypatch, capsys):
    monkeypatch.setattr(predict_command, "LONG_RUN", 0.0)
    assert predict(video, "--model", finetuned, "--csv") == 0
    assert re.search(r"^Finding faces took \d+% of the time\.$", capsys.readouterr().err, re.MULTILINE)
    assert predict(video, "--model", finetuned, "--csv", "--no_crop_faces") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("options", "align"), [([], True), (["--no_align"], False)])
def test_the_command_aligns_unless_it_is_switched_off(options, align, finetuned, video, nobody, monkeypatch):
    asked = []
    follow = FaceCropper.follow
    monkeypatch.setattr(FaceCropper, "follow", lambda self, *args: asked.append(self.align) or follow(self, *args))
    assert predict(video, "--model", finetuned, *options) == 0
    assert asked == [align]


def test_faces_are_found_on_the_cpu_if_the_runtime_has_no_gpu(monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    cropper = FaceCropper(lambda image: np.empty((0, 5)))
    on_cpu = cropper.detector
    prediction_model._detect_on("cuda", cropper)
    assert cropper.detector is on_cpu
    assert capsys.readouterr().err.startswith("Faces are found on the CPU. The installed onnxruntime cannot")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_tables_and_json_have_a_note_for_a_video_without_a_face(finetuned, video, nobody, form, capsys):
    assert predict(video, "--model", finetuned, *form) == 0
    output = capsys.readouterr().out
    assert "No face was found" in output and video in output
    if form:
        result = json.loads(output)
        assert (result["scores"], result["people"], result["timeline"]) == (None, [], [])


def test_the_result_without_a_face_has_the_same_keys(finetuned, video):
    model, processor = load_classifier(finetuned, "cpu")
    cropper = FaceCropper(lambda image: np.empty((0, 5)))
    recognise = FacialExpressionPipeline(model=model, video_processor=processor, face_cropper=cropper, device="cpu")
    with_face, without = recognise(video, crop_faces=False), recognise(video)
    assert without.keys() - with_face.keys() == {"note"} and not with_face.keys() - without.keys()
    assert without["duration"] == with_face["duration"] > 0
    assert (
        [entry["scores"] for entry in without["timeline"]] == [person["scores"] for person in without["people"]] == []
    )


def test_figures_of_a_video_without_a_face_are_written(finetuned, video, nobody, tmp_path, capsys):
    files = ["--timeline", tmp_path / "timeline.png", "--annotate", tmp_path / "annotated.mp4"]
    assert predict(video, "--model", finetuned, "--csv", *files) == 0
    assert all(path.stat().st_size for path in files[1::2])


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_names_that_a_console_cannot_print_are_escaped(finetuned, video, tmp_path, console, encoding, form):
    videos = [shutil.copy(video, tmp_path / name) for name in NAMES]
    shown = console(encoding)
    assert predict(*videos, "--model", finetuned, "--no_crop_faces", "--window", "3", *form) == 0
    if form == ["--json"]:
        assert [json.loads(line)["video"] for line in shown().splitlines()] == list(map(str, videos))
        return
    printable = [str(name).encode(encoding, "backslashreplace").decode(encoding) for name in videos]
    if form:
        assert [row["video"] for row in rows_of(shown())] == printable
    else:
        assert [line for line in shown().splitlines() if ".mp4" in line] == printable


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only Unicode file names")
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_names_that_are_not_utf8_are_escaped(finetuned, video, tmp_path, console, form):
    name = shutil.copy(video, tmp_path / "caf\udce9.mp4")
    shown = console("utf-8")
    files = ["--timeline", tmp_path / "timeline.png", "--annotate", tmp_path / "annotated.mp4"]
    assert predict(name, "--model", finetuned, "--no_crop_faces", *form, *files) == 0
    assert "caf\\udce9.mp4" in shown()
    assert all(path.stat().st_size for path in files[1::2])


def test_training_commands_escape_too(tmp_path, console, capsys):
    shown = console("ascii")
    assert main(["evaluate", "--model", str(tmp_path / "幸せ"), "--data", "幸せ.csv"]) == 2
    print("幸せ")
    assert shown() == "\\u5e78\\u305b\n"


def test_a_long_class_name_is_shown_in_full(tmp_path, save_tiny_model, video, capsys):
    name = "contempt" * 30
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, [name, "sad"])
    assert predict(video, "--model", tmp_path, "--no_crop_faces", "--window", "1") == 0
    shown = capsys.readouterr().out
    assert "…" not in shown and name in re.sub(r"[\s\d.]", "", shown)


@pytest.mark.parametrize(
    ("id2label", "message"),
    [
        ({0: "happy", 1: "happy", 2: "sad"}, "Two labels of the model are called 'happy'"),
        ({0: "happy", 2: "sad", 5: "fear"}, "names only 2 of its 3 labels"),
    ],
)
def test_labels_must_have_different_names(finetuned, video, id2label, message, capsys):
    model, processor = load_classifier(finetuned, "cpu")
    model.config.id2label = id2label
    with pytest.raises(ValueError, match=message):
        predict_video(model, processor, video)
    with pytest.raises(ValueError, match=message):
        FacialExpressionPipeline(model=model, video_processor=processor, device="cpu")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("form", [(), ("--csv",), ("--json",)], ids=["table", "csv", "json"])
def test_a_full_disk_is_one_error(finetuned, video, form, monkeypatch, capsys):
    with open("/dev/full", "w") as full:  # closing it would raise an error if output were left in its buffer
        monkeypatch.setattr(sys, "stdout", full)
        assert predict(video, video, "--model", finetuned, "--no_crop_faces", *form) == 2
    sentence = "lgi-former: stdout cannot be written: No space left on device."
    assert capsys.readouterr().err == f"{sentence} The results of '{video}' and later are lost.\n"


def test_a_closed_stdout_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit):
        main(["predict", "face.mp4", "--model", "model"])
    assert "stdout is closed" in capsys.readouterr().err


def test_a_missing_end_is_reported_once_in_a_table(finetuned, tmp_path, capsys, caplog):
    assert predict(write_cut_off_video(tmp_path / "cut_off.mp4"), "--model", finetuned, "--no_crop_faces") == 0
    output = capsys.readouterr()
    assert (output.out + output.err + caplog.text).count("is cut off") == 1


def write_cut_off_video(path):
    """40 frames of noise. The header lists all of them, and the last third is missing."""
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(40):
            pixels = noise.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(data[: int(0.7 * len(data))])
    return path
