"""Real spherical harmonics of vectors: O(3) acts by Wigner matrices along `dim`; adds values of any degree."""

import math
from collections.abc import Iterable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import real_wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.o3.traced_constant import traced_constant

NORMALIZATIONS = ("integral", "component", "norm")


def spherical_harmonics(
    l: int | Iterable[int | Irrep | str] | str | Irrep | Irreps,
    x: Float[Tensor, "*batch 3"],
    normalize: bool,
    normalization: str = "integral",
) -> Float[Tensor, "*batch dim"]:
    r"""Real spherical harmonics of vectors, degree after degree, as polynomials of the coordinates.

    With `normalize` the harmonics of x / |x|; without, |x|^l times them (solid harmonics). Each degree comes from the
    one below by the coupling that raises it, scaled so that the value at the pole is fixed:

        Y^l_m(x) = sum_{k n} W^l[k, n, m] x_k Y^{l-1}_n(x),      W^l = w_3j(1, l-1, l) n_l / (n_{l-1} w_3j[y, 0, 0])

    No angle and no division occurs, so values and all derivatives are finite at the poles and at zero length; x = 0
    with `normalize` gives zero for l > 0 and zero gradients. The polar axis is y, m runs from -l to l, degree 1 is
    (x, y, z): e3nn's conventions. Inside a compiled model use the module `SphericalHarmonics`, with W as buffers.

    Args:
        l: a degree, several degrees in the order wanted (repeats allowed), or irreps, whose degrees are taken.
        normalization: "integral" (squares integrate to 1 over the sphere), "component" (|Y^l|^2 = 2l + 1 on the unit
            sphere) or "norm" (|Y^l|^2 = 1).

    Raises `IrrepsError` for irreps that are not of one parity behaviour (p = 1 or p = (-1)^l throughout), an unknown
    normalization or a negative degree.

    Example:
        >>> spherical_harmonics([0, 1], torch.tensor([0.0, 2.0, 0.0]), normalize=True, normalization="norm")
        tensor([1., 0., 1., 0.])
    """
    degrees = parse_degrees(l)
    check_normalization(normalization)
    raising = [_raising(degree, normalization, x.dtype, x.device) for degree in range(max(degrees, default=-1) + 1)]
    return evaluate(degrees, raising, unit_vector(x) if normalize else x)


class SphericalHarmonics(nn.Module):
    """`spherical_harmonics` as a module: its constants move with the model, and it compiles and exports.

    Example:
        >>> harmonics = SphericalHarmonics("0e+1o+2e", normalize=True, normalization="component")
        >>> harmonics(torch.randn(5, 3)).shape
        torch.Size([5, 9])
    """

    def __init__(
        self,
        l: int | Iterable[int | Irrep | str] | str | Irrep | Irreps,
        normalize: bool,
        normalization: str = "integral",
    ) -> None:
        super().__init__()
        self.degrees = parse_degrees(l)
        self.normalize = normalize
        self.normalization = normalization
        check_normalization(normalization)
        count = max(self.degrees, default=-1) + 1
        self.names = tuple(f"raise_{degree}" for degree in range(count))
        self.constants = Constants(**{f"raise_{l}": raising_matrix(l, normalization) for l in range(count)})

    def forward(self, x: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch dim"]:
        """Harmonics of every vector."""
        raising = [self.constants.like(x, name) for name in self.names]
        return evaluate(self.degrees, raising, unit_vector(x) if self.normalize else x)


def unit_vector(x: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """x / |x|, and zero with zero derivatives at x = 0.

    Both branches of `where` stay finite, which is what keeps the derivatives finite. Lengths whose inverse fifth power
    would overflow in the second derivative count as zero: below 5e-7 in float32, 1e-51 in float64.
    """
    square = x.square().sum(-1, keepdim=True)
    is_zero = square < least_square(x.dtype)
    return x * torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, square).rsqrt())


def least_square(dtype: torch.dtype) -> float:
    """The square of the length below which a vector counts as zero."""
    return min(torch.finfo(dtype).tiny ** (1 / 3), 1e-6)


