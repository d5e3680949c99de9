"""A nonlinearity at the points of a sphere; O(3) acts on `dim` and moves the points, which keep their values."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.grid_layer import GridLayer, Inversion, PointValues, Pointwise, grade_of, grades, safe_grid
from intertwine.nn.mlp import SILU_SCALE
from intertwine.o3.grid import SphereGrid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import check_choice


def scaled_silu(u: Tensor) -> Tensor:
    """Silu of unit second moment."""
    return SILU_SCALE * nn.functional.silu(u)


class SphereActivation(GridLayer):
    r"""Read a feature as a function on the sphere, apply a function to each of its values, expand again.

        f(r) = sum_lm x_lm Y_lm(r),      z_lm = int function(f(r)) Y_lm(r) dr        up to factors of unit variance

    Every degree reacts to every other, and degrees above those of x come out where irreps_out asks for them. Not exact:
    the result of a function other than a polynomial has no highest degree, and a grid takes some of what it cannot
    resolve for low degrees. The default grid keeps that error below 5e-5 of the result for lmax <= 6 and values of
    size one; `aliasing_report` measures it.

    Entries of natural parity make up the function. Entries of the other parity make up a pseudo-function, whose values
    change sign in a mirror: only an odd function, such as tanh, keeps that sign. Anything else is refused.

    Cost: two GEMMs of points x dim, per channel. Also known as: S2 activation.

    Args:
        irreps_in: no irrep twice; copies of one irrep belong into channels (`Linear` moves them there).
        irreps_out: the same type where left out.
        function: of each value.
        grid: left out, `safe_grid` of the largest degree.
        inversion: "antipodal", as above. "trivial": the points stay, "e" are functions and "o" pseudo-functions, for
            features that know of rotations only, such as 0e+1e+2e.

    Shapes: x `*batch dim_in channel`, result `*batch dim_out channel`.

    Raises:
        IrrepsError: no irreps, an irrep twice, irreps_out of a parity that irreps_in lacks, or a function that is not
            odd where there are pseudo-functions.

    Example:
        >>> activation = SphereActivation("0e+1o+2e")
        >>> activation(torch.randn(5, 9, 8)).shape
        torch.Size([5, 9, 8])
        >>> SphereActivation("0o+1e", function=torch.tanh).irreps_out
        0o+1e

    Reference: Cohen, Geiger, Koehler, Welling, 2018, arXiv:1801.10130; with real irreps: e3nn's S2Activation.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        function: Pointwise = scaled_silu,
        grid: SphereGrid | None = None,
        inversion: Inversion = "antipodal",
    ):
        super().__init__()
        check_choice("SphereActivation", "inversion", inversion, ("antipodal", "trivial"))
        self.irreps_in = Irreps(irreps_in)
        self.irreps_out = self.irreps_in if irreps_out is None else Irreps(irreps_out)
        self.function, self.inversion, self.channels_in = function, inversion, None
        for side in (self.irreps_in, self.irreps_out):
            if not side or len(set(side)) < len(side):
                raise IrrepsError(
                    f'SphereActivation: expected irreps, each of them once, came "{side}". '
                    f"Move copies into channels with Linear."
                )
        have = grades(self.irreps_in, inversion)
        for ir in self.irreps_out:
            if grade_of(ir, inversion) not in have:
                raise IrrepsError(
                    f"SphereActivation: irreps_out {self.irreps_out} holds {ir}, but no entry of {self.irreps_in} has "
                    f"its behaviour under inversion. Drop it, or make such a feature with a tensor product first."
                )
        if 1 in have and not is_odd(function):
            raise IrrepsError(
                f"SphereActivation: {self.irreps_in} holds pseudo-functions, whose values change sign in a mirror, and "
                f"the function is not odd: the result would have no parity. Take an odd function such as torch.tanh, "
                f"a GridMLP, which gates them, or inversion='trivial' for even irreps such as 0e+1e+2e."
            )
        self.lay(safe_grid(max(self.irreps_in.lmax, self.irreps_out.lmax)) if grid is None else grid)

    def lay(self, grid: SphereGrid) -> None:
        """Build the transforms."""
        self.grid, counts = grid, grades(self.irreps_in, self.inversion)
        self.read = PointValues(self.irreps_in, grid, inversion=self.inversion, counts=counts)
        self.write = PointValues(self.irreps_out, grid, inversion=self.inversion, counts=counts)

    def forward(self, x: Float[Tensor, "*batch dim_in channel"]) -> Float[Tensor, "*batch dim_out channel"]:
        """To the points, the function, and back."""
        return self.write.expand({grade: self.function(f) for grade, f in self.read.sample(x).items()})


def is_odd(function: Pointwise) -> bool:
    """Whether function(-u) = -function(u), looked up at many values.

    Example:
        >>> is_odd(torch.tanh), is_odd(torch.relu)
        (True, False)
    """
    u = torch.linspace(0.01, 6.0, 101, dtype=torch.float64)
    plus, minus = function(u), function(-u)
    return bool((plus + minus).abs().max() <= 1e-9 * (plus.abs().max() + minus.abs().max()))
