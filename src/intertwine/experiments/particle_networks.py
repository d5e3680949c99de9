"""Networks that predict where charged particles will be; E(3) acts, and one of three moves along with it by itself."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PlainGNN(nn.Module):
    r"""Messages between all pairs; coordinates are features like any other, so it does not turn with the system.

        h_i  = W (q_i, x_i - mean(x), v_i),    h_i += mlp( h_i, sum_j m_ij ),    m_ij = mlp(h_i, h_j, q_i q_j, |x_ij|^2)
        x'_i = x_i + v_i + mlp(h_i)

    Example:
        >>> x, v, q = torch.randn(4, 5, 3), torch.randn(4, 5, 3), torch.ones(4, 5)
        >>> PlainGNN(8, 2)(x, v, q).shape
        torch.Size([4, 5, 3])

    Reference: the baseline called GNN of Satorras et al., 2021, arXiv:2102.09844, section 5.1.
    """

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.embed = nn.Linear(7, width)
        self.messages = nn.ModuleList(_mlp(2 * width + 2, width, width) for _ in range(layers))
        self.updates = nn.ModuleList(_mlp(2 * width, width, width) for _ in range(layers))
        self.read = _mlp(width, width, 3)

    def forward(
        self,
        x: Float[Tensor, "system particle 3"],
        v: Float[Tensor, "system particle 3"],
        q: Float[Tensor, "system particle"],
    ) -> Float[Tensor, "system particle 3"]:
        """Predict positions."""
        _, pairs = _pairs(x, q)
        h = self.embed(torch.cat([q.unsqueeze(-1), x - x.mean(1, keepdim=True), v], dim=-1))
        for message, update in zip(self.messages, self.updates, strict=True):
            h = h + update(torch.cat([h, message(_ends(h, pairs)).sum(2)], dim=-1))
        return x + v + self.read(h)


class EGNN(nn.Module):
    r"""Messages from invariants alone, which move the particles along the lines between them and their velocities.

        h_i  = W (q_i, |v_i|),    m_ij = mlp(h_i, h_j, q_i q_j, |x_ij|^2),    h_i += mlp(h_i, sum_j m_ij)
        x_i += mean_j (x_i - x_j) mlp(m_ij) + v_i mlp(h_i)

    Set `free`, it is a plain network with the same moves: h_i also knows x_i - mean(x) and v_i, and every layer adds a
    vector mlp(h_i) of its own. No symmetry of space is left then.

    Example:
        >>> x, v, q = torch.randn(4, 5, 3), torch.randn(4, 5, 3), torch.ones(4, 5)
        >>> bound, free = EGNN(8, 2), EGNN(8, 2, free=True)
        >>> [torch.allclose(net(-x, -v, q), -net(x, v, q), atol=1e-5) for net in (bound, free)]
        [True, False]

    Reference: Satorras et al., 2021, arXiv:2102.09844, equations 3 to 7; the free one is ours.
    """

    def __init__(self, width: int, layers: int, *, free: bool = False):
        super().__init__()
        self.free = free
        self.embed = nn.Linear(8 if free else 2, width)
        self.messages = nn.ModuleList(_mlp(2 * width + 2, width, width) for _ in range(layers))
        self.updates = nn.ModuleList(_mlp(2 * width, width, width) for _ in range(layers))
        self.along = nn.ModuleList(_mlp(width, width, 1) for _ in range(layers))
        self.ahead = nn.ModuleList(_mlp(width, width, 4 if free else 1) for _ in range(layers))

    def forward(
        self,
        x: Float[Tensor, "system particle 3"],
        v: Float[Tensor, "system particle 3"],
        q: Float[Tensor, "system particle"],
    ) -> Float[Tensor, "system particle 3"]:
        """Predict positions."""
        known = [q.unsqueeze(-1), v.norm(dim=-1, keepdim=True)]
        h = self.embed(torch.cat([*known, x - x.mean(1, keepdim=True), v] if self.free else known, dim=-1))
        moved = x + v
        for message, update, along, ahead in zip(self.messages, self.updates, self.along, self.ahead, strict=True):
            apart, pairs = _pairs(x, q)
            m, own = message(_ends(h, pairs)), ahead(h)
            step = (apart * along(m)).mean(2) + v * own[..., :1]
            if self.free:
                step = step + own[..., 1:]
            h = h + update(torch.cat([h, m.sum(2)], dim=-1))
            x, moved = x + step, moved + step
        return moved


def _pairs(x: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    apart = x.unsqueeze(2) - x.unsqueeze(1)
    return apart, torch.stack([q.unsqueeze(2) * q.unsqueeze(1), apart.square().sum(-1)], dim=-1)


def _ends(h: Tensor, pairs: Tensor) -> Tensor:
    n = h.shape[1]
    return torch.cat([h.unsqueeze(2).expand(-1, -1, n, -1), h.unsqueeze(1).expand(-1, n, -1, -1), pairs], dim=-1)


def _mlp(*widths: int) -> nn.Sequential:
    a, b, c = widths
    return nn.Sequential(nn.Linear(a, b), nn.SiLU(), nn.Linear(b, c))
