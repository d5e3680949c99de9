"""The order in which items are seen: a seeded permutation an epoch, cut into batches. No group acts here."""

import hashlib
from collections.abc import Iterator

import torch


class EpochSampler:
    """Batches of item numbers, random but fixed by (seed, epoch, position).

    The sampler holds no state: `order(epoch)` is a permutation drawn from a generator of its own, and batch `position`
    is a slice of it. To resume is to ask for the same epoch from a later position. With several processes each takes
    every `world`-th item of the same global batch, so that their number does not change which items make a step.

    Example:
        >>> sampler = EpochSampler(5, batch_size=2, seed=0)
        >>> [len(batch) for batch in sampler.batches(epoch=0)]
        [2, 2, 1]
        >>> list(sampler.batches(epoch=3))[1:] == list(sampler.batches(epoch=3, start=1))
        True
    """

    def __init__(self, size: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1):
        if size < 1:
            raise ValueError("EpochSampler: there is nothing to train on, the list of training items is empty.")
        if not 0 <= rank < world:
            raise ValueError(f"EpochSampler: rank must be in [0, {world}), got {rank}.")
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world

    @property
    def steps(self) -> int:
        """Batches in an epoch; the last may be smaller."""
        return -(-self.size // self.batch_size)

    def order(self, epoch: int) -> list[int]:
        """The permutation of epoch `epoch`, the same on every process."""
        # Seed and epoch are hashed, not added: otherwise epoch 1 of seed 0 would be epoch 0 of seed 1.
        digest = hashlib.sha256(f"{self.seed} {epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
        return torch.randperm(self.size, generator=generator).tolist()

    def batches(self, epoch: int, start: int = 0) -> Iterator[list[int]]:
        """This process's share of each global batch of an epoch, from batch number `start`; a share may be empty."""
        order = self.order(epoch)
        for position in range(start, self.steps):
            batch = order[position * self.batch_size : (position + 1) * self.batch_size]
            yield batch[self.rank :: self.world]

    def batch_length(self, position: int) -> int:
        """Items in global batch number `position`, over all processes."""
        return min(self.batch_size, self.size - position * self.batch_size)
