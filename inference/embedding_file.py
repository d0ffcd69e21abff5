"""Files of embeddings: `.npy` with a table of its rows beside it, or `.parquet` with everything in one table.

Rows are written one by one, because the tokens of a large corpus do not fit into memory.
"""

import contextlib
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..files import as_text_cell, explained_write_errors, from_text_cell, put_in_place, unfinished
from ..messages import escaped
from .stored_settings import metadata_of, settings_beside


SUFFIXES = (".npy", ".parquet")
EMBEDDING_COLUMN = "embedding"
ROWS_AT_ONCE = 256  # rows of a row group of Parquet
ROWS_READ_AT_ONCE = 16


@dataclass
class EmbeddingTable:
    """Embeddings and the columns that describe their rows.

    Attributes:
        embeddings (`np.ndarray` of shape `(rows, *shape)`): float32.
        columns (`dict[str, list]`): A value for each row: `video`, `label` if there are labels, `view` if views were
            not averaged, and `start` and `end` in seconds, unless an earlier version wrote the file. Empty if the
            table of an `.npy` file is missing.
    """

    embeddings: np.ndarray
    columns: dict[str, list]


def table_beside(path: str | Path) -> Path:
    """The table with the rows of an `.npy` file: `faces.rows.csv` for `faces.npy`."""
    return Path(path).with_suffix(".rows.csv")


@contextlib.contextmanager
def embedding_writer(path: str | Path, settings: dict | None = None) -> Iterator["_Writer"]:
    """Write a file of embeddings atomically. `write(embedding, **columns)` of the yielded object adds a row.

    The files get their names at the end of the `with` block. After an error, or without a row, nothing is written.

    Args:
        path: `.npy` or `.parquet`. Missing folders are created.
        settings: What the embeddings depend on, for `read_settings`. None stores nothing.

    Raises:
        NotWrittenError: If the file cannot be written, for example to a full disk. It is an `OSError`.
    """
    path = Path(path)
    with explained_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = {".npy": _NpyWriter, ".parquet": _ParquetWriter}[path.suffix](path, settings)
        try:
            yield writer
            writer.close()
            if writer.num_rows:
                if path.suffix == ".npy":
                    settings_beside(path).unlink(missing_ok=True)  # those of the embeddings that are replaced
                for partial, final in zip(writer.partial, writer.paths, strict=True):
                    put_in_place(partial, final)
        finally:
            try:
                writer.close()
            finally:  # on a full disk, closing fails again
                for partial in writer.partial:
                    partial.unlink(missing_ok=True)


def iterate_embeddings(path: Path) -> Iterator[tuple[np.ndarray, dict]]:
    """Yield the embedding, float32, and the columns of each row of a file that `embedding_writer` wrote.

    Memory holds a few rows.

    Raises:
        ValueError: As `read_embeddings`, or if the table of an `.npy` file is missing.
    """
    if path.suffix == ".npy":
        table = read_embeddings(path, mmap_mode="r")
        if not table.columns:
            raise ValueError(f"'{table_beside(path)}' is missing, so the rows of '{path}' are unknown.")
        for index, embedding in enumerate(table.embeddings):
            yield np.array(embedding), {name: values[index] for name, values in table.columns.items()}
        return
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_READ_AT_ONCE):
            values, shape = batch[EMBEDDING_COLUMN], []
            while pa.types.is_fixed_size_list(values.type):
                shape.append(values.type.list_size)
                values = values.flatten()
            columns = batch.drop_columns([EMBEDDING_COLUMN]).to_pylist()
            yield from zip(values.to_numpy().reshape(len(batch), *shape), columns, strict=True)


