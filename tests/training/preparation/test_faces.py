"""Cropping a corpus: the written files, and resuming a stopped call."""

import csv
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from lgi_former import extras
from lgi_former.commands.cli import main
from lgi_former.files import only_writer
from lgi_former.image_processing import FaceCropper, read_video
from lgi_former.image_processing.faces.face_alignment import MEAN_LANDMARKS
from lgi_former.training.preparation.faces import crop_corpus, unfinished_folder


HEIGHT, WIDTH = 48, 96


class SquareDetector:
    """Finds the white square of each half of the picture."""

    def __init__(self):
        self.pictures = 0

    def __call__(self, image):
        self.pictures += 1
        faces = []
        for offset in (0, WIDTH // 2):
            rows, columns = np.nonzero(image[:, offset : offset + WIDTH // 2, 0] > 128)
            if rows.size:
                box = [offset + columns.min(), rows.min(), offset + columns.max() + 1, rows.max() + 1]
                faces.append([*box, 0.9])
        return np.array(faces, dtype=np.float32).reshape(-1, 5)


def write_frames(folder, left=0, right=0, count=12):
    """Write frames with a white square of `left` pixels on the left, and a grey one of `right` pixels on the right."""
    folder.mkdir(parents=True)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[8 : 8 + left, 8 : 8 + left] = 255
    image[8 : 8 + right, 56 : 56 + right] = 200
    for number in range(count):
        Image.fromarray(image).save(folder / f"{number:03d}.png")


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    write_frames(folder / "happy" / "one", left=20)
    write_frames(folder / "happy" / "two", left=16, right=24)
    write_frames(folder / "sad" / "nobody")
    (folder / "sad" / "broken.mp4").write_bytes(b"not a video")
    (folder / "sad" / "notes.txt").write_text("no video")
    return folder


@pytest.fixture
def detector():
    return SquareDetector()


@pytest.fixture
def crop(corpus, tmp_path, detector):
    """Function that crops the corpus and returns the outcomes by video."""

    def run(margin=1.0, num_workers=2):
        cropper = FaceCropper(detector, margin=margin)
        outcomes = crop_corpus(corpus, tmp_path / "crops", cropper, size=32, num_workers=num_workers)
        return {outcome.video: outcome for outcome in outcomes}

    return run


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_each_main_face_is_a_folder_of_frames_under_the_same_path(crop, tmp_path):
    outcomes = crop()
    assert {video: outcome.status for video, outcome in outcomes.items()} == {
        "happy/one": "cropped",
        "happy/two": "cropped",
        "sad/broken.mp4": "failed",
        "sad/nobody": "no face",
    }
    assert (outcomes["happy/two"].people, outcomes["happy/two"].frames) == (2, 12)
    assert "broken.mp4" in outcomes["sad/broken.mp4"].reason
    one, _ = read_video(tmp_path / "crops" / "happy" / "one", lambda metadata: np.arange(metadata.total_num_frames))
    two, _ = read_video(tmp_path / "crops" / "happy" / "two", lambda metadata: np.arange(metadata.total_num_frames))
    assert one.shape == two.shape == (12, 32, 32, 3)
    assert one[:, 4:-4, 4:-4].min() > 240
    assert abs(two[:, 4:-4, 4:-4].astype(int) - 200).max() < 10  # the larger face is grey
    expected = [f"happy/{name}/{number:06d}.jpg" for name in ("one", "two") for number in range(12)]
    assert [name for name in files_in(tmp_path / "crops") if name.endswith(".jpg")] == expected


def test_the_list_has_the_outcome_of_each_video(crop, tmp_path):
    outcomes = crop()
    with (tmp_path / "crops" / "faces.csv").open(newline="") as file:
        rows = {row["video"]: row for row in csv.DictReader(file)}
    assert {video: row["status"] for video, row in rows.items()} == {v: o.status for v, o in outcomes.items()}
    assert rows["happy/two"]["people"] == "2" and rows["sad/broken.mp4"]["reason"]


def test_a_second_call_tries_only_failed_videos_again(crop, corpus, detector):
    first = crop()
    seen = detector.pictures
    assert crop() == first
    assert detector.pictures == seen
    (corpus / "sad" / "broken.mp4").unlink()
    write_frames(corpus / "sad" / "broken.mp4", left=20)
    assert crop()["sad/broken.mp4"].status == "cropped"


def test_shards_share_a_folder(corpus, tmp_path, detector, monkeypatch):
    """Also while another shard is being cropped, and for the videos of a list."""
    monkeypatch.setattr("lgi_former.image_processing.CenterFaceDetector", lambda **settings: detector)
    list_file = tmp_path / "list.csv"
    list_file.write_text("path,label\nhappy/two,1\nsad/broken.mp4,2\nhappy/one,3\nhappy/two,1\n")
    crops = tmp_path / "crops"
    words = ["prepare", "faces", str(corpus), str(crops), "--data", str(list_file), "--num_workers", "1"]
    with only_writer(crops, ".faces-1-of-2.csv.lock"):
        assert main([*words, "--num_shards", "2", "--shard", "0"]) == 1
        assert main([*words, "--num_shards", "2", "--shard", "1"]) == 2
    assert main([*words, "--num_shards", "2", "--shard", "1"]) == 0
    listed = [list(csv.DictReader((crops / f"faces-{shard}-of-2.csv").open())) for shard in (0, 1)]
    assert [[row["video"] for row in rows] for rows in listed] == [["happy/one", "sad/broken.mp4"], ["happy/two"]]
    assert sorted(path.name for path in (crops / "happy").iterdir()) == ["one", "two"]


def test_a_list_with_a_video_of_another_folder_is_refused(corpus, tmp_path, detector):
    with pytest.raises(ValueError, match=r"/other\.mp4' is not in '.*corpus'"):
        crop_corpus(corpus, tmp_path / "crops", FaceCropper(detector), videos=[corpus / "a", tmp_path / "other.mp4"])


def test_a_stopped_call_leaves_no_incomplete_folder(crop, tmp_path, monkeypatch):
    save = Image.Image.save
    written = []

    def save_until_stopped(image, path, **options):
        written.append(path)
        if len(written) == 6:
            raise KeyboardInterrupt
        save(image, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", save_until_stopped)
        with pytest.raises(KeyboardInterrupt):
            crop(num_workers=1)
    assert not (tmp_path / "crops" / "happy" / "one").exists()
    (unfinished_folder(tmp_path / "crops" / "happy" / "one") / "0").mkdir(parents=True)
    with (tmp_path / "crops" / "faces.csv").open("a") as file:
        file.write("happy/one,cropped,1")  # the last line of a stopped machine
    assert crop()["happy/one"].frames == 12
    assert not list((tmp_path / "crops").rglob("*unfinished*"))


def test_a_deleted_folder_is_written_again(crop, tmp_path):
    first = crop()
    shutil.rmtree(tmp_path / "crops" / "happy" / "one")
    assert crop() == first
    assert len(list((tmp_path / "crops" / "happy" / "one").iterdir())) == 12


def test_crops_of_other_settings_or_corpora_are_not_mixed(crop, corpus, tmp_path, detector):
    crop(margin=1.0)
    with pytest.raises(ValueError, match=r"margin.*1\.0.*margin.*1\.5"):
        crop(margin=1.5)
    with pytest.raises(ValueError, match=r"corpus.*happy"):
        crop_corpus(corpus / "happy", tmp_path / "crops", FaceCropper(detector, margin=1.0), size=32)


def test_files_of_users_are_not_overwritten(crop, tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        crop()
    assert files_in(tmp_path / "crops") == ["thesis.txt"]


def test_the_source_may_be_one_video_but_not_an_empty_folder(corpus, tmp_path, detector):
    (outcome,) = crop_corpus(corpus / "happy" / "one", tmp_path / "single", FaceCropper(detector))
    assert (outcome.video, outcome.status) == ("one", "cropped")
    crop_corpus(corpus / "happy" / "two", tmp_path / "single", FaceCropper(detector))
    assert (tmp_path / "single" / "faces.csv").read_text().splitlines()[1:] == [
        "one,cropped,1,12,",
        "two,cropped,2,12,",
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty' holds no videos"):
        crop_corpus(tmp_path / "empty", tmp_path / "out", FaceCropper(detector))
    with pytest.raises(ValueError, match="no file or folder"):
        crop_corpus(tmp_path / "missing", tmp_path / "out", FaceCropper(detector))


def test_the_exit_status_reports_failures(corpus, tmp_path, detector, monkeypatch, capsys):
    monkeypatch.setattr("lgi_former.image_processing.CenterFaceDetector", lambda **settings: detector)
    arguments = ["prepare", "faces", str(corpus), str(tmp_path / "crops"), "--size", "32"]
    assert main(arguments) == 1
    assert capsys.readouterr().out.startswith("cropped: 2, no face: 1, failed: 1\n")
    assert main([*arguments, "--margin", "2"]) == 2
    assert "Use the same settings" in capsys.readouterr().err
    (corpus / "sad" / "broken.mp4").unlink()
    assert main(arguments) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["fases", "a", "b"], "did you mean faces?"), (["faces", "a", "b", "--margin", "0.5"], "is not at least 1")],
)
def test_wrong_usage_of_the_command_is_an_error(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(["prepare", *arguments])
    assert message in capsys.readouterr().err


def test_the_command_says_how_to_install_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(extras.MODULES, "faces", ("no_such_package",))
    assert main(["prepare", "faces", str(tmp_path), str(tmp_path / "out")]) == 2
    assert 'pip install "lgi-former[faces]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("source", "output"), [(".", "../out"), ("..", "out")])
def test_a_folder_of_frames_may_be_named_relatively(source, output, detector, tmp_path, monkeypatch):
    write_frames(tmp_path / "frames", left=20)
    here = tmp_path / "frames" / ("work" if source == ".." else "")
    here.mkdir(exist_ok=True)
    (here / "notes.txt").write_text("mine")
    monkeypatch.chdir(here)
    (outcome,) = crop_corpus(source, output, FaceCropper(detector), 32)
    assert (outcome.video, outcome.status) == ("frames", "cropped")
    assert (here / "notes.txt").read_text() == "mine"
    assert (here / output / "faces.csv").is_file()


def test_a_corpus_is_not_cropped_into_itself(corpus, detector):
    with pytest.raises(ValueError, match="would replace it"):
        crop_corpus(corpus, corpus, FaceCropper(detector), 32)
    assert not (corpus / "faces.json").exists()


def test_a_video_may_have_a_long_name(detector, tmp_path):
    for name in ("x" * 255, "other"):
        write_frames(tmp_path / "in" / name, left=20)
    outcomes = crop_corpus(tmp_path / "in", tmp_path / "out", FaceCropper(detector), 32)
    assert [outcome.status for outcome in outcomes] == ["cropped", "cropped"]


def test_skipped_files_are_counted_in_a_warning(corpus, crop, caplog):
    (corpus / "happy" / "notes.txt").write_text("no video")
    (corpus / "sad" / ".hidden").touch()
    assert set(crop()) == {"happy/one", "happy/two", "sad/nobody", "sad/broken.mp4"}
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"2 files and folders in '{corpus}' are skipped, such as 'happy/notes.txt':")


def test_a_corpus_of_videos_causes_no_warning(tmp_path, detector, caplog):
    write_frames(tmp_path / "corpus" / "one", left=20)
    crop_corpus(tmp_path / "corpus", tmp_path / "crops", FaceCropper(detector), size=32)
    assert not caplog.records


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names of files are text")
def test_names_that_are_not_text_are_escaped_in_the_list(tmp_path, detector):
    write_frames(tmp_path / "corpus" / "caf\udce9", left=20)
    write_frames(tmp_path / "corpus" / "幸せ")

    def crop():
        outcomes = crop_corpus(tmp_path / "corpus", tmp_path / "crops", FaceCropper(detector), size=32)
        with (tmp_path / "crops" / "faces.csv").open(newline="", encoding="utf-8") as file:
            return outcomes, [row["video"] for row in csv.DictReader(file)]

    outcomes, listed = crop()
    assert [(outcome.video, outcome.status) for outcome in outcomes] == [("caf\udce9", "cropped"), ("幸せ", "no face")]
    assert sorted(listed) == ["caf\\udce9", "幸せ"]
    pictures = detector.pictures
    assert crop() == (outcomes, listed) and detector.pictures == pictures  # nothing is repeated


# Order of frames, and animated images


def write_growing(folder, count=12):
    """Frames 1.png to 12.png, whose square grows."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[4 : 14 + number, 4 : 14 + number] = 130 + 10 * number
        Image.fromarray(image).save(folder / f"{number}.png")


@pytest.mark.parametrize(
    ("options", "expected"), [({}, range(1, 13)), ({"frame_order": "name"}, [1, *range(10, 13), *range(2, 10)])]
)
def test_frames_have_the_requested_order(options, expected, tmp_path, detector):
    write_growing(tmp_path / "corpus" / "video")
    crop_corpus(tmp_path / "corpus", tmp_path / "out", FaceCropper(detector), size=32, **options)
    frames = [np.array(Image.open(file)) for file in sorted((tmp_path / "out" / "video").iterdir())]
    brightest = [round((int(np.median(frame[12:20, 12:20])) - 130) / 10) for frame in frames]
    assert brightest == list(expected)


def test_the_order_of_frames_is_a_setting(tmp_path, detector):
    write_growing(tmp_path / "corpus" / "video")
    crop = lambda **options: crop_corpus(tmp_path / "corpus", tmp_path / "out", FaceCropper(detector), 32, **options)  # noqa: E731
    crop(frame_order="name")
    with pytest.raises(ValueError, match=r'"frame_order": "natural"'):
        crop()
    settings = json.loads((tmp_path / "out" / "faces.json").read_text())
    del settings["frame_order"]  # as in earlier versions
    (tmp_path / "out" / "faces.json").write_text(json.dumps(settings))
    assert [outcome.status for outcome in crop(frame_order="name")] == ["cropped"]
    with pytest.raises(ValueError, match=r'"frame_order": "natural"'):
        crop()


def test_aligned_and_unaligned_crops_are_not_mixed(corpus, tmp_path, detector, monkeypatch, capsys):
    monkeypatch.setattr("lgi_former.image_processing.CenterFaceDetector", lambda **settings: detector)
    (corpus / "sad" / "broken.mp4").unlink()
    for options, others, advice in (
        ([], ["--no_align"], "leave out --no_align"),
        (["--no_align"], [], "add --no_align"),
    ):
        command = ["prepare", "faces", str(corpus), str(tmp_path / "".join(["crops", *options])), "--size", "32"]
        assert main([*command, *options]) == 0
        assert "Finding faces took" in capsys.readouterr().out
        assert main([*command, *others]) == 2
        assert advice in capsys.readouterr().err
        assert main([*command, *options]) == 0
    capsys.readouterr()
    settings = json.loads((tmp_path / "crops--no_align" / "faces.json").read_text())
    del settings["align"]  # as in earlier versions, which did not align
    (tmp_path / "crops--no_align" / "faces.json").write_text(json.dumps(settings))
    assert main(command) == 2 and "add --no_align" in capsys.readouterr().err
    assert main([*command, "--no_align"]) == 0


def test_crops_of_a_tilted_face_are_upright(tmp_path):
    y, x = np.mgrid[:96, :96] - 47.5
    upper = (y * np.cos(0.5) - x * np.sin(0.5) < 0) * np.uint8(255)  # the upper half of a head, rotated by 0.5 radians
    (tmp_path / "corpus" / "one").mkdir(parents=True)
    Image.fromarray(upper).save(tmp_path / "corpus" / "one" / "0.png")
    points = 48 + 48j + 40 * np.exp(0.5j) * MEAN_LANDMARKS
    row = [28, 28, 68, 68, 0.9, *np.column_stack([points.real, points.imag]).ravel()]
    crop_corpus(tmp_path / "corpus", tmp_path / "out", FaceCropper(lambda image: np.array([row])), size=32)
    crop = np.asarray(Image.open(tmp_path / "out" / "one" / "000000.jpg"))
    assert crop[:14].min() > 240 and crop[18:].max() < 15


def test_animated_images_are_videos(tmp_path, detector):
    write_growing(tmp_path / "frames", count=4)
    pictures = [Image.open(tmp_path / "frames" / f"{number}.png") for number in range(1, 5)]
    for name in ("a.gif", "b.webp", "c.png"):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        pictures[0].save(tmp_path / "corpus" / name, save_all=True, append_images=pictures[1:], duration=100)
    outcomes = crop_corpus(tmp_path / "corpus", tmp_path / "out", FaceCropper(detector), 32)
    assert [(outcome.video, outcome.status, outcome.frames) for outcome in outcomes] == [
        (name, "cropped", 4) for name in ("a.gif", "b.webp", "c.png")
    ]
    single = crop_corpus(tmp_path / "corpus" / "b.webp", tmp_path / "one", FaceCropper(detector), 32)
    assert [(outcome.video, outcome.frames) for outcome in single] == [("b.webp", 4)]


@pytest.mark.parametrize("name", ["video.mp4", "video.gif", "folder"])
def test_a_folder_of_frames_and_videos_is_refused(name, tmp_path, detector):
    write_frames(tmp_path / "corpus" / "one", left=20)
    if name == "folder":
        write_frames(tmp_path / "corpus" / "one" / name, left=20)
    else:
        (tmp_path / "corpus" / "one" / name).write_bytes(b"GIF89a")
    for source in (tmp_path / "corpus", tmp_path / "corpus" / "one"):
        with pytest.raises(ValueError, match=f"one' holds both frames and a video \\('{name}'\\)"):
            crop_corpus(source, tmp_path / "out", FaceCropper(detector), 32)


def test_only_a_section_is_cropped_and_another_section_needs_another_folder(tmp_path, detector):
    write_frames(tmp_path / "corpus" / "one", left=20, count=30)

    def crop(**section):
        return crop_corpus(tmp_path / "corpus", tmp_path / "crops", FaceCropper(detector, margin=1.0), 32, **section)

    (outcome,) = crop(start=0.4, end="0:00.8")
    assert outcome.frames == 10
    assert files_in(tmp_path / "crops" / "one")[0] == "000010.jpg"
    assert crop(start=0.4, end="0:00.8") == [outcome]
    with pytest.raises(ValueError, match="Use the same settings or another folder"):
        crop()


def test_a_video_that_ends_before_the_section_fails(crop, corpus, tmp_path, detector):
    outcomes = crop_corpus(corpus, tmp_path / "crops", FaceCropper(detector, margin=1.0), 32, start=0.4, frame_rate=20)
    reasons = {outcome.video: outcome.reason for outcome in outcomes}
    assert reasons["happy/one"] == ""  # 12 frames at 20 frames per second
    outcomes = crop_corpus(corpus, tmp_path / "late", FaceCropper(detector, margin=1.0), 32, start=0.6, frame_rate=20)
    assert "ends after 0.600 seconds" in {outcome.video: outcome.reason for outcome in outcomes}["happy/one"]
