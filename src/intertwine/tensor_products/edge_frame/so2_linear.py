"""Free maps along an edge: what commutes with turns about it and with mirrors through it; O(3) acts on `dim`."""

from math import sqrt

from jaxtyping import Float
from torch import Tensor

from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import Weights
from intertwine.tensor_products.edge_frame.edge_product import EdgeProduct
from intertwine.tensor_products.edge_frame.frame_terms import FrameTerms, Term


class SO2Linear(EdgeProduct):
    r"""One weight for every pair of entries and order, in the frame of the edge.

        z[out]_+-m += weight[in1, out, m] norm x[in1]_+-m             both entries natural, or neither
        z[out]_+-m += +- weight[in1, out, m] norm x[in1]_-+m          one natural, the other not (m > 0)

    Natural is the parity (-1)^l. Mirrors through the edge forbid the other of the two lines, which maps for SO(3) alone
    keep; so this is the most general linear map of O(3) that an edge allows, channel by channel, up to order mmax.
    norm gives every entry of the result unit variance for independent unit-variance x and weights.

    The same maps as `SO2` with all harmonics up to l1 + l3, in other coordinates: a fixed mixture of path weights gives
    each weight here. With mmax below the degrees it has fewer terms and stays exactly equivariant. A map along an edge
    needs a direction: an edge of length zero gives zero, unless all degrees are zero.

    Channels stay apart; mix them with `nn.Linear`. Also known as: SO(2) linear layer or SO(2) convolution.

    Args:
        irreps_in1, irreps_out: types of x and of the result.
        mmax: the largest order kept; left out, all.

    Shapes: as in `EdgeProduct`; `weight_count` is the number of triples (in1, out, m).

    Raises:
        IrrepsError: mmax is negative, or an entry of irreps_out is reached by no entry of irreps_in1.

    Example:
        >>> import torch
        >>> layer = SO2Linear("0e+1o+2e", "1o+1e", mmax=1, weights="external")
        >>> layer.weight_count
        7
        >>> layer(torch.randn(5, 9, 8), torch.randn(5, 3), torch.randn(5, 7, 8)).shape
        torch.Size([5, 6, 8])

    Reference: Passaro and Zitnick, 2023, arXiv:2302.03655, section 3.2 (there for SO(3)).
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_out: Irreps | str,
        *,
        mmax: int | None = None,
        weights: Weights = "internal",
        channels: int | None = None,
    ):
        irreps_in1, irreps_out = Irreps(irreps_in1), Irreps(irreps_out)
        if not irreps_in1 or not irreps_out:
            raise IrrepsError(f'SO2Linear: expected irreps on both sides, came "{irreps_in1}" and "{irreps_out}".')
        self.mmax = max(irreps_in1.lmax, irreps_out.lmax) if mmax is None else mmax
        if self.mmax < 0:
            raise IrrepsError(f"SO2Linear: expected mmax >= 0, came {mmax}. Leave it out to keep all orders.")
        harmonics = Irreps.spherical_harmonics(irreps_in1.lmax + irreps_out.lmax)
        irreps = (irreps_in1, harmonics, irreps_out)
        terms = _terms(irreps, self.mmax)
        for out, ir in enumerate(irreps_out):
            if out not in {term.out for term in terms}:
                raise IrrepsError(
                    f"SO2Linear: irreps_out asks for {ir}, entry {out}, but {irreps_in1} with orders up to {self.mmax} "
                    f"does not reach it. Natural and other entries share no order 0, so 0e gives no 1e. Drop the "
                    f"entry, add entries to irreps_in1 or raise mmax."
                )
        form = FrameTerms(irreps, terms)
        super().__init__(
            irreps,
            orders_in=form.orders_in,
            orders_out=form.orders_out,
            weight_count=1 + max(term.weight for term in terms),
            weights=weights,
            channels=channels,
        )
        self.terms = form

    def in_frame(
        self,
        x: Float[Tensor, "*batch order1 channel"],
        pole: Float[Tensor, "*batch entry2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None,
    ) -> Float[Tensor, "*batch order3 channel"]:
        """Mix the entries order by order."""
        return self.terms(x, pole, weight)

    def extra_repr(self) -> str:
        """One line: the two types, the largest order and the weights."""
        return f"{self.irreps_in1} -> {self.irreps_out}, mmax={self.mmax}, weights={self.weights!r}"


def _terms(irreps: tuple[Irreps, Irreps, Irreps], mmax: int) -> list[Term]:
    """Every pair +-m that O(2) lets mix, weights counted in the order in1, out, m."""
    needs_direction = min(1, len(irreps[1]) - 1)  # the harmonic whose pole is 0 for an edge of length zero
    slots = [
        (in1, out, m)
        for in1, ir1 in enumerate(irreps[0])
        for out, ir3 in enumerate(irreps[2])
        for m in range(0 if ir1.natural == ir3.natural else 1, min(ir1.l, ir3.l, mmax) + 1)
    ]
    found = []
    for weight, (in1, out, m) in enumerate(slots):
        meeting = sum((other, order) == (out, m) for _, other, order in slots)
        reached = sum(1 if order == 0 else 2 for order in {order for _, other, order in slots if other == out})
        norm = sqrt(irreps[2][out].dim / (meeting * reached))
        same = irreps[0][in1].natural == irreps[2][out].natural
        for order in sorted({m, -m}):
            read, sign = (order, 1.0) if same else (-order, 1.0 if order > 0 else -1.0)
            found.append(Term(in1, read, needs_direction, out, order, weight, sign * norm))
    return found
