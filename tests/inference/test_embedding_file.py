"""Files of embeddings: whole or not there at all, and readable by NumPy, pandas and datasets."""

import datasets
import numpy as np
import pandas as pd
import pytest

from lgi_former.inference import embedding_file
from lgi_former.inference.embedding_file import read_embeddings, table_beside, writing_embeddings


SHAPES = {"clip": (6,), "region": (2, 6)}


def _write(path, shape, number=5):
    embeddings = np.random.default_rng(0).normal(size=(number, *shape)).astype(np.float32)
    with writing_embeddings(path) as writer:
        for row, embedding in enumerate(embeddings):
            writer.write(embedding, video=f"a, {row}.mp4", label="happy" if row % 2 else "sad")
    return embeddings


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_what_was_written_is_read(suffix, shape, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_file, "ROWS_AT_ONCE", 2)
    path = tmp_path / "new" / f"embeddings{suffix}"
    embeddings = _write(path, shape)
    table = read_embeddings(path)
    np.testing.assert_array_equal(table.embeddings, embeddings)
    assert table.columns["video"] == [f"a, {row}.mp4" for row in range(5)]
    assert table.columns["label"] == ["sad", "happy", "sad", "happy", "sad"]
    assert len(list(path.parent.iterdir())) == (2 if suffix == ".npy" else 1)


def test_numpy_and_pandas_read_the_two_files_of_an_array(tmp_path):
    embeddings = _write(tmp_path / "faces.npy", (6,), number=12)
    np.testing.assert_array_equal(np.load(tmp_path / "faces.npy"), embeddings)
    assert pd.read_csv(tmp_path / "faces.rows.csv")["video"][11] == "a, 11.mp4"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_pandas_and_datasets_read_parquet(shape, tmp_path):
    path = tmp_path / "faces.parquet"
    embeddings = _write(path, shape)
    column = pd.read_parquet(path)["embedding"]
    np.testing.assert_array_equal(np.stack([np.stack(row) for row in column]), embeddings)
    loaded = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache")).with_format("numpy")
    np.testing.assert_array_equal(loaded["embedding"][:], embeddings)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize("rows", [0, 2])
def test_an_interrupted_file_leaves_what_was_there(suffix, rows, tmp_path):
    path = tmp_path / f"faces{suffix}"
    _write(path, (6,))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt), writing_embeddings(path) as writer:
        for _ in range(rows):
            writer.write(np.zeros(6), video="a")
        raise KeyboardInterrupt
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_without_a_row_there_is_no_file(suffix, tmp_path):
    _write(tmp_path / f"faces{suffix}", (6,), number=0)
    assert not any(tmp_path.iterdir())


def test_an_array_without_its_table_is_read(tmp_path):
    _write(tmp_path / "faces.npy", (6,))
    table_beside(tmp_path / "faces.npy").unlink()
    assert read_embeddings(tmp_path / "faces.npy").columns == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.npy", None, "cannot be read"),
        ("missing.parquet", None, "cannot be read"),
        ("other.npy", b"something else", "is not a file of embeddings"),
        ("other.parquet", b"something else", "is not a file of embeddings"),
        ("faces.csv", b"video,label", ".npy or .parquet"),
    ],
)
def test_what_is_no_file_of_embeddings_is_refused(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_embeddings(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_that_does_not_belong_to_the_array_is_refused(tmp_path):
    _write(tmp_path / "faces.npy", (6,))
    np.save(tmp_path / "faces.npy", np.zeros((3, 6), dtype=np.float32))
    with pytest.raises(ValueError, match=r"faces\.rows\.csv' has 5 rows, but .* 3"):
        read_embeddings(tmp_path / "faces.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
def test_nothing_is_left_of_what_cannot_be_written_to_the_end(name, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"), writing_embeddings(tmp_path / name) as writer:
        writer.write(np.zeros(4, np.float32), video="a")
        monkeypatch.setattr(writer, "_write_header" if name.endswith("npy") else "_flush", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["faces.npy", "faces.parquet"])
def test_names_that_are_no_text_are_escaped(tmp_path, name):
    with writing_embeddings(tmp_path / name) as writer:
        for video in ("caf\udce9.mp4", "幸せ😀.mp4"):
            writer.write(np.zeros(3, np.float32), video=video, label="fröhlich")
    columns = read_embeddings(tmp_path / name).columns
    assert columns == {"video": ["caf\\udce9.mp4", "幸せ😀.mp4"], "label": ["fröhlich"] * 2}
