"""Features read as functions on the sphere, parity by parity; O(3) acts on `dim`; adds their products and brackets."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps

Functions = dict[int, Tensor]
"""Values by grade: 0 holds a function, p = (-1)^l, and 1 a pseudo-function, which the inversion flips once more."""
Gradients = dict[int, tuple[Tensor, Tensor]]
"""Two tangential derivatives by grade."""


class SphereTransform(nn.Module, ABC):
    """Harmonics to values at points and back: `GridTransform` and `TorusTransform`.

    Shapes: x `*batch dim channel`, values `*batch point channel`.
    """

    @abstractmethod
    def sample(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch point channel"]:
        """Values at the points."""

    @abstractmethod
    def gradient(
        self, x: Float[Tensor, "*batch dim channel"]
    ) -> tuple[Float[Tensor, "*batch point channel"], Float[Tensor, "*batch point channel"]]:
        """Derivatives along two orthonormal tangents at the points, right-handed with the outward normal."""

    @abstractmethod
    def expand(self, f: Float[Tensor, "*batch point channel"]) -> Float[Tensor, "*batch dim channel"]:
        """Harmonics of the values."""


class SphereFunction(nn.Module):
    """Splits a feature by parity and transforms each part.

    Entries with p = (-1)^l make up a function, the others a pseudo-function; equal entries add up.

    Shapes: features `*batch dim channel`, values `*batch point channel`.
    """

    def __init__(self, irreps: Irreps, transform: Callable[[Irreps], SphereTransform]):
        super().__init__()
        grade_of_entry = [int(not ir.natural) for ir in irreps]
        grade_of_row = torch.tensor(grade_of_entry)[entry_of_row(irreps)]
        self.grades = sorted(set(grade_of_entry))
        parts = [irreps.filter(lambda ir, grade=grade: ir.natural != bool(grade)) for grade in self.grades]
        self.transforms = nn.ModuleList(transform(part) for part in parts)
        rows = [torch.nonzero(grade_of_row == grade).flatten() for grade in self.grades]
        for grade, index in zip(self.grades, rows, strict=True):
            self.register_buffer(f"rows_{grade}", index, persistent=False)
        self.register_buffer("order", torch.cat(rows).argsort(), persistent=False)

    def sample(self, x: Float[Tensor, "*batch dim channel"]) -> Functions:
        """Values of both parts."""
        return {grade: transform.sample(self._rows(x, grade)) for grade, transform in self._parts()}

    def gradient(self, x: Float[Tensor, "*batch dim channel"]) -> Gradients:
        """Tangential derivatives of both parts."""
        return {grade: transform.gradient(self._rows(x, grade)) for grade, transform in self._parts()}

    def expand(self, functions: Mapping[int, Tensor]) -> Float[Tensor, "*batch dim channel"]:
        """Harmonics of both parts; a part that is absent is zero."""
        like = next(iter(functions.values()))
        parts = []
        for grade, transform in self._parts():
            if grade in functions:
                parts.append(transform.expand(functions[grade]))
            else:
                parts.append(like.new_zeros(*like.shape[:-2], len(self.get_buffer(f"rows_{grade}")), like.shape[-1]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2).index_select(-2, self.get_buffer("order"))

    def _parts(self) -> list[tuple[int, SphereTransform]]:
        return [(grade, cast(SphereTransform, each)) for grade, each in zip(self.grades, self.transforms, strict=True)]

    def _rows(self, x: Tensor, grade: int) -> Tensor:
        return x if len(self.grades) == 1 else x.index_select(-2, self.get_buffer(f"rows_{grade}"))


def multiply(f: Functions, g: Functions) -> Functions:
    """The pointwise product f g; a pseudo-function times a pseudo-function is a function."""
    return _add_up((one ^ two, a * b) for one, a in f.items() for two, b in g.items())


def bracket(f: Gradients, g: Gradients) -> Functions:
    """The Poisson bracket r . (grad f x grad g); of two functions it is a pseudo-function."""
    return _add_up((one ^ two ^ 1, fa * gb - fb * ga) for one, (fa, fb) in f.items() for two, (ga, gb) in g.items())


def _add_up(terms: Iterable[tuple[int, Tensor]]) -> Functions:
    found: Functions = {}
    for grade, term in terms:
        found[grade] = found[grade] + term if grade in found else term
    return found


def entry_of_row(irreps: Irreps) -> Int[Tensor, "dim"]:
    """For every row of `dim`, the index of the entry it belongs to."""
    return torch.repeat_interleave(torch.arange(len(irreps)), torch.tensor([ir.dim for ir in irreps], dtype=torch.long))
