"""A network that finds the parts of a cloud while it reads it: each part may move by an element of E(3) of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.geometry.piecewise.block import PartBlock
from intertwine.geometry.piecewise.implicit import with_gradient
from intertwine.geometry.piecewise.mixture import Mixture, fit_mixture, start_from_parts
from intertwine.geometry.piecewise.touch import Exchange, contacts, near_points
from intertwine.geometry.piecewise.voronoi import voronoi
from intertwine.groups.frames.part_frames import FrameOfParts, PartPCA
from intertwine.groups.frames.segments import PartError, number_parts, segment_mean


@dataclass(frozen=True)
class Grouping:
    """How votes become parts, layer after layer.

    The widths grow, so that the partition gets coarser: a wide Gaussian joins what a narrow one keeps apart.
    """

    cells: int = 32
    """Of the first partition, `voronoi`."""
    widths: tuple[float, ...] = (0.1, 0.15)
    """Of the Gaussians after each layer but the last, in the unit of the points."""
    steps: int = 4
    """Of EM."""
    strength: float = 1.0
    """Of the repulsion of the centres."""
    merge: float = 2.0
    """Distance in widths within which centres become one."""


@dataclass(frozen=True)
class Reading:
    """What the network found, and the way there: one entry for each layer."""

    scalars: Float[Tensor, "*batch point scalar"]
    """Invariant under a motion of each part."""
    vectors: Float[Tensor, "*batch point 3 vector"]
    """Turned by it."""
    parts: tuple[Int[Tensor, "*batch point"], ...]
    """Partition that each layer worked on."""
    votes: tuple[Float[Tensor, "*batch point 3"], ...]
    """Where each layer puts the centre of the part that a point belongs to; moved with the part."""
    mixtures: tuple[Mixture, ...]
    """Fitted to the votes of each layer but the last; empty where the partition was given."""
    touch: tuple[Float[Tensor, "*batch _ _"], ...]
    """Contacts of the parts of each layer, `*batch part part`; empty for a given partition, or if nothing is told."""
    rounds: int
    """How often parts that touch told each other what they are, in each layer."""


class PiecewiseNetwork(nn.Module):
    r"""Point features that follow the motion of each part, with a partition that is given or found.

        Z_1   = voronoi(x)
        s, v  = block_l(x, s, v; Z_l),      y_l = x + vote(v)                     layers l = 1 ... L
        s     = s + told_l(mean of s over the part; who touches whom)           with rounds > 0
        Z_l+1 = argmax_j Q_ij,              Q = mixture fitted to y_l, wider each time

    For a given partition the map is exactly equivariant under E(3)^k or SE(3)^k (as `frames`), for it and for every
    coarser one. For one that it finds, a point is right whose part, in every layer, lies inside one true part and
    consists of the same points before and after the motion; `bound` counts the others.

    A small part says little of what it belongs to. With `rounds`, parts that touch tell each other what they are
    (`Exchange`): of the arrangement of parts, what bending a joint leaves alone. Points are then right if who touches
    whom stays too. Parts of a partition that is given may be anywhere and touch nothing.

    In training each step sees one random frame of each part, in evaluation all of them.

    Args:
        channels: scalars and vectors between layers.
        length: typical size of a part, the unit in which the network reads positions.
        rounds: of the exchange between parts that touch, in each layer; 0 as in the paper.
        near: how many nearest points a point can touch.

    Shapes: x `*batch point 3`; `parts`, one `*batch point` for each layer, to give the partitions.

    Raises PartError for points that are not finite or too few, and for partitions of another shape or number.

    Example:
        >>> network = PiecewiseNetwork(channels=(8, 2), hidden=16, grouping=Grouping(cells=4))
        >>> reading = network.eval()(torch.randn(2, 20, 3))
        >>> reading.scalars.shape, reading.vectors.shape, len(reading.votes)
        (torch.Size([2, 20, 8]), torch.Size([2, 20, 3, 2]), 3)

    Reference: Atzmon et al., 2024, arXiv:2402.08529. No code of the paper is public: widths, strength, merging distance
    and how the parts start are choices made here.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, int] = (32, 4),
        hidden: int = 48,
        length: float = 1.0,
        grouping: Grouping = Grouping(),
        frames: FrameOfParts = PartPCA("SE"),
        rounds: int = 0,
        near: int = 6,
    ) -> None:
        super().__init__()
        self.grouping, self.frames, self.channels, self.rounds, self.near = grouping, frames, channels, rounds, near
        layers = len(grouping.widths) + 1
        self.blocks = nn.ModuleList(
            PartBlock(
                (channels[0] if layer else 0, channels[0]),
                (channels[1] if layer else 0, channels[1]),
                hidden,
                length=length,
            )
            for layer in range(layers)
        )
        self.exchange = nn.ModuleList(Exchange(channels[0], hidden, rounds=rounds) for _ in range(layers))
        self.vote = nn.ModuleList(nn.Linear(channels[1], 1, bias=False) for _ in range(layers))

    def forward(
        self, x: Float[Tensor, "*batch point 3"], parts: Sequence[Int[Tensor, "*batch point"]] | None = None
    ) -> Reading:
        """Read clouds."""
        if parts is not None and (len(parts) != len(self.blocks) or any(p.shape != x.shape[:-1] for p in parts)):
            raise PartError(
                f"PiecewiseNetwork: expected {len(self.blocks)} partitions of shape {list(x.shape[:-1])}, one for each "
                f"layer, came {[list(p.shape) for p in parts]}."
            )
        points, batch = x.reshape(-1, 3), x.shape[:-1]
        scalars, vectors = points[:, :0], points.unsqueeze(-1)[..., :0]
        part = voronoi(x, self.grouping.cells) if parts is None else parts[0]
        near = near_points(x, self.near) if parts is None and self.rounds else x.new_zeros(*batch, batch[-1]).bool()
        used, votes, mixtures, touch = [], [], [], []
        for layer, block in enumerate(self.blocks):
            cells = int(part.max()) + 1
            number, count = number_parts(part, cells)
            frames = self.frames(points, number, count, None)
            frames = frames.one_of() if self.training else frames
            new_scalars, new_vectors = block(points, scalars, vectors, number, frames)
            scalars = new_scalars + scalars if layer else new_scalars
            vectors = new_vectors + vectors if layer else new_vectors
            if self.rounds:
                touch.append(contacts(near, part, cells))
                own = segment_mean(scalars, number, count).reshape(*batch[:-1], cells, -1)
                told = self.exchange[layer](own, touch[-1]) - own
                scalars = scalars + told.reshape(count, -1)[number]
            vote = (points + self.vote[layer](vectors).squeeze(-1)).unflatten(0, batch)
            used.append(part)
            votes.append(vote)
            if parts is not None:
                part = parts[min(layer + 1, len(parts) - 1)]
            elif layer < len(self.grouping.widths):
                mixture = self._group(vote, part, self.grouping.widths[layer])
                mixtures.append(mixture)
                part = mixture.assignment(vote.detach()).argmax(-1)
        return Reading(
            scalars.unflatten(0, batch), vectors.unflatten(0, batch), tuple(used), tuple(votes), tuple(mixtures),
            tuple(touch) if parts is None else (), self.rounds,
        )  # fmt: skip

    def _group(self, vote: Tensor, part: Tensor, width: float) -> Mixture:
        how, seen = self.grouping, vote.detach()
        start = start_from_parts(seen, part, int(part.max()) + 1, width)
        fitted = fit_mixture(seen, start, steps=how.steps, strength=how.strength, merge=how.merge)
        return with_gradient(vote, fitted, "fisher") if self.training else fitted


def vote_loss(
    reading: Reading, x: Float[Tensor, "*batch point 3"], true: Int[Tensor, "*batch point"]
) -> Float[Tensor, ""]:
    r"""How far votes, and the centres they are counted for, are from the centre of the true part.

        sum over layers of  mean_i |y_i - c_true(i)|_1  +  mean_i |sum_j Q_ij centres_j - c_true(i)|_1

    The second term teaches through the fitted mixture, by its implicit gradient.

    Example:
        >>> network = PiecewiseNetwork(channels=(8, 2), hidden=16, grouping=Grouping(cells=4))
        >>> x, true = torch.randn(2, 20, 3), torch.randint(2, (2, 20))
        >>> vote_loss(network(x), x, true).backward()
    """
    number, count = number_parts(true, int(true.max()) + 1)
    centres = segment_mean(x.reshape(-1, 3), number, count)[number].reshape(x.shape)
    loss = torch.stack([(vote - centres).abs().sum(-1).mean() for vote in reading.votes]).sum()
    for mixture, vote in zip(reading.mixtures, reading.votes):
        expected = mixture.assignment(vote) @ mixture.centres
        loss = loss + (expected - centres).abs().sum(-1).mean()
    return loss