def read_embeddings(path: str | Path, mmap_mode: str | None = None) -> EmbeddingTable:
    """Read a file that `embedding_writer` wrote.

    Args:
        mmap_mode: As for `numpy.load`, for `.npy`.

    Raises:
        ValueError: If there is no such file, or it has other content.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            array = np.load(path, mmap_mode, allow_pickle=False)
            table = EmbeddingTable(array, _read_rows(table_beside(path)))
        elif path.suffix == ".parquet":
            columns = pq.read_table(path).to_pydict()
            table = EmbeddingTable(np.array(columns.pop(EMBEDDING_COLUMN), dtype=np.float32), columns)
        else:
            raise ValueError
    except OSError as error:
        raise ValueError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, EOFError) as error:
        raise ValueError(
            f"'{path}' is not a file of embeddings ({' or '.join(SUFFIXES)}) as `lgi-former embed` writes them."
        ) from error
    for values in table.columns.values():
        if len(values) != len(table.embeddings):
            raise ValueError(
                f"'{table_beside(path)}' has {len(values)} rows, but '{path}' has {len(table.embeddings)}: they do "
                "not belong together."
            )
    return table


def _read_rows(path: Path) -> dict[str, list]:
    # A video name may consist of digits, and a label may be "None".
    if not path.exists():
        return {}
    table = pd.read_csv(path, dtype={"video": str}, keep_default_na=False)
    return {from_text_cell(name): list(map(from_text_cell, table[name])) for name in table}


class _Writer:
    """Writes unfinished files beside the final ones."""

    def __init__(self, *paths: Path):
        self.paths = paths
        self.partial = [unfinished(path) for path in paths]
        self.num_rows = 0
        self.shape = None  # of a row

    def write(self, embedding: np.ndarray, **columns):
        """Add a row. Bytes of file names that are not UTF-8 are escaped.

        Raises:
            ValueError: If the embedding does not have the shape of the first one.
        """
        if self.shape is None:
            self.shape = embedding.shape
        if embedding.shape != self.shape:
            raise ValueError(f"An embedding has the shape {embedding.shape}, but those before it {self.shape}.")
        columns = {name: escaped(value) if isinstance(value, str) else value for name, value in columns.items()}
        self._write_row(embedding.astype("<f4"), columns)
        self.num_rows += 1


class _NpyWriter(_Writer):
    def __init__(self, path: Path, settings: dict | None):
        super().__init__(path, table_beside(path), *([settings_beside(path)] if settings is not None else []))
        self.array = self.partial[0].open("wb")
        self.table_file = self.partial[1].open("w", newline="", encoding="utf-8")
        self.table = csv.writer(self.table_file)
        for file in self.partial[2:]:
            file.write_text(json.dumps(settings), encoding="utf-8")

    def _write_row(self, embedding: np.ndarray, columns: dict):
        if self.num_rows == 0:
            self._write_header()
            self.table.writerow(map(as_text_cell, columns))
        self.array.write(embedding.tobytes())
        self.table.writerow(map(as_text_cell, columns.values()))

    def close(self):
        if self.num_rows and not self.array.closed:
            self.array.seek(0)
            self._write_header()
        self.array.close()
        self.table_file.close()

    def _write_header(self):
        # NumPy pads a header, so it can be replaced by one with more rows.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.num_rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self.array, header)


class _ParquetWriter(_Writer):
    def __init__(self, path: Path, settings: dict | None):
        super().__init__(path)
        self.metadata = {} if settings is None else metadata_of(settings)
        self.rows = []
        self.file = None

    def _write_row(self, embedding: np.ndarray, columns: dict):
        self.rows.append((embedding, columns))
        if len(self.rows) == ROWS_AT_ONCE:
            self._flush()

    def close(self):
        if self.rows:
            self._flush()
        if self.file is not None:
            self.file.close()

    def _flush(self):
        embeddings = np.stack([embedding for embedding, _ in self.rows])
        columns = {name: [row[name] for _, row in self.rows] for name in self.rows[0][1]}
        values = pa.array(embeddings.ravel())
        for size in reversed(embeddings.shape[1:]):
            values = pa.FixedSizeListArray.from_arrays(values, size)
        table = pa.table(columns | {EMBEDDING_COLUMN: values}).replace_schema_metadata(self.metadata)
        if self.file is None:
            self.file = pq.ParquetWriter(self.partial[0], table.schema)
        self.file.write_table(table)
        self.rows = []
