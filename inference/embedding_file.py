"""Files of embeddings: `.npy` with a table of its rows beside it, or `.parquet` with everything in one table.

They are written row by row: the tokens of a large corpus do not fit into memory.
"""

import contextlib
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..files import unfinished
from ..messages import escaped


SUFFIXES = (".npy", ".parquet")
EMBEDDING_COLUMN = "embedding"
ROWS_AT_ONCE = 256  # of a Parquet file, a row group


@dataclass
class EmbeddingTable:
    """Embeddings and what their rows are.

    Attributes:
        embeddings (`np.ndarray` of shape `(rows, *shape)`): float32.
        columns (`dict[str, list]`): `video`, `label` if there are labels, and `view` if views were not averaged, one
            value a row each. Empty if an `.npy` file has lost its table.
    """

    embeddings: np.ndarray
    columns: dict[str, list]


def table_beside(path: str | Path) -> Path:
    """The table of an `.npy` file's rows: `faces.npy` has `faces.rows.csv`."""
    return Path(path).with_suffix(".rows.csv")


@contextlib.contextmanager
def writing_embeddings(path: str | Path) -> Iterator["_NpyWriter | _ParquetWriter"]:
    """Within it, `write(embedding, **columns)` of what it gives adds a row. The files are there once it is left, and
    none if it is left by an error or without a row.

    Args:
        path: `.npy` or `.parquet`. Folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = {".npy": _NpyWriter, ".parquet": _ParquetWriter}[path.suffix](path)
    try:
        yield writer
        writer.finish()
    finally:
        writer.discard()


def read_embeddings(path: str | Path) -> EmbeddingTable:
    """Read what `writing_embeddings` wrote.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            table = EmbeddingTable(np.load(path, allow_pickle=False), _read_rows(table_beside(path)))
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
    # Names of videos may be digits, and a label may be called "None".
    return pd.read_csv(path, dtype={"video": str}, keep_default_na=False).to_dict("list") if path.exists() else {}


def _storable(columns: dict) -> dict:
    """Values of a row, with escapes in names of files that are not UTF-8."""
    return {name: escaped(value) if isinstance(value, str) else value for name, value in columns.items()}


class _Writer:
    """Writes next to the final files, which they become when all is well."""

    def __init__(self, *paths: Path):
        self.paths = paths
        self.partial = [unfinished(path) for path in paths]
        self.num_rows = 0
        self.shape = None  # of a row

    def finish(self):
        self.close()
        if self.num_rows:
            for partial, path in zip(self.partial, self.paths, strict=True):
                partial.replace(path)

    def discard(self):
        try:
            self.close()
        finally:  # closing writes what is left, which fails again if a full disk was the reason
            for partial in self.partial:
                partial.unlink(missing_ok=True)


class _NpyWriter(_Writer):
    def __init__(self, path: Path):
        super().__init__(path, table_beside(path))
        self.array = self.partial[0].open("wb")
        self.table = self.partial[1].open("w", newline="", encoding="utf-8")

    def write(self, embedding: np.ndarray, **columns):
        if self.shape is None:
            self.shape = embedding.shape
            self._write_header()
            csv.writer(self.table).writerow(columns)
        self.array.write(embedding.astype("<f4").tobytes())
        csv.writer(self.table).writerow(_storable(columns).values())
        self.num_rows += 1

    def close(self):
        if self.shape is not None and not self.array.closed:
            self.array.seek(0)
            self._write_header()
        self.array.close()
        self.table.close()

    def _write_header(self):
        # NumPy leaves room in it for the first axis to grow, so that it can be written again.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.num_rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self.array, header)


class _ParquetWriter(_Writer):
    def __init__(self, path: Path):
        super().__init__(path)
        self.rows = []
        self.file = None

    def write(self, embedding: np.ndarray, **columns):
        self.shape = embedding.shape
        self.rows.append((embedding.astype(np.float32), _storable(columns)))
        self.num_rows += 1
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
        table = pa.table(columns | {EMBEDDING_COLUMN: values})
        if self.file is None:
            self.file = pq.ParquetWriter(self.partial[0], table.schema)
        self.file.write_table(table)
        self.rows = []
