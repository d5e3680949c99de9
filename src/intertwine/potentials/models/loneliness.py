"""How alone an atom is: 1 without neighbours, 0 among them, smooth between; a function of distances, so invariant."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.radial import PolynomialCutoff


class Loneliness(nn.Module):
    r"""The part of the shift of an energy that an atom without neighbours must not have.

        n_i = sum over neighbours j of  u(r_ij / cutoff),      alone_i = v(n_i)

    n counts neighbours, each for one while it is near and for nothing from the cutoff on. u and v are
    `PolynomialCutoff` with roots of order four, of n at the cutoff and of alone_i at n_i = 1: energies keep their three
    smooth derivatives, and alone_i is zero, exactly, for an atom with the company of one near neighbour or several
    farther ones. That is every atom of a crystal, a liquid or a molecule at rest. Nothing here is trained.

    It brings no knowledge of how a bond breaks: between a bond and the cutoff it lets the mean energy of atoms in
    company fade as smoothly as the cutoff allows, and frames of stretched bonds teach the model what to add.

    Shapes: vectors `edge 3` in Angstrom, receivers `edge`, result `node`.

    Example:
        >>> near, far = torch.tensor([[0.0, 0.0, 0.7]]), torch.tensor([[0.0, 0.0, 4.9]])
        >>> alone = Loneliness(5.0)
        >>> [alone(vectors, torch.tensor([0]), 2).round(decimals=3).tolist() for vectors in (near, far)]
        [[0.0, 1.0], [1.0, 1.0]]
    """

    def __init__(self, cutoff: float):
        super().__init__()
        self.near, self.fade = PolynomialCutoff(cutoff, order=4), PolynomialCutoff(1.0, p=2, order=4)

    def forward(
        self, vectors: Float[Tensor, "edge 3"], receivers: Int[Tensor, "edge"], count: int
    ) -> Float[Tensor, "node"]:
        """Evaluate for so many atoms."""
        company = vectors.new_zeros(count).index_add(0, receivers, self.near(vectors.norm(dim=-1)))
        return self.fade(company)
