"""Any network on coordinates of the points' own, mapped back on demand: E(d) acts on the points, and not on these."""

from typing import Any, Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from intertwine.nn.classical_scaling import ScalingError
from intertwine.nn.invariant_embedding import InvariantEmbedding


class TinvNN(nn.Module):
    r"""Any network made invariant, or equivariant, by the features it begins with.

        invariant:    f(x) = net(Z)
        points:       f(x) = centre + scale net(Z) axes^T,     moves with x
        vectors:      f(x) = net(Z) axes^T,                    turns with x

    The network is not changed and may be given by any code; with `sign="average"` it runs once for each of the 2^q
    choices of signs and the results are averaged. Not invariant where `Embedding.degenerate` says so.

    Args:
        net: `(z, *inputs) -> y` with z `[batch, point, q]`; `mask=` is passed on when one is given.
        output: what y is. Points and vectors are `[batch, point, q]` in the coordinates of Z.

    Shapes: x `batch point d`; every further input has the batch axis first and is left alone.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 3)).double()
        >>> moving = TinvNN(net, output="points")
        >>> x = torch.randn(4, 20, 3, dtype=torch.float64)
        >>> torch.allclose(moving(1 - x), 1 - moving(x))
        True

    Reference: Zhang, Zhang, Sun, 2021, arXiv:2112.12345.
    """

    def __init__(
        self,
        net: nn.Module,
        embedding: InvariantEmbedding | None = None,
        *,
        output: Literal["invariant", "points", "vectors"] = "invariant",
    ):
        super().__init__()
        if output not in ("invariant", "points", "vectors"):
            raise ScalingError(f'TinvNN: expected output "invariant", "points" or "vectors", came {output!r}.')
        self.net, self.embedding, self.output = net, embedding or InvariantEmbedding(), output

    def forward(
        self, x: Float[Tensor, "batch point d"], *inputs: Any, mask: Bool[Tensor, "batch point"] | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Embed, run the network for every choice of signs, go back, average."""
        embedding = self.embedding(x, mask)
        choices = embedding.points.shape[1]
        repeated = [each.repeat_interleave(choices, 0) if choices > 1 else each for each in inputs]
        masks = {} if mask is None else {"mask": mask.repeat_interleave(choices, 0)}
        y = self.net(embedding.points.flatten(0, 1), *repeated, **masks).unflatten(0, (len(x), choices))
        if self.output == "invariant":
            return y.mean(1)
        return embedding.back(y, self.output).mean(1)
