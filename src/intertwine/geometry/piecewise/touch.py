"""Parts that touch tell each other what they are; a motion of each part that keeps who touches whom changes nothing."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot


def near_points(x: Float[Tensor, "*batch point d"], count: int) -> Bool[Tensor, "*batch point point"]:
    """Pairs of points of which each is among the `count` nearest of the other.

    No length enters, so that the density of the points does not matter; both ways, so that a far point is near none.
    Symmetric, and False for a point and itself.

    Example:
        >>> near_points(torch.tensor([[0.0], [1.0], [9.0]]), 1).int().tolist()
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    apart = torch.cdist(x.detach(), x.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    itself = torch.eye(x.shape[-2], dtype=torch.bool, device=x.device)
    apart = apart.masked_fill(itself, torch.inf)
    nearest = apart.topk(min(count, x.shape[-2] - 1), largest=False).indices
    near = torch.zeros_like(apart, dtype=torch.bool).scatter(-1, nearest, True)
    return near & near.mT


def contacts(
    near: Bool[Tensor, "*batch point point"], part: Int[Tensor, "*batch point"], parts: int
) -> Float[Tensor, "*batch part part"]:
    """How many pairs of near points every two parts have; zero for a part and itself.

    Example:
        >>> near = near_points(torch.tensor([[0.0], [1.0], [2.0], [9.0]]), 2)
        >>> contacts(near, torch.tensor([0, 0, 1, 2]), 3).tolist()
        [[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    member = one_hot(part, parts).float()
    pairs = member.mT @ near.to(member.dtype) @ member
    return pairs - torch.diag_embed(pairs.diagonal(dim1=-2, dim2=-1))


class Exchange(nn.Module):
    r"""What a part is, from itself and from the parts that it touches, a few rounds.

        q  = norm(p),      p_a  <-  p_a + D relu( C ( q_a,  sum_b w_ab q_b,  max_b q_b ) ),      w_ab ~ contacts_ab

    with b over the parts that touch a, and sums and maxima of zero where there are none. Only invariants travel, and
    no distance or direction between parts is looked at: the result depends on the pose through who touches whom.
    After r rounds a part knows of those r contacts away.

    Shapes: p `*batch part scalar`, touch `*batch part part` of `contacts`; result as p.

    Example:
        >>> exchange = Exchange(8, hidden=16, rounds=2)
        >>> exchange(torch.randn(3, 5, 8), torch.ones(3, 5, 5)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(self, scalars: int, hidden: int, *, rounds: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(scalars) for _ in range(rounds))
        self.mixes = nn.ModuleList(
            nn.Sequential(nn.Linear(3 * scalars, hidden), nn.ReLU(), nn.Linear(hidden, scalars)) for _ in range(rounds)
        )

    def forward(
        self, p: Float[Tensor, "*batch part scalar"], touch: Float[Tensor, "*batch part part"]
    ) -> Float[Tensor, "*batch part scalar"]:
        """New scalars of every part."""
        touch = touch.to(p.dtype)
        weights = touch / touch.sum(-1, keepdim=True).clamp(min=1)
        apart = (touch == 0).unsqueeze(-1)
        alone = apart.all(-2)
        for norm, mix in zip(self.norms, self.mixes):
            q = norm(p)
            most = q.unsqueeze(-3).masked_fill(apart, -torch.inf).amax(-2).masked_fill(alone, 0.0)
            p = p + mix(torch.cat([q, weights @ q, most], -1))
        return p
