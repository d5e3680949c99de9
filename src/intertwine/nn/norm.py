"""Normalisation by invariants: lengths of irreps, which O(3) acting on `dim` leaves alone."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.sphere.function import entry_of_row


class RMSNorm(nn.Module):
    r"""Divide every entry by the root mean square of its components over rows and channels.

        z[entry] = weight[entry] x[entry] / sqrt( mean over m, channel of x[entry]^2 + eps )

    The mean is an invariant, so the map commutes with every rotation and reflection. It does not subtract a mean: that
    would be allowed for "0e" alone.

    Shapes: x `*batch dim channel`, result the same.

    Example:
        >>> norm = RMSNorm(Irreps("0e+1o"), 8)
        >>> round(float(norm(3 * torch.randn(5, 4, 8)).detach().square().mean()), 2)
        1.0

    Reference: Zhang, Sennrich, 2019, arXiv:1910.07467; per degree: Liao et al., 2023, arXiv:2306.12059, section 4.3.
    """

    def __init__(self, irreps: Irreps | str, channels: int, *, eps: float = 1e-5):
        super().__init__()
        self.irreps, self.eps = Irreps(irreps), eps
        rows = nn.functional.one_hot(entry_of_row(self.irreps), len(self.irreps)).double()
        self.rows = Constants(of_entry=rows, mean=rows / rows.sum(0))
        self.weight = nn.Parameter(torch.ones(len(self.irreps), 1, channels))

    def forward(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch dim channel"]:
        """Normalise every entry, all of them at once: products with `rows` take rows together and hand results out."""
        rows = self.rows.like(x, "of_entry")
        size = (x.square().mean(-1) @ self.rows.like(x, "mean") + self.eps).rsqrt() @ rows.mT
        return x * size.unsqueeze(-1) * (rows @ self.weight.squeeze(1))


def invariant_norm(
    x: Float[Tensor, "*batch dim channel"], irreps: Irreps | str
) -> Float[Tensor, "*batch entry channel"]:
    """Length of every entry, |x[entry]|, an invariant; zero with zero gradient where the entry is zero.

    Example:
        >>> invariant_norm(torch.tensor([[2.0], [0.0], [3.0], [4.0]]), Irreps("0e+1o")).flatten()
        tensor([2., 5.])
    """
    entries = x.split([ir.dim for ir in Irreps(irreps)], dim=-2)
    squares = torch.stack([entry.square().sum(-2) for entry in entries], dim=-2)
    is_zero = squares == 0
    return torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, squares).sqrt())
