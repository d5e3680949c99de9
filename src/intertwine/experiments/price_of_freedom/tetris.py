"""Eight tetrominoes, two of them mirror images: which products can tell these apart? O(3) acts on `dim`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.nn.linear import Linear
from intertwine.o3.irreps import Irrep, Irreps
from intertwine.o3.rotation import random_rotation
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt

SHAPES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "screw, left": ((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0)),
    "screw, right": ((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, -1, 0)),
    "square": ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)),
    "line": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)),
    "corner": ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "L": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0)),
    "T": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 1)),
    "zigzag": ((0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 1, 0)),
}
PAIR = (0, 1)
"""The two that only a mirror brings together."""
DEGREES = Irreps.spherical_harmonics(2)
Make = Callable[[Irreps, Irreps, Irreps | None], TensorProduct]
PRODUCTS: dict[str, Make] = {
    "Clebsch-Gordan": ClebschGordan,
    "Gaunt": Gaunt,
    "Gaunt and bracket": lambda one, two, out: Gaunt(one, two, out, odd="bracket"),
}


@dataclass(frozen=True)
class Accuracy:
    """Share of rotated shapes that were named rightly."""

    all_shapes: float
    pair: float


class Classifier(nn.Module):
    r"""Names a shape from products of the surroundings of its points.

        a_i = sum over j of  weight(|r_ij|) Y(r_ij),     b = product(mix(a), mix(a)),     c = product(mix(b), mix(a))
        logits = sum over i of  mix(c_0e) + mix(c_0o)

    The pseudo-scalars c_0o are what changes sign in a mirror: a product that does not reach them cannot tell a shape
    from its mirror image, whatever its weights.

    Shapes: positions `shape point 3`, result `shape class`.
    """

    def __init__(self, make: Make, channels: int):
        super().__init__()
        self.radial = nn.Linear(8, channels * len(DEGREES), bias=False)
        full = make(DEGREES, DEGREES, None).irreps_out
        self.first = make(DEGREES, DEGREES, full.filter(lambda ir: ir.l <= DEGREES.lmax))
        scalars = make(self.first.irreps_out, DEGREES, None).irreps_out.filter(lambda ir: ir.l == 0)
        self.second = make(self.first.irreps_out, DEGREES, scalars)
        self.mixes = nn.ModuleList(
            Linear(irreps, irreps, channels, channels) for irreps in (DEGREES, DEGREES, self.first.irreps_out)
        )
        self.names = nn.Linear(scalars.dim * channels, len(SHAPES))

    def forward(self, positions: Float[Tensor, "shape point 3"]) -> Float[Tensor, "shape class"]:
        """The logits of every class."""
        vectors = positions[:, :, None] - positions[:, None, :]
        length = vectors.norm(dim=-1)
        basis = torch.exp(-((length.unsqueeze(-1) - torch.linspace(0.5, 3.5, 8)) ** 2) * 4) * (length > 0).unsqueeze(-1)
        weight = self.radial(basis).unflatten(-1, (len(DEGREES), -1))
        harmonics = spherical_harmonics(list(DEGREES.degrees), vectors, True, normalization="component")
        rows = torch.repeat_interleave(torch.arange(len(DEGREES)), torch.tensor([ir.dim for ir in DEGREES]))
        a = (harmonics.unsqueeze(-1) * weight[..., rows, :]).sum(2)
        one, two, three = self.mixes
        c = self.second(three(self.first(one(a), two(a))), two(a))
        return self.names(c.sum(1).flatten(1))

    @property
    def sees_mirrors(self) -> bool:
        """Whether a pseudo-scalar is reached."""
        return Irrep(0, -1) in self.second.irreps_out


def shapes() -> Float[Tensor, "shape point 3"]:
    """The points of all shapes, centred."""
    points = torch.tensor(list(SHAPES.values()), dtype=torch.float32)
    return points - points.mean(1, keepdim=True)


def train(make: Make, seed: int, *, steps: int, channels: int) -> Accuracy:
    """Learn all shapes in random orientations, then name others."""
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(make, channels)
    optimizer, labels = torch.optim.Adam(model.parameters(), lr=0.01), torch.arange(len(SHAPES))
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(_turned(draw)), labels).backward()
        optimizer.step()
    with torch.no_grad():
        right = torch.stack([model(_turned(draw)).argmax(1) == labels for _ in range(50)]).float()
    return Accuracy(float(right.mean()), float(right[:, PAIR].mean()))


def _turned(draw: torch.Generator) -> Tensor:
    points = shapes()
    return points @ random_rotation(len(points), generator=draw, dtype=points.dtype).mT


def table(found: dict[str, list[Accuracy]]) -> Table:
    """Accuracies over seeds; the paper's in words."""
    columns = (
        Column("all eight shapes", "% right"),
        Column("the two screws", "% right"),
        Column("worst seed", "% right"),
    )
    rows = []
    for name, runs in found.items():
        means = [100 * sum(each) / len(runs) for each in ([r.all_shapes for r in runs], [r.pair for r in runs])]
        worst = 100 * min(run.all_shapes for run in runs)
        rows.append(Row(name, "this run", (Number(means[0]), Number(means[1]), Number(worst))))
    note = (
        "The two screws are mirror images of each other; no rotation brings them together, and a coin would name half "
        "of them rightly. The paper has no number for products without odd paths."
    )
    return Table("Tetrominoes", columns, tuple(rows), (), note)


def chance(runs: Sequence[Accuracy]) -> bool:
    """Whether no run named the two screws better than a coin would, give or take a tenth."""
    return all(run.pair < 0.6 for run in runs)
