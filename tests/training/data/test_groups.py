"""The persons of a list's videos."""

import pytest

from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.groups import groups_of
from lgi_former.training.data.labels import AnnotationError


@pytest.fixture
def read(tmp_path):
    """Function from the text of a list to the column and the groups of its videos."""

    def groups(text, column=None):
        file = tmp_path / "list.csv"
        file.write_text(text)
        return groups_of(file, list(load_annotations(file)["video"]), column)

    return groups


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("path,label,Person\na.mp4,0,Ann\nb.mp4,1,Bo\n", None, ("Person", ["Ann", "Bo"])),
        ("subject_id;path;label\n7;x/a.mp4;0\n\n08; y/a.mp4;1\n", None, ("subject_id", ["7", "08"])),
        ("sep=,\n# a comment\npath,label,age,actor\n./a.mp4,0,3,1\n,,,\nb.mp4,1,4,1\n", None, ("actor", ["1", "1"])),
        ('path,label,speaker,who\na.mp4,0,1,"Ann, B"\nb.mp4,1,2,Bo\n', "WHO", ("who", ["Ann, B", "Bo"])),
        ("path,label,person,speaker\na.mp4,0,1,2\nb.mp4,1,3,4\n", None, ("person", ["1", "3"])),
        ("path,label,person\na.mp4,0,1\nb.mp4,1,3\n", "none", (None, None)),
        ("path,label,age\na.mp4,0,1\nb.mp4,1,3\n", None, (None, None)),
        ("a.mp4 0\nb.mp4 1\n", None, (None, None)),
        ("person.mp4 0\nb.mp4 1\n", None, (None, None)),
    ],
)
def test_the_column_of_persons_is_found(text, column, expected, read):
    assert read(text, column) == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("path,label,person\na.mp4,0,Ann\nb.mp4,1,\n", None, "line 3: the column 'person' is empty"),
        (
            "path,label,person\na.mp4,0,Ann\na.mp4,0,Bo\n",
            None,
            "line 3: 'a.mp4' is of 'Bo', but an earlier line says 'Ann'",
        ),
        (
            "path,label,persona\na.mp4,0,Ann\nb.mp4,1,Bo\n",
            "person",
            "has the columns path, label, persona, but group_column is 'person'; did you mean persona",
        ),
        ("a.mp4 0\nb.mp4 1\n", "person", "has no columns, but group_column is 'person'. Name the column"),
    ],
)
def test_groups_that_are_not_clear_are_refused(text, column, message, read):
    with pytest.raises(AnnotationError, match=message.replace("?", r"\?")):
        read(text, column)


def test_class_folders_have_no_groups(tmp_path):
    assert groups_of(tmp_path, []) == (None, None)
    with pytest.raises(AnnotationError, match="has no columns"):
        groups_of(tmp_path, [], "person")


def test_a_row_for_each_frame_is_one_video(tmp_path):
    (tmp_path / "list.csv").write_text("path,frame,label,person\na.mp4,0,0,Ann\na.mp4,1,1,Ann\nb.mp4,0,1,Bo\n")
    assert groups_of(tmp_path / "list.csv", ["/x/a.mp4", "/x/b.mp4"]) == ("person", ["Ann", "Bo"])
    with pytest.raises(AnnotationError, match="cannot be matched"):
        groups_of(tmp_path / "list.csv", ["/x/b.mp4", "/x/a.mp4"])
