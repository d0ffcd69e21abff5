"""The order of several sources with shares."""

from collections import Counter
from types import SimpleNamespace

import pytest
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler

from lgi_former.training.data.mixed_order import MixedOrder
from lgi_former.training.data.shard_order import ShardOrder
from lgi_former.training.trainer.batches import TrainingBatches


def mixed(lengths=(10, 25, 3), shares=(2, 1, 1), seed=0):
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    rows = [range(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    orders = [ShardOrder([length], seed + number, length) for number, length in enumerate(lengths)]
    return MixedOrder(orders, rows, shares, seed)


def epochs(order, number):
    read = []
    for epoch in range(number):
        order.set_epoch(epoch)
        read.append(list(order))
    return read


def test_shares_are_exact_in_every_epoch():
    order = mixed()
    assert order.counts == [10, 5, 5] and len(order) == 20
    for items in epochs(order, 3):
        assert len(items) == 20
        assert sorted(item for item in items if item < 10) == [*range(10)]  # one pass over the first source
        assert sum(10 <= item < 35 for item in items) == 5


def test_each_item_is_read_before_any_is_read_again():
    read = [item for items in epochs(mixed(), 5) for item in items]
    assert sorted(item for item in read if 10 <= item < 35) == [*range(10, 35)]
    assert set(Counter(item for item in read if item >= 35).values()) == {8, 9}  # 25 items of a source of 3


def test_order_follows_from_seed_and_epoch():
    first, second = epochs(mixed(), 2)
    order = mixed()
    order.set_epoch(1)
    assert list(order) == list(order) == second
    assert first != second and epochs(mixed(seed=1), 1) != [first]
    assert [item < 10 for item in first] != sorted((item < 10 for item in first), reverse=True)  # not in blocks


def test_processes_divide_the_batches():
    order = mixed((8, 20), (1, 1))
    expected = list(BatchSampler(order, 2, False))
    parts = [list(BatchSamplerShard(BatchSampler(mixed((8, 20), (1, 1)), 2, False), 2, rank)) for rank in range(2)]
    assert [batch for pair in zip(*parts, strict=True) for batch in pair] == expected


def test_the_trainer_counts_the_items_of_an_epoch():
    assert len(TrainingBatches(SimpleNamespace(sampler=mixed()), list, 0)) == 20


def test_a_share_of_less_than_one_item_is_one_item():
    assert mixed((2, 5), (1, 0.01)).counts == [2, 1]


@pytest.mark.parametrize("shares", [(1,), (1, 2), (1, 0, 1), (1, -1, 1), (1, float("nan"), 1), (1, float("inf"), 1)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="mix="):
        mixed(shares=shares)


@pytest.mark.parametrize("shares", [(1e-12, 1), (1, 1e9), (1e-320, 1), (1, 400)])
def test_an_epoch_without_bound_is_refused(shares):
    with pytest.raises(ValueError, match=r"would make an epoch of .* videos from 7, because an epoch reads the first"):
        mixed((2, 5), shares)
    assert len(mixed((2, 5), (1, 340))) == 682
