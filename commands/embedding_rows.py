"""Rows of `lgi-former embed --data` in a journal, so that a run that was stopped continues."""

import base64

import numpy as np

from ..files import Journal


class JournalWriter:
    """Takes rows as the writer of `embedding_writer` does, and stores the rows of each finished video in a journal."""

    def __init__(self, journal: Journal):
        self.journal = journal
        self._rows = []

    def write(self, embedding: np.ndarray, **columns):
        """Add a row of the current video."""
        values = base64.b64encode(embedding.astype("<f4").tobytes()).decode()
        self._rows.append({"shape": embedding.shape, "values": values, "columns": columns})

    def finish(self, key: str):
        """Store the rows of the current video."""
        self.journal.append(key, self._rows)
        self._rows = []

    def copy(self, key: str, writer):
        """Write the rows of a finished video with a writer of `embedding_writer`."""
        for row in self.journal.read(key):
            values = np.frombuffer(base64.b64decode(row["values"]), "<f4").reshape(row["shape"])
            writer.write(values, **row["columns"])