def surface_gradient(
    lmax: int, points: Float[Tensor, "point 3"], normalization: str = "integral"
) -> Float[Tensor, "dim point 3"]:
    r"""Tangential gradient on the unit sphere of every harmonic up to degree `lmax`, at unit vectors.

        grad_S Y^l = grad Y^l - l Y^l x,        (grad Y^l_m)_k = l sum_n W^l[k, n, m] Y^{l-1}_n        at |x| = 1

    The derivatives of a solid harmonic are solid harmonics of the degree below, coupled by the W of the recurrence.

    Finite everywhere, the poles included. The first axis runs over all harmonics of degrees 0 to lmax.

    Example:
        >>> surface_gradient(1, torch.tensor([[0.0, 1.0, 0.0]]), "norm")[2]   # y does not change along the sphere there
        tensor([[0., 0., 0.]])
    """
    check_normalization(normalization)
    raising = [_raising(l, normalization, points.dtype, points.device) for l in range(lmax + 1)]
    values = evaluate(tuple(range(lmax + 1)), raising, points)
    gradients = [points.new_zeros(points.shape[0], 3, 1)]  # [point, 3, dim]
    for l in range(1, lmax + 1):
        value, lower = values[:, l * l : (l + 1) ** 2], values[:, (l - 1) ** 2 : l * l]
        if l == 1:
            gradient = raising[1].expand(points.shape[0], 3, 3)
        else:
            gradient = l * torch.einsum("pn,knm->pkm", lower, raising[l].unflatten(0, (3, 2 * l - 1)))
        gradients.append(gradient - l * points[:, :, None] * value[:, None, :])
    return torch.cat(gradients, -1).permute(2, 0, 1).contiguous()


def evaluate(
    degrees: tuple[int, ...], raising: list[Tensor], x: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch dim"]:
    """The recurrence: `raising[0]` is the constant, `raising[1]` a multiple of x, `raising[l]` lifts l - 1 to l."""
    if not degrees:
        return x.new_zeros((*x.shape[:-1], 0))
    harmonics = [raising[0].expand(*x.shape[:-1], 1)]
    for l in range(1, len(raising)):
        harmonics.append(x * raising[1][0, 0] if l == 1 else _raise(x, harmonics[-1], raising[l]))
    return torch.cat([harmonics[l] for l in degrees], -1)


def _raise(x: Tensor, lower: Tensor, matrix: Tensor) -> Tensor:
    return (x.unsqueeze(-1) * lower.unsqueeze(-2)).flatten(-2) @ matrix


def normal_factor(l: int, normalization: str) -> float:
    """Norm of the 2l + 1 harmonics of a unit vector."""
    return {"integral": math.sqrt((2 * l + 1) / (4 * math.pi)), "component": math.sqrt(2 * l + 1), "norm": 1.0}[
        normalization
    ]


def check_normalization(normalization: str) -> None:
    """Raise `IrrepsError` for an unknown normalization."""
    if normalization not in NORMALIZATIONS:
        raise IrrepsError(f'normalization: expected one of {", ".join(NORMALIZATIONS)}, came "{normalization}".')


def parse_degrees(l: int | Iterable[int | Irrep | str] | str | Irrep | Irreps) -> tuple[int, ...]:
    """Degrees named by a number, numbers, or irreps."""
    if isinstance(l, int):
        l = [l]
    if isinstance(l, (str, Irrep)):
        l = Irreps(l)
    entries = tuple(Irrep.parse(entry) if isinstance(entry, str) else entry for entry in l)
    irreps = Irreps(entry for entry in entries if isinstance(entry, Irrep))
    if not (irreps.natural or all(ir.p == 1 for ir in irreps)):
        raise IrrepsError(
            f'spherical_harmonics: a vector gives parities (-1)^l, or all "e" for a pseudo-vector; came "{irreps}". '
            f'Write for example "0e+1o+2e".'
        )
    degrees = tuple(entry.l if isinstance(entry, Irrep) else int(entry) for entry in entries)
    if any(degree < 0 for degree in degrees):
        raise IrrepsError(f"spherical_harmonics: expected degrees l >= 0, came {list(degrees)}.")
    return degrees


def raising_matrix(l: int, normalization: str) -> Float[Tensor, "..."]:
    """W^l in float64, its axes k and n as one; of degree 0 the constant, of degree 1 what x is multiplied by."""
    scale = normal_factor(l, normalization)
    if l == 0:
        return torch.full((1,), scale, dtype=torch.float64)
    if l == 1:
        return scale * torch.eye(3, dtype=torch.float64)
    coupling = torch.tensor(real_wigner_3j(1, l - 1, l))
    at_pole = float(coupling[1, l - 1, l])
    return (coupling * (scale / (normal_factor(l - 1, normalization) * at_pole))).flatten(0, 1)


def _raising(l: int, normalization: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    if torch.compiler.is_compiling():
        return torch.tensor(_raising_numbers(l, normalization), dtype=dtype, device=device)
    return _kept_raising(l, normalization, dtype, device)


@traced_constant
def _raising_numbers(l: int, normalization: str) -> list:
    return raising_matrix(l, normalization).tolist()


@cache
def _kept_raising(l: int, normalization: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # a cached inference tensor could not be used for training later
        return raising_matrix(l, normalization).to(dtype=dtype, device=device)
