"""The order in which the videos of shards are read."""

from collections.abc import Iterator, Sequence

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
        waiting = np.empty(0, dtype=np.int64)
        for shard in generator.permutation(len(self.counts)):
            # Shuffled here too, so that the windows of a shard larger than the buffer differ between epochs.
            videos = self.starts[shard] + generator.permutation(self.counts[shard])
            waiting = np.concatenate([waiting, videos])
            while len(waiting) >= self.shuffle_buffer:
                yield waiting[: self.shuffle_buffer]
                waiting = waiting[self.shuffle_buffer :]
        yield waiting
