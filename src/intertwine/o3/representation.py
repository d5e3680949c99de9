"""O(3) acting on the `dim` axis of a feature described by irreps; adds the bridge from `Irreps` to `groups`."""

from jaxtyping import Float
from torch import Tensor

from intertwine.groups.classical import O
from intertwine.groups.representation import Representation, block_diagonal
from intertwine.o3.irreps import Irreps, IrrepsLike
from intertwine.o3.wigner import determinant_sign, wigner_blocks


class IrrepsRepresentation(Representation):
    """Wigner matrices on the diagonal, one per irrep, for rotations and reflections.

        act(g, x)^ir = p_ir^[det g < 0]  D^l(g det g)  x^ir

    Use `Restrict` for the action of SO(3), or of E(3) through `linear_part`.

    Example:
        >>> import torch
        >>> feature = IrrepsRepresentation("2x0e+1o")
        >>> feature.act(O(3).sample(7), torch.randn(7, 5, 16)).shape
        torch.Size([7, 5, 16])
    """

    def __init__(self, irreps: IrrepsLike) -> None:
        self.irreps = Irreps(irreps)

    @property
    def group(self) -> O:
        """O(3)."""
        return O(3)

    @property
    def dim(self) -> int:
        """Dimension of the irreps."""
        return self.irreps.dim

    def matrix(self, g: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch dim dim"]:
        """Block-diagonal Wigner matrices."""
        if not self.irreps:
            return g.new_zeros(*g.shape[:-2], 0, 0)
        sign = determinant_sign(g)[..., None, None]
        blocks = wigner_blocks(self.irreps.lmax, g * sign, self.irreps.degrees)
        return block_diagonal([block if ir.p == 1 else block * sign for ir, block in zip(self.irreps, blocks)])
