"""The process-wide random generators: seeded for a run, stored as tensors, given back untouched. No group acts here."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from intertwine.training.checkpoint import CheckpointError


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed torch, numpy and `random` inside a `with` block; afterwards they continue as if never used."""
    before = random_states()
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        restore_random_states(before)


def random_states() -> dict[str, Tensor]:
    """State of every process-wide generator: torch on the CPU and on each CUDA device, numpy, `random`.

    Example:
        >>> states = random_states()
        >>> first = torch.rand(2)
        >>> restore_random_states(states)
        >>> torch.equal(torch.rand(2), first)
        True
    """
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    words, position = numpy_state["state"]["key"].tolist(), numpy_state["state"]["pos"]
    version, integers, spare = random.getstate()
    states = {
        "torch": torch.get_rng_state(),
        "numpy": torch.tensor([*words, position, numpy_state["has_gauss"]], dtype=torch.int64),
        "numpy_gauss": torch.tensor(numpy_state["gauss"], dtype=torch.float64),
        "python": torch.tensor([version, *integers, spare is not None], dtype=torch.int64),
        "python_gauss": torch.tensor(spare or 0.0, dtype=torch.float64),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"cuda{index}"] = state
    return states


def restore_random_states(states: Mapping[str, Tensor], *, origin: str = "the checkpoint") -> None:
    """Set every generator to a state from `random_states`.

    Raises:
        CheckpointError: a state is missing or not one that the generator takes.
    """
    name = "torch"
    try:
        torch.set_rng_state(states["torch"])
        name = "numpy"
        *words, position, has_gauss = states["numpy"].tolist()
        np.random.set_state(
            ("MT19937", np.array(words, dtype=np.uint32), position, has_gauss, states["numpy_gauss"].item())
        )
        name = "python"
        version, *integers, has_spare = states["python"].tolist()
        random.setstate((version, tuple(integers), states["python_gauss"].item() if has_spare else None))
        if torch.cuda.is_available():
            for index in range(torch.cuda.device_count()):
                if f"cuda{index}" in states:
                    name = f"cuda{index}"
                    torch.cuda.set_rng_state(states[name], index)
    except (KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f'{origin}: the random state "{name}" is missing or not usable ({type(error).__name__}). '
            "Use another checkpoint, or start the run again."
        ) from None
