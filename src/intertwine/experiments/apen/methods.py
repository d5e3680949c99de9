"""Five ways to read a body that moves: the same network, which differs only in what may move by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.experiments.apen.data import Kind
from intertwine.geometry.articulated import Clouds
from intertwine.geometry.piecewise.network import Grouping, PiecewiseNetwork, Reading, vote_loss
from intertwine.groups.frames.part_frames import FrameOfParts, PartPCA, Upright
from intertwine.groups.haar import haar_special_orthogonal
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Progress

Partition = Literal["whole", "true", "found"]


@dataclass(frozen=True)
class Method:
    """What a network takes for a part, and whether it sees parts in frames of theirs."""

    name: str
    partition: Partition
    frames: FrameOfParts
    rotate: bool = False
    """Show every cloud in random orientations while training."""
    exchange: bool = True
    """Whether parts that touch tell each other what they are; only those that are found can touch."""


ROTATED = Method("PointNet, trained on rotations", "whole", Upright(), rotate=True)
GLOBAL = Method("PointNet in the frame of the cloud", "whole", PartPCA("SE"))
TRUE = Method("APEN, true partition", "true", PartPCA("SE"))
ALONE = Method("APEN, predicted partition", "found", PartPCA("SE"), exchange=False)
FOUND = Method("the same, parts that touch talk", "found", PartPCA("SE"))
METHODS = (ROTATED, GLOBAL, TRUE, ALONE, FOUND)
"""As the paper has it but for the last, where parts exchange invariants: see `Exchange`."""


class Reader(nn.Module):
    """A piecewise network with a head: logits of every point, or of the cloud by mean and maximum over its points."""

    def __init__(
        self, method: Method, kind: Kind, classes: int, *, channels: tuple[int, int], hidden: int, grouping: Grouping,
        length: float, rounds: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.method, self.kind = method, kind
        self.network = PiecewiseNetwork(
            channels=channels, hidden=hidden, length=length, grouping=grouping, frames=method.frames,
            rounds=rounds if method.exchange else 0,
        )  # fmt: skip
        width = channels[0] * (1 if kind == "parts" else 2)
        self.head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def read(self, clouds: Clouds) -> Reading:
        """Features of all points."""
        given = {"whole": torch.zeros_like(clouds.part), "true": clouds.part, "found": None}[self.method.partition]
        return self.network(clouds.points, None if given is None else [given] * len(self.network.blocks))

    def logits(self, reading: Reading) -> Float[Tensor, "... kind"]:
        """Of points or clouds."""
        if self.kind == "parts":
            return self.head(reading.scalars)
        return self.head(torch.cat([reading.scalars.mean(-2), reading.scalars.amax(-2)], -1))

    def forward(self, clouds: Clouds) -> Float[Tensor, "... kind"]:
        """Logits."""
        return self.logits(self.read(clouds))


def objective(vote_weight: float) -> Callable[[nn.Module, Clouds], dict[str, Tensor]]:
    """Cross entropy, and for a partition that is to be found the distance of the votes from the true centres."""

    def measure(reader: nn.Module, clouds: Clouds) -> dict[str, Tensor]:
        assert isinstance(reader, Reader)
        if reader.method.rotate:
            turn = haar_special_orthogonal(3, len(clouds), dtype=clouds.points.dtype)
            clouds = Clouds(clouds.points @ turn.mT, clouds.part, clouds.label, clouds.subject)
        reading = reader.read(clouds)
        target = clouds.label.flatten() if reader.kind == "parts" else clouds.subject
        loss = nn.functional.cross_entropy(reader.logits(reading).flatten(0, -2), target)
        if reader.method.partition == "found":
            loss = loss + vote_weight * vote_loss(reading, clouds.points, clouds.part)
        return {"loss": loss}

    return measure


def train(reader: Reader, clouds: Clouds, plan: TrainingPlan, *, vote_weight: float, progress: Progress) -> Reader:
    """Learn from the clouds, in place."""
    indices = list(range(len(clouds)))
    fit(reader, objective(vote_weight), indices, lambda rows: clouds.take(torch.tensor(rows)), plan, progress=progress)
    return reader.eval()


@torch.no_grad()
def predicted(reader: Reader, clouds: Clouds, batch: int = 32) -> Int[Tensor, "..."]:
    """The likeliest label of each point, or subject of each cloud."""
    rows = torch.arange(len(clouds)).split(batch)
    return torch.cat([reader(clouds.take(chosen)).argmax(-1) for chosen in rows])


def mean_iou(found: Int[Tensor, "cloud point"], label: Int[Tensor, "cloud point"], classes: int) -> float:
    """Intersection over union of each label over all clouds, in per cent, averaged over the labels that occur.

    Example:
        >>> mean_iou(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 0, 0, 1]]), 2)
        58.33333...
    """
    shares = []
    for kind in range(classes):
        here, there = found == kind, label == kind
        union = int((here | there).sum())
        if union:
            shares.append(int((here & there).sum()) / union)
    return 100 * sum(shares) / len(shares)
