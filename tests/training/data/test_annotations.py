import re

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, Video

from lgi_former.training.data.annotations import AnnotationError, check_that_videos_are_there, load_annotations


@pytest.fixture
def annotate(tmp_path):
    """`annotate(text)`: a new annotation file."""

    def write(text, name="train.txt"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def error_of(*args, **kwargs):
    with pytest.raises(AnnotationError) as caught:
        load_annotations(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_lines_of_path_and_label(annotate, tmp_path):
    file = annotate("a.mp4 1\nsome folder/second clip.mp4   0\n\nframes of it\t2\n")
    videos = load_annotations(file)
    assert videos["video"][:] == [str(tmp_path / p) for p in ("a.mp4", "some folder/second clip.mp4", "frames of it")]
    assert videos["label"][:] == [1, 0, 2]
    assert videos.features["label"] == Value("int64")


def test_line_ends_of_windows_and_byte_order_mark(annotate):
    videos = load_annotations(annotate(b"\xef\xbb\xbfa.mp4 happy\r\n\r\nb.mp4 sad\r\n"), data_root="/data")
    assert videos[:] == {"video": ["/data/a.mp4", "/data/b.mp4"], "label": [0, 1]}
    assert videos.features["label"].names == ["happy", "sad"]


def test_absolute_paths_and_urls_do_not_change(annotate):
    videos = load_annotations(annotate("/x/a.mp4 0\nhttps://host/b.mp4 0\nc.mp4 0"), data_root="/data")
    assert videos["video"][:] == ["/x/a.mp4", "https://host/b.mp4", "/data/c.mp4"]


def test_home_and_environment_variables(annotate, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("CLIPS", "/clips")
    (tmp_path / "$CLIPS.mp4").touch()
    videos = load_annotations(annotate("~/a.mp4 0\n${CLIPS}/b.mp4 0\n$CLIPS.mp4 0\nc~$.mp4 0\n"))
    expected = ["/home/me/a.mp4", "/clips/b.mp4", f"{tmp_path}/$CLIPS.mp4", f"{tmp_path}/c~$.mp4"]
    assert videos["video"][:] == expected
    monkeypatch.delenv("CLIPS")
    assert re.search(
        r"line 2: the environment variable \$CLIPS .* is not set", error_of(annotate("a 0\n$CLIPS/b 0\n"))
    )


def test_label_names_give_the_indices(annotate):
    videos = load_annotations(annotate("a.mp4 sad\nb.mp4 happy\nc.mp4 2"), label_names=["happy", "sad", "fear"])
    assert videos["label"][:] == [1, 0, 2]
    assert videos.features["label"] == ClassLabel(names=["happy", "sad", "fear"])


def test_lists_without_labels(annotate):
    videos = load_annotations(annotate("a clip.mp4\nframes/00001\nB.AVI\n"), data_root="d")
    assert videos[:] == {"video": ["d/a clip.mp4", "d/frames/00001", "d/B.AVI"]}
    assert load_annotations(annotate("my face.jpg\nB.PNG\n"), "d")[:] == {"video": ["d/my face.jpg", "d/B.PNG"]}


def test_csv_with_header(annotate, tmp_path):
    text = 'label,Video_Name,split\r\n3,"a, b.mp4",train\r\n\r\n0,c d,train\r\n'
    videos = load_annotations(annotate(text, "set_1.csv"))
    assert videos[:] == {"video": [str(tmp_path / "a, b.mp4"), str(tmp_path / "c d")], "label": [3, 0]}
    assert load_annotations(annotate("path\na.mp4\n", "b.txt")).column_names == ["video"]


def test_list_in_a_file_named_csv(annotate):
    # FERV39k has such lists
    videos = load_annotations(annotate("Action/Happy/0267 Happy\nAction/Sad/0268 Sad\n", "train_All.csv"), "d")
    assert videos[:] == {"video": ["d/Action/Happy/0267", "d/Action/Sad/0268"], "label": [0, 1]}


def test_folders_of_classes(tmp_path):
    for path in (
        "sad/frames/0.jpg",
        "sad/notes.txt",
        "happy/b.mp4",
        "happy/A.AVI",
        "happy/.hidden.mp4",
        ".git/x/y.mp4",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    videos = load_annotations(tmp_path)
    assert videos["video"][:] == [str(tmp_path / path) for path in ("happy/A.AVI", "happy/b.mp4", "sad/frames")]
    assert videos["label"][:] == [0, 0, 1]
    assert load_annotations(tmp_path, label_names=["sad", "happy"])["label"][:] == [1, 1, 0]


def test_names_that_are_not_utf_8(tmp_path):
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "\udcff.mp4").touch()
    assert "holds 'sad/\\udcff.mp4', a name that is not in UTF-8" in error_of(tmp_path)


def test_data_sets_of_paths():
    features = Features({"video": Video(), "label": ClassLabel(names=["sad", "happy"]), "more": Value("int64")})
    source = Dataset.from_dict({"video": ["a.mp4", "/b.mp4"], "label": [0, 1], "more": [1, 2]}, features)
    videos = load_annotations(source)
    assert videos[:] == {"video": ["a.mp4", "/b.mp4"], "label": [0, 1]}
    assert videos.features["label"].names == ["sad", "happy"]  # the order of the data set
    videos = load_annotations(source, "d", label_names=["happy", "sad"])
    assert videos[:] == {"video": ["d/a.mp4", "/b.mp4"], "label": [1, 0]}
    with pytest.raises(AnnotationError, match="Row 1 of the data set has no label"):
        load_annotations(Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": ["sad", None]}))
    assert load_annotations(Dataset.from_dict({"video": ["a.mp4"]}))[:] == {"video": ["a.mp4"]}


def test_videos_in_data_sets_do_not_change():
    rows = [{"bytes": b"x", "path": "a.mp4"}, {"bytes": None, "path": "b.mp4"}, None]
    features = Features({"video": Video(), "label": ClassLabel(names=["happy", "sad"]), "more": Value("int64")})
    source = Dataset.from_dict({"video": rows, "label": [1, 0, 1], "more": [1, 2, 3]}, features)
    videos = load_annotations(source, "d", label_names=["sad", "happy"])
    assert [videos[row] for row in range(3)] == [
        {"video": video, "label": label} for video, label in zip(rows, [0, 1, 0], strict=True)
    ]
    assert load_annotations(source.select([2, 0]))["label"][:] == [1, 1]  # the classes of the data set
    assert load_annotations(source.select([1]))[:] == {"video": ["b.mp4"], "label": [0]}
    assert "unknown" in error_of(source, label_names=["sad"])


def test_data_sets_that_do_not_fit():
    assert "no column 'video', only clip" in error_of(Dataset.from_dict({"clip": ["a.mp4"]}))
    assert "no video" in error_of(Dataset.from_dict({"video": []}))
    missing = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": [1, -1]})
    assert re.search("^Row 1 of the data set: the label -1 is out of range", error_of(missing))


@pytest.mark.parametrize(
    ("text", "label_names", "message"),
    [
        (
            "a.mp4 0\n\nb.mp4 hapy",
            ["happy", "sad"],
            r"train\.txt', line 3: the label 'hapy' is unknown \(is it 'happy'",
        ),
        ("a.mp4 0\nb.mp4 2", ["happy", "sad"], r"line 2: the label 2 is out of range. .* 0 to 1, for happy, sad"),
        ("a.mp4 0\nb.mp4 -1", None, r"line 2: the label -1 is out of range"),
        ("a.mp4 0\nb.mp4 happy", None, r"line 2: the label 'happy' is a name, but .* line 1 has the number 0"),
        ("a.mp4 0\n\nb c.mp4\n", None, r"line 3: there is no label"),
        ("\n \r\n", None, r"train\.txt' lists no video"),
        ("", None, r"train\.txt' lists no video"),
        ("video,label\n", None, r"train\.txt' lists no video"),
        ("video,label\na.mp4,0\na, b.mp4,0\n", None, r"line 3: 3 values under a header of 2"),
        ("video,label\na.mp4,\n", None, r"line 2: the label is missing"),
        ("video,label\n,1\n", None, r"line 2: the path is missing"),
        (b"a.mp4 \xff", None, r"train\.txt' is not text in UTF-8 \(byte 6\)"),
    ],
)
def test_errors_name_file_and_line(text, label_names, message, annotate):
    assert re.search(message, error_of(annotate(text), label_names=label_names))


def test_csv_with_an_unknown_header(annotate):
    assert re.search(r"a\.csv', line 2: the header 'clip,emotion'", error_of(annotate("\nclip,emotion\na,1", "a.csv")))


def test_lists_without_an_existing_video_are_refused(annotate, tmp_path):
    (tmp_path / "b").touch()
    check_that_videos_are_there(load_annotations(annotate("a\nb")))
    check_that_videos_are_there(load_annotations(annotate("a\nhf://b")))
    videos = load_annotations(annotate("\n".join(f"{number}.mp4" for number in range(1500))))
    with pytest.raises(AnnotationError, match=r"None of the 750 checked videos exists, .*0\.mp4"):
        check_that_videos_are_there(videos)


def test_missing_file_and_folders_without_videos(tmp_path):
    assert re.search(r"none\.txt' cannot be read .* No such file", error_of(tmp_path / "none.txt"))
    assert "holds no folders of classes" in error_of(tmp_path)
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "notes.txt").touch()
    assert re.search("class folder '.*happy' holds no videos", error_of(tmp_path))
    (tmp_path / "happy" / "a.mp4").touch()
    assert re.search("class folder '.*happy': the label 'happy' is unknown", error_of(tmp_path, label_names=["sad"]))


def test_other_sources_are_refused():
    assert "The videos are a DatasetDict" in error_of(DatasetDict(train=Dataset.from_dict({"video": ["a.mp4"]})))
    assert "is empty" in error_of("")
    assert "File name too long" in error_of("x" * 5000)


def test_rows_of_a_data_set_without_a_path_remain():
    videos = load_annotations(Dataset.from_dict({"video": ["a.mp4", None]}), "/data")
    assert videos["video"][:] == ["/data/a.mp4", None]
