import itertools

import pytest

from lgi_former.training.data.shard_order import ShardOrder


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
