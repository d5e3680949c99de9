"""Whole potentials beside those of other projects: energies with forces, and a step of training; E(3) acts."""

from collections.abc import Callable, Sequence

from intertwine.experiments.bench.cases import Case
from intertwine.experiments.bench.row import NAME, Goal, Row, Side
from intertwine.experiments.bench.systems import NEIGHBORS

STEP, MOLECULE, BOX = range(3)
"""Cases: a batch to train on, one molecule, a box of water."""
USE = ("energy and forces", "with table")
SYSTEMS: tuple[tuple[str, dict[str, object], tuple[str, ...]], ...] = (
    ("5 x 27 atoms", {"molecules": 5, "train": True}, ("training step",)),
    ("27 atoms", {"molecules": 1, "train": False}, USE),
    ("648 atoms, periodic", {"water": 6, "train": False}, USE),
)

MACE = {
    "kind": "mace",
    "hyperparameters": {
        "channels": 64, "hidden": "0e+1o", "edge_degree": 3, "correlation": 3, "layers": 2, "radial_count": 8,
        "radial_hidden": [64, 64, 64], "tensor_product": "clebsch-gordan", "contraction": "clebsch-gordan",
    },
}  # fmt: skip
NEQUIP = {
    "kind": "nequip",
    "hyperparameters": {
        "channels": 64, "hidden": "0e+0o+1o+1e", "edge_degree": 1, "layers": 3, "radial_count": 8,
        "radial_hidden": [128], "tensor_product": "clebsch-gordan",
    },
}  # fmt: skip
SEVENNET = {
    "kind": "nequip",
    "hyperparameters": {**NEQUIP["hyperparameters"], "hidden": "0e+1o", "radial_hidden": [64, 64]},
}


def potentials(model: dict[str, object]) -> Callable[[Sequence[int]], tuple[Case, ...]]:
    """The cases of a row: one model, three systems."""

    def cases(numbers: Sequence[int]) -> tuple[Case, ...]:
        found = []
        for number in numbers:
            name, data, passes = SYSTEMS[number]
            found.append(Case("", number, {**data, "model": model, "neighbors": NEIGHBORS}, name, passes))
        return tuple(found)

    return cases


COUNTED = (
    "Energies and forces in float32 on the same edges; neighbours are not searched. Weights are each side's own, "
    "random: values cannot agree, the number of edges is compared. With table: ours looks its radial weights up, to "
    "1e-5 of their size; theirs as they are. A training step: energies and forces of 5 molecules, the gradient of a "
    "loss of both for all parameters, and Adam. "
)


def whole(
    key: str,
    title: str,
    counted: str,
    *,
    model: dict,
    peer: Side,
    goals: tuple[float, float, float],
    table: float = 0.0,
) -> Row:
    """A row for one model: `goals` are for the step, the molecule and the box, `table` for the molecule with tables."""
    step, molecule, box = goals
    return Row(
        key,
        title,
        COUNTED + counted,
        ("training step", *USE),
        potentials(model),
        degrees=(STEP, MOLECULE, BOX),
        quick=(STEP, MOLECULE),
        sides=(Side(NAME), peer),
        goals=(
            Goal((peer.name,), {"training step": step}, range(STEP, STEP + 1)),
            Goal((peer.name,), {"energy and forces": molecule}, range(MOLECULE, MOLECULE + 1)),
            *([Goal((peer.name,), {"with table": table}, range(MOLECULE, MOLECULE + 1))] if table else []),
            Goal((peer.name,), {"energy and forces": box}, range(BOX, BOX + 1)),
        ),
        memory=1 / 5,
        memory_pass="energy and forces",
        memory_degrees=(BOX,),
    )


POTENTIALS: tuple[Row, ...] = (
    whole(
        "D",
        "MACE: 64 channels, 0e+1o, order 3, 2 layers, 5 A",
        "Both: harmonics to degree 3, 8 Bessel functions, radial networks 8-64-64-64. MACE's couplings of order 3 are "
        "redundant where ours are independent, and its skip connections mix channels element by element.",
        model=MACE,
        peer=Side("mace", "mace", "mace_model.py"),
        goals=(6.0, 5.0, 10.0),
        table=8.0,
    ),
    whole(
        "D'",
        "NequIP: 64 channels, 0e+0o+1e+1o, 3 layers, 5 A",
        "Both: harmonics to degree 1, 8 Bessel functions, radial networks 8-128. NequIP mixes channels element by "
        "element in its self-connection, ours scales them: its weights are several times as many.",
        model=NEQUIP,
        peer=Side("nequip", "nequip", "nequip_model.py"),
        goals=(3.0, 3.0, 5.0),
    ),
    whole(
        "D''",
        "SevenNet: 64 channels, 0e+1o, 3 layers, 5 A",
        "Both: harmonics to degree 1, 8 Bessel functions, radial networks 8-64-64, natural parities.",
        model=SEVENNET,
        peer=Side("sevennet", "nequip", "sevennet_model.py"),
        goals=(3.0, 3.0, 5.0),
    ),
)
