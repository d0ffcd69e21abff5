"""Annotation lists that are refused, with file and line, because they do not list videos with one class each."""

import os
import re

import pytest
from datasets import Dataset

from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.labels import AnnotationError


def error_of(file, **options):
    with pytest.raises(AnnotationError) as caught:
        load_annotations(file, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700
    return message


@pytest.fixture
def refused(tmp_path):
    """`refused(content, name)`: the error of a list, which names the file."""

    def write(content, name="list.txt", **options):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        message = error_of(tmp_path / name, **options)
        assert f"'{tmp_path / name}'" in message
        return message

    return write


def rows_with_stray_quotes():
    rows = [f"v{number}.mp4,{'happy' if number % 2 else 'sad'}" for number in range(100)]
    rows[10], rows[90] = f'"{rows[10]}', f'"{rows[90]}'
    return "path,label\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (rows_with_stray_quotes(), 12),
        ('path,label\na.mp4,"happy\nb.mp4,sad"\n', 2),
        ('path,label\na.mp4,happy\n"b"c.mp4,sad\n', 3),
        ('path,label\na.mp4, "happy"\n', 2),
        ('path,label\na.mp4,happy\n"b, c.mp4,sad\n', 3),
        ('path\tlabel\na.mp4\thappy\n"b.mp4\tsad\n', 3),
    ],
)
def test_stray_quotation_marks(content, line, refused):
    assert f"line {line}: there is a stray quotation mark" in refused(content, "list.csv")


@pytest.mark.parametrize(
    "content", ['"my clip.mp4" happy\n', "'my clip.mp4' happy\n", '"my clip.mp4 happy"\n', '"a.mp4 happy\nb.mp4 sad\n']
)
def test_quotation_marks_in_plain_lists(content, refused):
    assert "line 1: the path" in (message := refused(content)) and "has quotation marks around it" in message


@pytest.mark.parametrize(
    "content", ['a.mp4 "happy"\n', "path,label\na.mp4,'happy'\n", 'path,label\na.mp4,"""happy"""\n']
)
def test_quotation_marks_around_labels(content, refused):
    assert re.search("line [12]: the label .* has quotation marks", refused(content))


@pytest.mark.parametrize("label", ["0.35", "-0.20", "1.0", "1e-3", ".5", "+1", "0,35", "\u22120.2", "inf", "1_0"])
def test_real_numbers(label, refused):
    message = refused(f"path\tlabel\na.mp4\t1\nb.mp4\t{label}\n", "list.tsv")
    assert f"line 3: the label '{label}' is a real number" in message and "--task regression" in message
    assert "is a real number" in refused(f"b.mp4 {label}\n", task="single_label")


@pytest.mark.parametrize("label", ["2024-01-02", "02.01.2024", "1/2/24", "2024-01-02 10:11:12", "10:11:12"])
def test_dates_and_times(label, refused):
    assert f"line 2: the label '{label}' looks like a date" in refused(f"path,label\na.mp4,{label}\nb.mp4,happy\n")


SEVERAL = [
    "happy;sad",
    "happy|sad",
    "happy,sad",
    "happy; sad",
    "['happy', 'sad']",
    "[happy]",
    "happy sad",
    "happy+sad",
]


@pytest.mark.parametrize("label", [*SEVERAL, "happy/sad", "1;2", "0 1 0", "1/2", "[1, 0]"])
def test_several_labels(label, refused):
    content = f"path\tlabel\na.mp4\thappy\nb.mp4\tsad\nc.mp4\t{label}\n"
    message = refused(content, "list.tsv", task="single_label")
    assert "line 4: the label" in message and "looks like several labels" in message


def test_several_labels_behind_a_path(refused):
    assert "line 2: something follows the video" in refused("a.mp4 happy\nb.mp4 happy sad\n")
    assert "line 2: the label 'sad;happy'" in refused("a.mp4 happy\nb.mp4 sad;happy\n", task="single_label")
    assert "line 1 has more than two columns" in refused("b.mp4\thappy\tsad\n")
    assert "line 2: 3 values under a header of 2" in refused("path,label\na.mp4,happy,sad\n")


@pytest.mark.parametrize("label", SEVERAL[:4])
def test_label_names_may_have_any_spelling(label, tmp_path):
    (tmp_path / "list.tsv").write_text(f"path\tlabel\na.mp4\t{label}\nb.mp4\tNA\n")
    assert load_annotations(tmp_path / "list.tsv", label_names=["NA", label])["label"][:] == [1, 0]


