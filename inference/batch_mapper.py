"""Functions of batches of rows, as Ray Data, Spark and `datasets` call them on many machines."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd


NO_PATH = "The row has no path of a video."


class BatchMapper(ABC):
    """Adds columns with results to a batch of rows. Each row names a video.

    A batch is a dictionary of columns (arrays or lists), as from Ray Data and `datasets.map(batched=True)`, or a
    `pandas.DataFrame`. An object has only settings, so it can be pickled and copied to any process.

    Args:
        column: The column with the paths of the videos.
    """

    def __init__(self, column: str = "video"):
        self.column = column

    def __call__(self, batch: Mapping[str, Any] | pd.DataFrame) -> dict[str, Any] | pd.DataFrame:
        """Add the results. One broken video does not stop the others: a column says why it failed.

        Returns:
            A batch of the same rows in the same order, with an array for each result.

        Raises:
            TypeError: If the batch is neither a dictionary nor a `DataFrame`.
            ValueError: If it has no column of this name, or already has a column of a result.
        """
        if not isinstance(batch, (Mapping, pd.DataFrame)):
            raise TypeError(
                f"The batch is a {type(batch).__name__}. Give a dictionary of columns or a pandas DataFrame, such as "
                'with batch_format="pandas" of Ray Data.'
            )
        names = list(batch)
        if self.column not in names:
            raise ValueError(
                f"The batch has no column '{self.column}', only {', '.join(map(str, names))}. Name the column of the "
                "paths with column=."
            )
        videos = [os.fspath(path) if _is_path(path) else None for path in batch[self.column]]
        results = self.results(videos, names)
        if taken := [name for name in results if name in names]:
            raise ValueError(
                f"The batch already has the columns {', '.join(taken)}, which are results. Rename or drop them first."
            )
        if isinstance(batch, pd.DataFrame):
            return pd.concat([batch, results.set_axis(batch.index)], axis="columns")
        return {**batch, **{name: column.to_numpy() for name, column in results.items()}}

    def map_in_pandas(self, batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Add the results to each batch, as the function of Spark's `mapInPandas`."""
        return map(self, batches)

    @abstractmethod
    def results(self, videos: list[str | None], names: list[str]) -> pd.DataFrame:
        """The new columns, with a row for each video. Columns have one type, whether videos fail or not.

        Args:
            videos: Paths. None for a row without one.
            names: The columns of the batch.
        """


def table(rows: list[dict], example: dict) -> pd.DataFrame:
    """A table of results. Its columns have the types of the values in `example`."""
    return pd.DataFrame(rows, columns=list(example)).astype({name: type(value) for name, value in example.items()})


def _is_path(value) -> bool:
    return isinstance(value, (str, os.PathLike)) and bool(os.fspath(value))
