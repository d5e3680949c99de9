"""The order of the items is fixed by seed, epoch and position, whatever the number of processes."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as some

from examples import examples
from intertwine.training.sampler import EpochSampler


@examples(60)
@given(size=some.integers(1, 60), batch=some.integers(1, 20), seed=some.integers(0, 10**9), world=some.integers(1, 5))
def test_processes_together_see_every_item_once_in_the_batches_of_one_process(size, batch, seed, world):
    alone = list(EpochSampler(size, batch_size=batch, seed=seed).batches(epoch=2))
    assert sorted(chain(*alone)) == list(range(size))
    assert len(alone) == EpochSampler(size, batch_size=batch, seed=seed).steps
    shares = [
        list(EpochSampler(size, batch_size=batch, seed=seed, rank=rank, world=world).batches(2))
        for rank in range(world)
    ]
    for step, items in enumerate(alone):
        assert sorted(chain(*(share[step] for share in shares))) == sorted(items)


def test_a_later_start_skips_the_earlier_batches_and_nothing_else():
    sampler = EpochSampler(17, batch_size=4, seed=9)
    assert list(sampler.batches(5, start=3)) == list(sampler.batches(5))[3:]


def test_epochs_and_seeds_give_different_orders_also_along_the_diagonal():
    orders = {tuple(EpochSampler(30, batch_size=4, seed=seed).order(epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_batch_lengths_add_up():
    sampler = EpochSampler(17, batch_size=5, seed=0)
    assert [sampler.batch_length(position) for position in range(sampler.steps)] == [5, 5, 5, 2]


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="empty"):
        EpochSampler(0, batch_size=4, seed=0)
