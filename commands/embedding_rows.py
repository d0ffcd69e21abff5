"""The rows that `lgi-former embed` writes for a video, and their form in a journal."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .. import inference
from ..inference.embedding import VideoEmbedding
from ..messages import complain, first_line, shows_progress
from .options import section_of


class Row(NamedTuple):
    """An embedding and the columns that say where in the video it is: `view` of several, `start` and `end`."""

    embedding: np.ndarray
    columns: dict


class Embedder:
    """Embeds videos with the options of the command.

    Attributes:
        num_failed (`int`): Number of videos that cannot be embedded. They are reported on stderr.
    """

    def __init__(self, model, processor, args):
        self.model, self.processor, self.args = model, processor, args
        self.num_failed = 0

    def rows(self, videos: list) -> Iterator[tuple[int, list[Row]]]:
        """Yield the position and the rows of each video that can be embedded."""
        progress = tqdm(total=len(videos), unit="video", disable=len(videos) == 1 or not shows_progress())

        def report(video, message):
            self.num_failed += 1
            progress.update()
            with tqdm.external_write_mode():
                complain(first_line(ValueError(message)))

        args = self.args
        embeddings = inference.embed_videos(
            *(self.model, self.processor, videos, args.level, args.num_segments),
            window=args.window,
            stride=args.stride,
            cuts=not args.no_cuts,
            **section_of(args),
            batch_size=args.batch_size,
            num_workers=args.num_workers,
            on_failure=report,
        )
        with progress:
            for embedding in embeddings:
                yield embedding.index, list(self._rows_of(embedding))
                progress.update()

    def _rows_of(self, embedding: VideoEmbedding) -> Iterator[Row]:
        times = embedding.times.round(3)
        if self.args.keep_views or self.args.window is not None or self.args.stride is not None:
            for view, (values, (start, end)) in enumerate(zip(embedding.views, times.tolist(), strict=True)):
                yield Row(values, {"view": view, "start": start, "end": end})
        else:
            yield Row(embedding.mean, {"start": float(times.min()), "end": float(times.max())})


def to_json(rows: list[Row]) -> list[dict]:
    """Rows as JSON can store them."""
    return [
        {
            "shape": row.embedding.shape,
            "values": base64.b64encode(row.embedding.astype("<f4").tobytes()).decode(),
            "columns": row.columns,
        }
        for row in rows
    ]


def from_json(rows: list[dict]) -> Iterator[Row]:
    """The rows that `to_json` stored."""
    for row in rows:
        values = np.frombuffer(base64.b64decode(row["values"]), "<f4").reshape(row["shape"])
        yield Row(values, row["columns"])
