"""Statements of SECURITY.md that no other test shows. `test_documents.py` checks that the named tests exist."""

import re
from pathlib import Path

import numpy as np
import pytest

import lgi_former
from lgi_former.inference.embedding_file import read_embeddings
from lgi_former.training.run.recipes import read_recipe


SECURITY = Path(lgi_former.__file__).parent / "SECURITY.md"


class _Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_recipe_is_data(tmp_path):
    (tmp_path / "recipe.yaml").write_text(f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'ran'}']\n")
    with pytest.raises(ValueError, match=r"recipe\.yaml"):
        read_recipe(str(tmp_path / "recipe.yaml"))
    assert not (tmp_path / "ran").exists()


def test_a_table_of_embeddings_is_data(tmp_path):
    np.save(tmp_path / "a.npy", np.array([_Evil(tmp_path / "ran")], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is not a file of embeddings"):
        read_embeddings(tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


def test_what_is_called_safe_names_a_test():
    rows = re.findall(r"^\|(?! ---| Input)(.+)\|$", SECURITY.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        _, _, verdict, test = (cell.strip() for cell in row.split("|"))
        assert "**not safe**" in verdict or "](tests/" in test, row


def test_faults_are_reported_in_private_without_an_address():
    text = SECURITY.read_text(encoding="utf-8")
    assert "Report a\nvulnerability" in text and not re.search(r"@[\w-]+\.\w", text)
