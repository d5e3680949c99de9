"""Shapes are checked in every test, but not in every step of a loop."""

import pytest
import torch
from jaxtyping import Float, TypeCheckError, jaxtyped
from torch import Tensor

import shape_checks
from intertwine.groups.haar import haar_orthogonal


@jaxtyped(typechecker=shape_checks.first_calls)
def swapped(x: Float[Tensor, "node channel"]) -> Float[Tensor, "channel node"]:
    return x if len(x) == 3 else x.mT


@pytest.mark.parametrize("_", ["one test", "the next"])
def test_first_calls_of_a_test_are_checked(_):
    for _ in range(shape_checks.FIRST // 2):
        with pytest.raises(TypeCheckError):
            swapped(torch.zeros(3, 2))
        with pytest.raises(TypeCheckError):
            swapped(torch.zeros(3))


def test_later_calls_are_not():
    for _ in range(shape_checks.FIRST):
        swapped(torch.zeros(4, 2))
    assert swapped(torch.zeros(3, 2)).shape == (3, 2)


def test_the_library_is_checked():
    with pytest.raises(TypeCheckError):
        haar_orthogonal("three")
