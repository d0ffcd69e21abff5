"""Formats of annotation lists: the same videos and labels, written in different ways."""

import os

import pytest

from lgi_former.image_processing.decoding.local_videos import is_address
from lgi_former.training.data.annotations import check_that_videos_are_there, load_annotations
from lgi_former.training.data.labels import AnnotationError


READ = ["a b.mp4 happy", "c.mp4 sad"]


def read(tmp_path, content, name="list.txt", **options):
    """The lines `path label` that a list stands for."""
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    videos = load_annotations(file, "", **options)
    labels = videos.features["label"].int2str(videos["label"][:])
    return [f"{path} {label}" for path, label in zip(videos["video"], labels, strict=True)]


@pytest.mark.parametrize(
    "content",
    [
        "a b.mp4 happy\nc.mp4   sad\n",
        "a b.mp4\thappy\nc.mp4\t\tsad",
        "path label\na b.mp4 happy\nc.mp4 sad\n",
        "Video LABEL\na b.mp4 happy\nc.mp4 sad\n",
        "path\tlabel\na b.mp4\thappy\nc.mp4\tsad\n",
        "id\tPath\tLabel\n1\ta b.mp4\thappy\n2\tc.mp4\tsad\n",
        "Path,Label\na b.mp4,happy\nc.mp4,sad\n",
        '"path","label"\n"a b.mp4","happy"\n"c.mp4","sad"\n',
        '"","path","label"\n"1","a b.mp4","happy"\n"2","c.mp4","sad"\n',
        " path , label \n a b.mp4 , happy \n\tc.mp4,sad  \n",
        "path;label\na b.mp4;happy\nc.mp4;sad\n",
        "sep=;\r\npath;label\r\na b.mp4;happy\r\nc.mp4;sad\r\n",
        "path|label\na b.mp4|happy\nc.mp4|sad\n",
        "path,label,\na b.mp4,happy,\nc.mp4,sad,\n",
        "#,path,label\n1,a b.mp4,happy\n2,c.mp4,sad\n",
        "path,label,words\na b.mp4,happy," + "x" * 300_000 + "\nc.mp4,sad,\n",
        "path,label\n,\n\na b.mp4,happy\n  \nc.mp4,sad\n",
        "# my list\na b.mp4 happy\n## more\n#\nc.mp4 sad\n",
        "# my, list\npath,label\na b.mp4,happy\n# note\nc.mp4,sad\n",
        "a b.mp4 happy\rc.mp4 sad\r",
        "a b.mp4 happy\r\n\r\nc.mp4 sad\r\n",
        b"\xef\xbb\xbfpath,label\r\na b.mp4,happy\r\nc.mp4,sad\r\n",
        "a b.mp4 happy\r\nc.mp4 sad\r\n".encode("utf-16"),
        b"\xfe\xff" + "a b.mp4 happy\nc.mp4 sad\n".encode("utf-16-be"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "lst"])
def test_all_these_are_the_same_list(content, suffix, tmp_path):
    assert read(tmp_path, content, f"list.{suffix}") == READ


def test_quotation_marks_and_number_signs_inside_paths(tmp_path):
    content = 'the "best" of.mp4 happy\nit\'s #1.mp4 sad\n./#2.mp4 happy\n5" tall.mp4 sad\n'
    assert read(tmp_path, content) == content.splitlines()
    content = 'path,label\n"a, ""b"".mp4",happy\nd/#1.mp4,sad\nit\'s.mp4,sad\n'
    assert read(tmp_path, content) == ['a, "b".mp4 happy', "d/#1.mp4 sad", "it's.mp4 sad"]


@pytest.mark.parametrize("line", ["x,y.mp4 happy", "x;y.MP4  happy", "v|w.avi\thappy"])
def test_separators_in_the_first_path_of_a_plain_list(line, tmp_path):
    assert read(tmp_path, f"{line}\nb.mp4 sad\n", "list.csv") == [f"{line.split()[0]} happy", "b.mp4 sad"]


@pytest.mark.parametrize(
    "content", ["clip/1 gt\nb.mp4 happy\n", "./clip label\nb.mp4 happy\n", "x happy\ny happy\n", "x happy\ny sad\n"]
)
def test_first_lines_that_are_not_headers(content, tmp_path):
    assert read(tmp_path, content) == content.splitlines()


def test_numbers_as_names_may_have_zeros_in_front(tmp_path):
    (tmp_path / "a.txt").write_text("a.mp4 01\nb.mp4 2\nc.mp4 007\n")
    assert load_annotations(tmp_path / "a.txt", label_names=["1", "2", "007"])["label"][:] == [0, 1, 2]


def test_labels_hold_spaces_in_tables_and_behind_tabs(tmp_path):
    assert read(tmp_path, "path,label\na.mp4,very happy\n") == ["a.mp4 very happy"]
    assert read(tmp_path, "a b.mp4\tvery happy\nc d.mp4 sad\n") == ["a b.mp4 very happy", "c d.mp4 sad"]


def test_long_lists_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("lgi_former.training.data.annotation_tables.ROWS_AT_ONCE", 3)
    rows = [f"{number}.mp4,{'happy' if number % 2 else 'sad'}" for number in range(10)]
    assert read(tmp_path, "path,label\n" + "\n".join(rows)) == [row.replace(",", " ") for row in rows]
    with pytest.raises(AnnotationError, match=r"line 10: 3 values under a header of 2"):
        read(tmp_path, "\n".join(["path,label", *rows[:8], "8.mp4,sad,more", rows[9]]))


def test_comments_and_repeated_videos_are_reported(tmp_path, caplog):
    assert len(read(tmp_path, "# mine\na.mp4 happy\nb.mp4 sad\n./a.mp4 happy\n")) == 3
    assert "the first is line 1" in caplog.text
    assert "line 4 repeats './a.mp4' of" in caplog.text and "line 2" in caplog.text


@pytest.mark.parametrize("name", ["emotion", "labe", "gt"])
def test_a_column_of_labels_with_another_name_is_reported(name, tmp_path, caplog):
    (tmp_path / "a.csv").write_text(f",path,{name}\n0,a.mp4,happy\n")
    assert load_annotations(tmp_path / "a.csv").column_names == ["video"]
    assert f"so the videos have no labels. If another column has them, rename it. Not read: '{name}'." in caplog.text


@pytest.mark.parametrize("header", ["\tvideo", "video\t"])
def test_an_unnamed_column_beside_the_videos(header, tmp_path):
    row = "0\ta b.mp4" if header.startswith("\t") else "a b.mp4\t0"
    (tmp_path / "a.tsv").write_text(f"{header}\n{row}\n")
    assert load_annotations(tmp_path / "a.tsv", "")["video"][:] == ["a b.mp4"]


def test_two_labels_of_a_video_are_rows_on_request(tmp_path, caplog):
    content = "a.mp4 happy\na.mp4 sad\n"
    assert read(tmp_path, content, one_label=False) == content.splitlines()
    assert not caplog.text  # `embed` has a row for each line: nothing counts more than once


ABSOLUTE = [
    r"C:\clips\a.mp4",
    "D:/clips/b.mp4",
    "e://c.mp4",
    r"\\server\share\d.mp4",
    r"\\?\C:\e.mp4",
    r"\f.mp4",
    "/g.mp4",
]


def test_absolute_paths_of_any_system_do_not_change(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("".join(f"{path} 0\n" for path in [*ABSOLUTE, "s3://b/h.mp4", "zip://i.mp4::hf://x/y.zip"]))
    assert load_annotations(file, "/data")["video"][:-2] == ABSOLUTE
    file.write_text("C.mp4 0\nC:a.mp4 1\nclip::1.mp4 0\nsub\\a.mp4 1\n")
    relative = ["/data/C.mp4", "/data/C:a.mp4", "/data/clip::1.mp4", "/data/sub\\a.mp4"]
    assert load_annotations(file, "/data")["video"][:] == relative
    assert not any(map(is_address, [*ABSOLUTE, *relative])) and is_address("zip://i.mp4::hf://x/y.zip")


@pytest.mark.skipif(os.sep != "/", reason="is about paths of Windows elsewhere")
def test_missing_paths_of_windows_are_named_as_written(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("C:\\clips\\a.mp4 0\nD:/clips/b.mp4 1\n")
    with pytest.raises(AnnotationError, match=r"such as 'C:\\clips\\a\.mp4'\. This is a path of Windows"):
        check_that_videos_are_there(load_annotations(file))
    file.write_text("clips\\a.mp4 0\n")
    with pytest.raises(AnnotationError, match="write / between folders"):
        check_that_videos_are_there(load_annotations(file))
