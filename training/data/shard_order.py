"""In which order the videos of shards are read: shuffled, but not all over the corpus."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class ShardOrder(Sampler[int]):
    """Every video once, in another order in each epoch: the shards shuffled, and of what follows from them, the next
    `shuffle_buffer` videos at a time.

    So a run reads from few shards at once, and no more than their sizes has to be known: memory does not grow with
    the number of videos. The order follows from seed and epoch alone and is the same in all processes, so that
    Accelerate can deal out its batches among them, and skip those that a resumed run has seen.

    Where videos do not fill the last batch of every process, Accelerate repeats some of the epoch's first ones
    (`even_batches`), or drops the rest if `dataloader_drop_last` is set.

    Args:
        counts: Videos of each shard.
        seed: The run's seed.
        shuffle_buffer: Videos that are shuffled together. More mix better and read from more shards at once.

    Raises:
        ValueError: If `shuffle_buffer` is below 1.
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
        """Shuffle in another way from now on."""
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
            # Of a shard that is larger than the buffer, other videos come together in each epoch.
            videos = self.starts[shard] + generator.permutation(self.counts[shard])
            waiting = np.concatenate([waiting, videos])
            while len(waiting) >= self.shuffle_buffer:
                yield waiting[: self.shuffle_buffer]
                waiting = waiting[self.shuffle_buffer :]
        yield waiting
