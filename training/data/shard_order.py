"""Orders in which a run reads videos. One reads few shards at a time, the other reads all classes equally often."""

import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class ShardOrder(Sampler[int]):
    """Shuffles the shards in each epoch, and then the videos within windows of `shuffle_buffer` videos.

    A run reads from few shards at once, and memory does not grow with the number of videos. The order depends only on
    seed and epoch. It is the same in all processes, so that Accelerate can divide the batches, and skip the batches
    that a resumed run has seen.

    The videos may not fill the last batch of every process. Then Accelerate repeats some videos of the epoch
    (`even_batches`), or drops the rest if `dataloader_drop_last` is set.

    Args:
        counts: Number of videos of each shard.
        seed: The run's seed.
        shuffle_buffer: Number of videos that are shuffled together. More videos mix better and come from more shards.
            A number below 1 raises a `ValueError`.
    """

    def __init__(self, counts: Sequence[int], seed: int, shuffle_buffer: int):
        if shuffle_buffer < 1:
            raise ValueError(f"shuffle_buffer={shuffle_buffer} must be at least 1.")
        self.counts = np.asarray(counts, dtype=np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        self.seed = seed
        self.shuffle_buffer = shuffle_buffer
        self.epoch = 0

    def set_epoch(self, epoch: int):
        """Draw another order from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return int(self.counts.sum())

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self.seed, self.epoch])
        for window in self._windows(generator):
            yield from generator.permutation(window).tolist()

    def _windows(self, generator: np.random.Generator) -> Iterator[np.ndarray]:
        videos_of = self._draw(generator)
        waiting = np.empty(0, dtype=np.int64)
        for shard in generator.permutation(len(self.counts)):
            # Shuffled here too, so that the windows of a shard larger than the buffer differ between epochs.
            videos = generator.permutation(videos_of(shard))
            waiting = np.concatenate([waiting, videos])
            while len(waiting) >= self.shuffle_buffer:
                yield waiting[: self.shuffle_buffer]
                waiting = waiting[self.shuffle_buffer :]
        yield waiting

    def _draw(self, generator: np.random.Generator) -> Callable[[int], np.ndarray]:
        """Draw the videos of an epoch. Returns a function from a shard to its drawn videos, int64 (videos,)."""
        return lambda shard: self.starts[shard] + np.arange(self.counts[shard])


class BalancedOrder(ShardOrder):
    """Draws each class equally often. An epoch has as many items as there are videos.

    Classes without a video are left out. If the items cannot be divided equally, some classes, which are drawn in each
    epoch, get one item more. Within a class, no video is drawn twice before all were drawn once. So a large class
    gives other videos in each epoch, and the videos of a small class are repeated.

    Args:
        labels: Class of each video, int (videos,).
        seed, shuffle_buffer: As for `ShardOrder`. By default all videos are shuffled together.
        counts: Number of videos of each shard. By default there is one shard.
    """

    def __init__(
        self,
        labels: Sequence[int],
        seed: int,
        shuffle_buffer: int | None = None,
        counts: Sequence[int] | None = None,
    ):
        labels = np.asarray(labels, dtype=np.int64)
        super().__init__(
            [len(labels)] if counts is None else counts,
            seed,
            len(labels) if shuffle_buffer is None else shuffle_buffer,
        )
        self.classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.name = f"balanced (labels {zlib.crc32(labels.tobytes()):08x})"

    def _draw(self, generator: np.random.Generator) -> Callable[[int], np.ndarray]:
        fewest, left = divmod(len(self), len(self.classes))
        gets_one_more = generator.permutation(len(self.classes)) < left
        drawn = []
        for videos, extra in zip(self.classes, gets_one_more, strict=True):
            rounds, rest = divmod(fewest + int(extra), len(videos))
            drawn += [np.tile(videos, rounds), generator.permutation(videos)[:rest]]
        drawn = np.sort(np.concatenate(drawn))
        bounds = np.searchsorted(drawn, [*self.starts, len(self)])
        return lambda shard: drawn[bounds[shard] : bounds[shard + 1]]