@pytest.mark.parametrize("label", ["nan", "NaN", "NA", "N/A", "null", "<NA>", "-", "?", "--", "..."])
def test_missing_labels(label, refused):
    assert f"line 2: the label '{label}' stands for a missing value" in refused(f"path,label\na.mp4,{label}\n")


@pytest.mark.parametrize(
    ("label", "same"), [("Happy", "happy"), ("HAPPY", "happy"), ("very  happy", "very happy"), ("ﬂat", "flat")]
)
def test_labels_that_differ_in_spelling_only(label, same, refused):
    message = refused(f"path,label\na.mp4,{label}\nb.mp4,sad\nc.mp4,{same}\n")
    assert f"line 4: the label '{same}' is spelt '{label}' elsewhere" in message and "line 2" in message


def test_an_unknown_label_suggests_the_same_name_in_other_case(refused):
    assert "(is it 'happy'?)" in refused("a.mp4 HAPPY\n", label_names=["happy", "sad"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"a.mp4 {'9' * 20}\n", "line 1: the label 99999999999999999999 is out of range"),
        (f"a.mp4 {'9' * 5000}\n", "line 1: the label '9+'... has 5000 characters"),
        (f"b.mp4 x\na.mp4 {'x' * 200_000}\n", "line 2: the label 'x+'... has 200000 characters"),
        (f"path,label\n{'x' * 200_000},happy\n", r"line 2: the path 'x+\.\.\.' has 200000 characters"),
        (f"{'x' * 200_000}\n", r"line 1: the path 'x+\.\.\.' has 200000 characters"),
        ("x" * 1_000_001, "line 1 is too long"),
        ("\f\na.mp4 happy\n", "line 1 holds a control character"),
        ("\fpath,label\na.mp4,happy\n", "line 1 holds a control character"),
        ("a.mp4 happy\n\n\x1bb.mp4 sad\n", "line 3 holds a control character"),
        ("a.mp4 happy\n\ufeffb.mp4 sad\n", "line 2 holds a control character"),
        ("b.mp4 sad\na\0.mp4 happy\n", "line 2: there is a zero byte"),
        ("a.mp4 happy\n" * 9000 + "a\0.mp4 sad\n", "line 9001 holds a control character"),
        ("a.mp4 happy\nb.mp4 sad\u200b\n", r"line 2: the label 'sad\\u200b' holds an invisible character"),
        ("a.mp4 happy\nb.mp4 glücklich\n".encode("latin-1"), r"not text in UTF-8 \(byte 20\) in line 2"),
        ("a.mp4 happy\n".encode("utf-16-le"), "line 1: there is a zero byte"),
        ("a.mp4 happy\n".encode("utf-16") + b"x", "not text in UTF-16"),
    ],
)
def test_content_that_is_not_a_list(content, message, refused):
    assert re.search(message, refused(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#my list\na.mp4 happy\n", "line 1: '#my list' may be a comment"),
        ("a.mp4 happy\n#b.mp4 sad\n", "line 2: '#b.mp4 sad' may be a comment"),
        ("// my list\na.mp4 happy\n", "line 1: '// my list' may be a comment"),
        ("; my list\na.mp4 happy\n", "line 1: '; my list' may be a comment"),
        ("path,label\na.mp4,happy\n#b.mp4,sad\n", "line 3: '#b.mp4,sad' may be a comment"),
        ("filename emotion\na.mp4 happy\n", "line 1: 'filename emotion' is a header that is not understood"),
        ("label path\nhappy a.mp4\n", "line 1: 'label path' is a header that is not understood"),
        ("clip\temotion\na.mp4\thappy\n", "names no column of videos"),
        ("name,label\na.mp4,happy\n", "names no column of videos"),
        ("path,video,label\na,b,c\n", "several columns"),
        ("path,label,Label\na,b,c\n", "several columns"),
        ("a.mp4,happy\nb.mp4,sad\n", "line 1: something follows the video in 'a.mp4,happy'"),
        ("a.mp4;happy\n", "line 1: something follows the video in 'a.mp4;happy'"),
        ("a.mp4, happy\n", "line 1: something follows the video in 'a.mp4,'"),
        ("path,label\na.mp4,happy,\n", "line 2: 3 values under a header of 2"),
        ("path,label\na.mp4\n", "line 2: 1 values under a header of 2. Add"),
        ('"path","label"\n"1","a.mp4","happy"\n', "line 2: 3 values under .* row names needs a name"),
        ("clip_id gt\na.mp4 happy\nb.mp4 sad\n", "line 1: 'clip_id gt' may be a header"),
        ("clip_id\tgt\na.mp4\thappy\nb.mp4\tsad\n", "line 1: 'clip_id gt' may be a header"),
        ("id label\nx happy\ny happy\n", "line 1: 'id label' may be a header"),
        ("pth labels\nx happy\ny happy\n", "line 1: 'pth labels' may be a header"),
        ("filename\na.mp4\nb.mp4\n", "line 1: 'filename' may be a header"),
        ("path label\na.mp4 happy\nPath Label\nb.mp4 sad\n", "line 3: 'Path' may be a header"),
        ("path,label\na.mp4,happy\npath,label\nb.mp4,sad\n", "line 3: 'path' may be a header"),
        ("video\na.mp4\nvideo\nb.mp4\n", "line 3: 'video' may be a header"),
        ("path,label\na.mp4,  \n", "line 2: the label is missing"),
        ("video\t0\nother\t1\n", "line 1: 'video, 0' may be a header or a video"),
        ("path,a.mp4\n", "line 1: 'path, a.mp4' may be a header or a video"),
        ("a b\tc.mp4 happy\n", "line 1: the label 'c.mp4 happy' looks like a video"),
        ("happy\ta.mp4\n", "line 1: the label 'a.mp4' looks like a video"),
        ("a.mp4 happy\nb.mp4 sad\na.mp4 sad\n", r"line 3 gives 'a.mp4' two labels, .* line 1 says 'happy'"),
        ("x//a.mp4 happy\nx/./a.mp4 sad\n", "line 2 gives 'x/./a.mp4' two labels"),
    ],
)
def test_lines_with_two_meanings(content, message, refused):
    assert re.search(message, refused(content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.json", b"[]", "that of a JSON file"),
        ("list.yaml", b"- a", "that of a YAML file"),
        ("list.xlsx", b"PK\x03\x04", "that of a workbook"),
        ("list.csv", b"PK\x03\x04\x14\0", "is an Excel workbook or a zip archive"),
        ("list.csv", b"PAR1\x15\x04", "is a Parquet file"),
        ("list.txt", b'[{"path": "a.mp4", "label": "happy"}]', "this is JSON, YAML or markup"),
        ("list.txt", b'{"a.mp4":\n "happy"}', "this is JSON, YAML or markup"),
        ("list.txt", b"---\npath: a.mp4\n", "this is JSON, YAML or markup"),
        ("list.mp4", b"\0\0\0\x18ftyp", "that of a video or an image"),
        ("list", b"\0\0\0\x18ftyp", "there is a zero byte"),
    ],
)
def test_other_files(name, content, message, refused):
    assert message in refused(content, name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for file in (tmp_path / "pipe", tmp_path / "link", "/dev/zero"):
        assert f"'{file}' is not a regular file" in error_of(file)
    assert "zero byte" in error_of("a\0b")


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (["1", "2"], ["a", "b"], "line 2: the label 2 is out of range.* counts from 1"),
        (["1", "0"], ["1", "2"], "line 2: the label '0' is unknown; the labels are 1, 2"),
        (["-1", "0"], None, "line 1: the label -1 is out of range"),
    ],
)
def test_numbers_that_are_not_indices(labels, names, message, refused):
    content = "".join(f"{number}.mp4 {label}\n" for number, label in enumerate(labels))
    assert re.search(message, refused(content, label_names=names))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.5, 1.0], "Row 0 of the data set: the label '0.5' is a real"),
        (["sad;shy", "sad"], "Row 0 of the data set: the label 'sad;shy' looks like several labels"),
    ],
)
def test_labels_of_data_sets_are_checked_too(labels, message):
    source = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": labels})
    assert message in error_of(source, task="single_label")


def test_numbers_without_zero_are_reported_if_classes_have_names(tmp_path, caplog):
    (tmp_path / "list.txt").write_text("a.mp4 1\nb.mp4 2\n")
    assert load_annotations(tmp_path / "list.txt", label_names=["1", "2"])["label"][:] == [0, 1]
    assert not caplog.text
    assert load_annotations(tmp_path / "list.txt", label_names=["x", "y", "z"])["label"][:] == [1, 2]
    assert "none is 0, the index of 'x'" in caplog.text
