"""Irreps of O(3): the type of a feature, how the group acts on its `dim` axis; adds the strings and their algebra."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import SupportsIndex, TypeAlias, Union, overload

EXAMPLE = 'A valid example is "2x0e+1o+2e": a degree, then e (even) or o (odd), repeated by a leading "2x".'
TERM = re.compile(r"(?:(\d+)\s*[x×]\s*)?(\d+)\s*([eoy])")


class IrrepsError(ValueError):
    """A description of irreps that cannot be read or does not fit. One line: the bad term and a valid example."""


@dataclass(frozen=True, order=True)
class Irrep:
    """One irreducible representation of O(3): degree `l`, parity `p` (+1 "e", -1 "o"), dimension 2l + 1.

    Rotations act by the Wigner matrix of degree l, the inversion by the number p. "y" names the parity of the
    spherical harmonics, (-1)^l.

    Raises `IrrepsError` for a negative degree or a parity other than +1 and -1.

    Example:
        >>> Irrep(1, -1), Irrep.parse("2y").dim
        (1o, 5)
        >>> Irrep(1, -1) * Irrep(1, -1)
        (0e, 1e, 2e)
    """

    l: int
    p: int

    def __post_init__(self) -> None:
        if isinstance(self.l, bool) or not isinstance(self.l, int) or self.l < 0:
            raise IrrepsError(f"Irrep: expected a degree l = 0, 1, 2, ..., came l = {self.l!r}.")
        if self.p not in (1, -1):
            raise IrrepsError(f"Irrep: expected a parity p = +1 (e) or -1 (o), came p = {self.p!r}.")

    @classmethod
    def parse(cls, text: Union[str, "Irrep"]) -> "Irrep":
        """Read one irrep such as "1o"; an `Irrep` passes through."""
        if isinstance(text, Irrep):
            return text
        found = Irreps(text)
        if len(found) != 1:
            raise IrrepsError(f'Irrep: expected a single irrep such as "1o", came "{text}" with {len(found)} of them.')
        return found[0]

    @property
    def dim(self) -> int:
        """Dimension, 2l + 1."""
        return 2 * self.l + 1

    @property
    def natural(self) -> bool:
        """Whether the parity is that of the spherical harmonics, (-1)^l."""
        return self.p == (-1) ** self.l

    def __mul__(self, other: "Irrep") -> tuple["Irrep", ...]:
        """Selection rule: the irreps inside the product, |l1 - l2| <= l3 <= l1 + l2 and p3 = p1 p2."""
        if not isinstance(other, Irrep):
            return NotImplemented
        return tuple(Irrep(l, self.p * other.p) for l in range(abs(self.l - other.l), self.l + other.l + 1))

    def __str__(self) -> str:
        return f"{self.l}{'e' if self.p == 1 else 'o'}"

    __repr__ = __str__


class Irreps(tuple[Irrep, ...]):
    """A direct sum of irreps, in order: a tuple of `Irrep` that labels the `dim` axis of a feature.

    "2x0e+1o" is three entries, of dimension 1 + 1 + 3. Channels are not counted here: they have their own axis.
    Printing joins equal neighbours; `sorted()` (by degree, then odd before even) and `+`, `*` change the order of rows.

    Accepts a string, an `Irrep`, another `Irreps`, or any iterable of irreps and their strings.
    Raises `IrrepsError` naming the term that could not be read.

    Example:
        >>> irreps = Irreps("2x0e+1o") + "2e"
        >>> irreps, len(irreps), irreps.dim, irreps.lmax
        (2x0e+1o+2e, 4, 10, 2)
        >>> irreps.slices()[2], irreps.count("0e"), irreps.natural
        (slice(2, 5, None), 2, True)
        >>> irreps[1:3], irreps.filter(lambda ir: ir.l > 0), 2 * Irreps("1o")
        (0e+1o, 1o+2e, 2x1o)
        >>> Irreps.spherical_harmonics(3)
        0e+1o+2e+3o
    """

    def __new__(cls, irreps: "IrrepsLike" = ()) -> "Irreps":  # noqa: D102
        if isinstance(irreps, Irreps):
            return irreps
        if isinstance(irreps, Irrep):
            return super().__new__(cls, (irreps,))
        if isinstance(irreps, str):
            return super().__new__(cls, _parse(irreps))
        if not isinstance(irreps, Iterable):
            raise IrrepsError(
                f"Irreps: expected a string or irreps, came {type(irreps).__name__} {irreps!r}. {EXAMPLE}"
            )
        entries: list[Irrep] = []
        for entry in irreps:
            if not isinstance(entry, (str, Irrep)):
                raise IrrepsError(f"Irreps: expected irreps or strings inside, came {entry!r}. {EXAMPLE}")
            entries.extend(Irreps(entry))
        return super().__new__(cls, entries)

    @staticmethod
    def spherical_harmonics(lmax: int, p: int = -1) -> "Irreps":
        """Degrees 0 to `lmax`, once each, of parity p^l: how functions on the sphere transform."""
        return Irreps(Irrep(l, p**l) for l in range(lmax + 1))

    @property
    def dim(self) -> int:
        """Length of the `dim` axis: the sum of 2l + 1."""
        return sum(ir.dim for ir in self)

    @property
    def lmax(self) -> int:
        """The largest degree; `IrrepsError` when there are no irreps."""
        if not self:
            raise IrrepsError("Irreps: lmax of no irreps is not defined. Check that the irreps are not empty.")
        return max(ir.l for ir in self)

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degree of every entry, in order."""
        return tuple(ir.l for ir in self)

    @property
    def natural(self) -> bool:
        """Whether every parity is (-1)^l, so that the feature can be read as a function on the sphere."""
        return all(ir.natural for ir in self)

    def slices(self) -> list[slice]:
        """Where each entry lies on the `dim` axis."""
        found, start = [], 0
        for ir in self:
            found.append(slice(start, start + ir.dim))
            start += ir.dim
        return found

    def count(self, value: Irrep | str, /) -> int:
        """How often an irrep occurs."""
        return super().count(Irrep.parse(value))

    def filter(self, keep: "Callable[[Irrep], bool] | IrrepsLike") -> "Irreps":
        """The entries that satisfy a condition, or that occur in other irreps; order is kept."""
        condition = keep if callable(keep) else Irreps(keep).__contains__
        return Irreps(ir for ir in self if condition(ir))

    def sorted(self) -> "Irreps":
        """The same entries by degree, odd before even."""
        return Irreps(sorted(self))

    def __contains__(self, value: object) -> bool:
        return super().__contains__(Irrep.parse(value) if isinstance(value, str) else value)

    def __add__(self, other: "IrrepsLike") -> "Irreps":  # pyright: ignore[reportIncompatibleMethodOverride]
        return Irreps((*self, *Irreps(other)))

    def __radd__(self, other: "IrrepsLike") -> "Irreps":
        return Irreps((*Irreps(other), *self))

    def __mul__(self, times: SupportsIndex) -> "Irreps":
        return Irreps(tuple.__mul__(self, times))

    __rmul__ = __mul__

    @overload
    def __getitem__(self, index: SupportsIndex) -> Irrep: ...
    @overload
    def __getitem__(self, index: slice) -> "Irreps": ...
    def __getitem__(self, index: SupportsIndex | slice) -> Union[Irrep, "Irreps"]:
        found = super().__getitem__(index)
        return found if isinstance(found, Irrep) else Irreps(found)

    def __getnewargs__(self) -> tuple[tuple[Irrep, ...]]:
        return (tuple(self),)

    def __str__(self) -> str:
        runs: list[tuple[int, Irrep]] = []
        for ir in self:
            if runs and runs[-1][1] == ir:
                runs[-1] = (runs[-1][0] + 1, ir)
            else:
                runs.append((1, ir))
        return "+".join(f"{ir}" if mul == 1 else f"{mul}x{ir}" for mul, ir in runs)

    __repr__ = __str__


IrrepsLike: TypeAlias = Irreps | Irrep | str | Iterable[Irrep | str]


def _parse(text: str) -> Iterator[Irrep]:
    if not text.strip():
        return
    for term in text.split("+"):
        match = TERM.fullmatch(term.strip())
        if match is None:
            raise IrrepsError(f'Irreps: cannot read the term "{term.strip()}" of "{text}". {EXAMPLE}')
        times, degree, parity = match.groups()
        l = int(degree)
        irrep = Irrep(l, {"e": 1, "o": -1, "y": (-1) ** l}[parity])
        for _ in range(1 if times is None else int(times)):
            yield irrep
