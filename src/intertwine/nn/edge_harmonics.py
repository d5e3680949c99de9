"""The harmonics of directions of edges as a feature: O(3) acts on `dim`; adds the choice of the compiled operator."""

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.spherical_harmonics import SphericalHarmonics
from intertwine.tensor_products.kernels.harmonics import harmonics, takes


class EdgeHarmonics(nn.Module):
    r"""What filters of convolutions read of the direction of an edge: all harmonics up to a degree.

        Y^l_m( x / |x| ),      |Y^l|^2 = 2 l + 1,      l = 0 .. degree;  zero with all derivatives at x = 0 for l > 0

    `SphericalHarmonics` of component normalization in one pass, with two derivatives; where the compiled operator does
    not run, that module.

    Shapes: x `edge 3`, in any unit of length; result `edge dim 1`, of `irreps`.

    Raises:
        IrrepsError: a negative degree.

    Example:
        >>> EdgeHarmonics(1)(torch.tensor([[0.0, 2.0, 0.0]])).squeeze(-1)
        tensor([[1.0000, 0.0000, 1.7321, 0.0000]])
    """

    def __init__(self, degree: int):
        super().__init__()
        if degree < 0:
            raise IrrepsError(f"EdgeHarmonics: expected a degree of at least 0, came {degree}.")
        self.degree, self.irreps = degree, Irreps.spherical_harmonics(degree)
        self.readable = SphericalHarmonics(self.irreps, normalize=True, normalization="component")

    def forward(self, x: Float[Tensor, "edge 3"]) -> Float[Tensor, "edge dim 1"]:
        """Harmonics of every edge."""
        return harmonics(x, self.degree) if takes(x) else self.readable(x).unsqueeze(-1)
