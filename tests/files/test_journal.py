"""Journals: what a killed, stopped or damaged one still holds."""

import pytest

from lgi_former.files import Journal


SETTINGS = {"window": 1.5, "names": ["a"]}


@pytest.fixture
def path(tmp_path):
    """A journal of three items. One has a name that is not UTF-8, and one was replaced."""
    journal = Journal(tmp_path / "journal", SETTINGS)
    for key, item in [("a", {"x": 1.5}), ("b\udce9\n", [None]), ("c", "old"), ("c", "new")]:
        journal.append(key, item)
    journal.close()
    return journal.path


def test_items_survive(path):
    journal = Journal(path, SETTINGS)
    assert "d" not in journal
    assert [journal.read(key) for key in ("a", "b\udce9\n", "c")] == [{"x": 1.5}, [None], "new"]
    assert journal.num_damaged == 0
    journal.close()


@pytest.mark.parametrize("lost", [1, 5, 20])
def test_an_incomplete_last_line_is_overwritten(path, lost):
    path.write_bytes(path.read_bytes()[:-lost])
    journal = Journal(path, SETTINGS)
    assert journal.read("c") == "old"
    journal.append("d", 4)
    journal.close()
    journal = Journal(path, SETTINGS)
    assert (journal.read("c"), journal.read("d"), journal.num_damaged) == ("old", 4, 0)
    journal.close()


@pytest.mark.parametrize("damage", [(b"1.5}", b"2.5}"), (b'{"x"', b"\n\n"), (b" [", b"\0\0")])
def test_a_damaged_line_is_missing(path, damage):
    """Another number, a line end, zero bytes as of a crashed disk: in the line of the first item."""
    settings, first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([settings, first.replace(*damage), *others]))
    journal = Journal(path, SETTINGS)
    assert "a" not in journal
    assert journal.num_damaged >= 1
    assert journal.read("c") == "new"
    journal.close()


@pytest.mark.parametrize("content", [b"", b"\n", b"no journal", b'00000000 ["settings", {}]\n'])
def test_a_file_without_settings_is_refused(tmp_path, content):
    (tmp_path / "journal").write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged\. Delete it to begin again"):
        Journal(tmp_path / "journal", SETTINGS)
    assert (tmp_path / "journal").read_bytes() == content


def test_other_settings_are_refused(path):
    with pytest.raises(ValueError, match=r"other settings: window was 1.5 and is 2, new was None and is True\."):
        Journal(path, {"window": 2, "names": ("a",), "new": True})
