"""Files of embeddings: written atomically, and readable by NumPy, pandas and datasets."""

import datasets
import numpy as np
import pandas as pd
import pytest

from lgi_former.inference import embedding_file
from lgi_former.inference.embedding_file import embedding_writer, read_embeddings, table_beside


SHAPES = {"clip": (6,), "region": (2, 6)}


def _write(path, shape, number=5):
    embeddings = np.random.default_rng(0).normal(size=(number, *shape)).astype(np.float32)
    with embedding_writer(path) as writer:
        for row, embedding in enumerate(embeddings):
            writer.write(embedding, video=f"a, {row}.mp4", label="happy" if row % 2 else "sad")
    return embeddings


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_written_file_is_read(suffix, shape, tmp_path, monkeypatch):
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
def test_an_interruption_leaves_the_existing_file(suffix, rows, tmp_path):
    path = tmp_path / f"faces{suffix}"
    _write(path, (6,))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt), embedding_writer(path) as writer:
        for _ in range(rows):
            writer.write(np.zeros(6), video="a")
        raise KeyboardInterrupt
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_no_row_gives_no_file(suffix, tmp_path):
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
def test_other_files_are_refused(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_embeddings(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_the_table_of_another_array_is_refused(tmp_path):
    _write(tmp_path / "faces.npy", (6,))
    np.save(tmp_path / "faces.npy", np.zeros((3, 6), dtype=np.float32))
    with pytest.raises(ValueError, match=r"faces\.rows\.csv' has 5 rows, but .* 3"):
        read_embeddings(tmp_path / "faces.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
def test_a_full_disk_leaves_no_file(name, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"), embedding_writer(tmp_path / name) as writer:
        writer.write(np.zeros(4, np.float32), video="a")
        monkeypatch.setattr(writer, "_write_header" if name.endswith("npy") else "_flush", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["faces.npy", "faces.parquet"])
def test_names_that_are_not_utf8_are_escaped(tmp_path, name):
    with embedding_writer(tmp_path / name) as writer:
        for video in ("caf\udce9.mp4", "幸せ😀.mp4"):
            writer.write(np.zeros(3, np.float32), video=video, label="fröhlich")
    columns = read_embeddings(tmp_path / name).columns
    assert columns == {"video": ["caf\\udce9.mp4", "幸せ😀.mp4"], "label": ["fröhlich"] * 2}


@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
@pytest.mark.parametrize("shape", [(4,), (2, 3), ()])
def test_embeddings_of_different_shapes_are_refused(name, shape, tmp_path):
    with pytest.raises(ValueError, match="shape"), embedding_writer(tmp_path / name) as writer:
        writer.write(np.zeros(3, np.float32), video="a")
        writer.write(np.zeros(shape, np.float32), video="b")
    assert list(tmp_path.iterdir()) == []
