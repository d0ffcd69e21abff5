import itertools
from collections import Counter

import numpy as np
import pytest

from lgi_former.training.data.shard_order import BalancedOrder, ShardOrder


COUNTS = [5, 0, 40, 7, 100, 1]


@pytest.mark.parametrize("shuffle_buffer", [1, 7, 40, 1000])
def test_every_video_once_an_epoch(shuffle_buffer):
    order = ShardOrder(COUNTS, seed=0, shuffle_buffer=shuffle_buffer)
    epochs = []
    for epoch in range(3):
        order.set_epoch(epoch)
        epochs.append(list(order))
        assert sorted(epochs[-1]) == list(range(153)) and len(order) == 153
        assert epochs[-1] == list(order)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != list(ShardOrder(COUNTS, seed=1, shuffle_buffer=shuffle_buffer))


def test_few_shards_are_read_at_once():
    order = list(ShardOrder([10] * 100, seed=0, shuffle_buffer=30))
    shards = [video // 10 for video in order]
    assert all(len(set(shards[start : start + 30])) <= 4 for start in range(0, 1000, 30))
    assert sum(a > b for a, b in itertools.pairwise(shards)) > 200  # within the buffer they are mixed
    assert len(set(shards[:300])) == 30  # ten buffers hold the videos of thirty shards


def test_a_billion_videos_need_no_memory():
    order = iter(ShardOrder([100_000] * 10_000, seed=0, shuffle_buffer=100))
    assert len({next(order) for _ in range(1000)}) == 1000


def test_an_empty_buffer_is_refused():
    with pytest.raises(ValueError, match="shuffle_buffer=0 must be at least 1"):
        ShardOrder(COUNTS, seed=0, shuffle_buffer=0)


LABELS = [0, 2] + 20 * [1] + 41 * [0]
"""Classes of 42, 20 and 1 videos."""


def epochs_of(order, number=30):
    for epoch in range(number):
        order.set_epoch(epoch)
        yield list(order)


def test_each_class_is_drawn_equally_often():
    order = BalancedOrder(LABELS, seed=0)
    drawn = list(epochs_of(order))
    assert all(Counter(LABELS[video] for video in epoch) == {0: 21, 1: 21, 2: 21} for epoch in drawn)
    first = Counter(drawn[0])
    assert first[1] == 21  # the only video of its class
    assert {first[video] for video in range(2, 22)} == {1, 2}  # all of them before one is repeated
    assert max(first[video] for video in range(22, 63)) == 1
    assert len({video for epoch in drawn for video in epoch}) == len(order) == 63
    assert drawn[0] != drawn[1] and drawn[0] == next(epochs_of(order))
    assert drawn[0] != next(epochs_of(BalancedOrder(LABELS, seed=1)))


@pytest.mark.parametrize("labels", [[0, 1, 1, 3], [5, 5, 5], [0, 1, 2, 3, 4], [7] + 20 * [3]])
def test_the_rest_is_drawn_among_the_classes(labels):
    counts = [Counter(labels[video] for video in epoch) for epoch in epochs_of(BalancedOrder(labels, seed=3), 300)]
    assert all(sum(count.values()) == len(labels) for count in counts)
    assert all(max(count.values()) - min(count.values()) <= 1 and len(count) == len(set(labels)) for count in counts)
    total = sum(counts, Counter())
    assert max(total.values()) <= 1.2 * min(total.values())  # no class is always the one that gets more


def test_balanced_order_reads_few_shards_at_once():
    labels = np.arange(1000) % 10 == 0  # 100 videos against 900
    order = list(BalancedOrder(labels, seed=0, shuffle_buffer=30, counts=[10] * 100))
    assert Counter(labels[order].tolist()) == {True: 500, False: 500}
    assert all(len({video // 10 for video in order[start : start + 30]}) <= 6 for start in range(0, 1000, 30))


def test_the_order_of_shards_is_that_of_earlier_versions():
    """Runs of earlier versions resume with the same order."""
    generator = np.random.default_rng([0, 0])
    shards = generator.permutation(2)
    window = np.concatenate([4 * shard + generator.permutation(4) for shard in shards])
    assert list(ShardOrder([4, 4], seed=0, shuffle_buffer=8)) == generator.permutation(window).tolist()[:8]
