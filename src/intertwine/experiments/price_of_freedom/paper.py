"""System 3: is a faster product worth what it cannot say? O(3) acts on `dim` of the features it multiplies.

Read from top to bottom: claim, budgets, run, findings. `measures` counts and clocks products,
`tetris` asks what they can learn, `training` how fast a model trains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intertwine.experiments.experiment import Budget, Experiment, ExperimentError, Stage
from intertwine.experiments.outcome import Measured
from intertwine.experiments.price_of_freedom import measures
from intertwine.experiments.price_of_freedom import tetris as freedom_tetris
from intertwine.experiments.price_of_freedom import training as freedom_training
from intertwine.experiments.price_of_freedom.measures import CG, GRID, Measures
from intertwine.experiments.price_of_freedom.tetris import Accuracy
from intertwine.experiments.timing import ratio
from intertwine.experiments.verdict import Finding, Verdict, stays_below
from intertwine.tensor_products.kernels.library import active_isa

CLAIM = (
    "Gaunt products are faster than Clebsch-Gordan products because they say less: both cost about the same for each "
    "dimension of what they can express, Gaunt products miss the odd paths and with them chirality, and on a grid they "
    "train a model 1.3 times faster than through Fourier series."
)

# ---- budgets


@dataclass(frozen=True)
class Size:
    """What to count, train and clock."""

    degrees: tuple[int, ...] = (1, 2, 3, 4)
    rounds: int = 15
    steps: int = 300
    """Of training on the tetrominoes."""
    channels: int = 8
    batch: int = 3
    """Frames in a step of the potential."""
    model: Mapping[str, object] = field(
        default_factory=lambda: {
            "cutoff": 5.0,
            "channels": 32,
            "hidden": "0e+1o",
            "edge_degree": 3,
            "correlation": 3,
            "layers": 2,
            "tensor_product": "gaunt",
            "contraction": "gaunt",
        }
    )


SMALL_MODEL = {"cutoff": 4.0, "channels": 4, "edge_degree": 1, "correlation": 2, "layers": 1, "contraction": "gaunt"}
BUDGETS = {
    "smoke": Budget(
        0.5, "two degrees and short trainings: shows that everything runs", Size((1, 2), 5, 120, 4, 1, SMALL_MODEL)
    ),
    "small": Budget(4.0, "degrees to 4, three seeds of the tetrominoes, a model of 32 channels", Size(), seeds=3),
    "full": Budget(20.0, "degrees to 8, ten seeds, more rounds", Size(tuple(range(1, 9)), 31, 1000), seeds=10),
}

# ---- run


def measure(size: Size, *, data: Path | None, seeds: Sequence[int], out: Path, progress: Stage) -> Measured:
    """Count and clock the products, train on the tetrominoes, clock the training of a potential."""
    products = measures.measure(size.degrees, size.rounds, progress)
    tetris: dict[str, list[Accuracy]] = {}
    for done, (name, make) in enumerate(freedom_tetris.PRODUCTS.items()):
        progress(f"tetrominoes with {name}", done, len(freedom_tetris.PRODUCTS))
        tetris[name] = [freedom_tetris.train(make, seed, steps=size.steps, channels=size.channels) for seed in seeds]
    progress("training", 0, 1)
    training = freedom_training.clock(size.model, batch=size.batch, rounds=size.rounds)
    progress("training", 1, 1)
    return Measured(
        tables=(
            measures.span_table(products),
            measures.cost_table(products),
            measures.slope_table(products),
            freedom_tetris.table(tetris),
            freedom_training.table(training, size.model),
        ),
        findings=tuple(judge(products, tetris, training, wide=int(str(size.model["channels"])) >= 32)),
        remarks=(
            "the micro-benchmarks of the paper on GPUs are not repeated here.",
            f"compiled kernels: {active_isa() or 'none'}.",
        ),
    )


# ---- findings

ALIKE = 4.0
"""Times: what still counts as about the same."""


def judge(
    products: Measures, tetris: Mapping[str, Sequence[Accuracy]], training: Mapping[str, Sequence[float]], *, wide: bool
) -> list[Finding]:
    """What the numbers say about each part of the claim."""
    decided = max(products.seconds) >= 4
    costs = {L: products.per_dimension(CG, L) / products.per_dimension(GRID, L) for L in products.seconds}
    flops = {
        L: (products.flops[CG][L] / products.spans[CG][L].dim) / (products.flops[GRID][L] / products.spans[GRID][L].dim)
        for L in products.seconds
    }
    alike = [max(value, 1 / value) for value in flops.values()]
    return [
        Finding(
            "dimensions of what products can say are those counted by hand",
            Verdict.reproduced if products.counts_agree() else Verdict.not_reproduced,
            "every path for Clebsch-Gordan, 4 L + 1 for Gaunt.",
        ),
        Finding(
            "operations for each dimension are about the same for Clebsch-Gordan and Gaunt",
            stays_below(ALIKE, alike) if decided else Verdict.not_decided,
            "Clebsch-Gordan over Gaunt: " + _by_degree(flops) + f"; judged within {ALIKE:g} times. In seconds: "
            + _by_degree(costs) + ".",
        ),
        Finding(
            "without odd paths chirality is lost, and the bracket brings it back",
            _chirality(tetris),
            "; ".join(
                f"{name}: {min(100 * run.pair for run in runs):.0f} to {max(100 * run.pair for run in runs):.0f} % of "
                f"the screws" for name, runs in tetris.items()
            )
            + ".",
        ),
        _speed("on a grid a model trains 1.3 times faster than through Fourier series", training,
               freedom_training.GRID, wide),
        _speed("and in the compiled kernel too", training, freedom_training.KERNEL, wide),
    ]  # fmt: skip


def _chirality(tetris: Mapping[str, Sequence[Accuracy]]) -> Verdict:
    gaunt, others = tetris["Gaunt"], [run for name, runs in tetris.items() if name != "Gaunt" for run in runs]
    if freedom_tetris.chance(gaunt) and all(run.pair > 0.95 for run in others):
        return Verdict.reproduced if len(gaunt) > 1 else Verdict.not_decided
    return Verdict.not_reproduced if not freedom_tetris.chance(gaunt) else Verdict.not_decided


def _speed(statement: str, training: Mapping[str, Sequence[float]], name: str, wide: bool) -> Finding:
    gain = ratio(training, freedom_training.FOURIER, over=name)
    verdict = stays_below(1 / freedom_training.GOAL, [1 / gain.low, 1 / gain.high]) if wide else Verdict.not_decided
    words = f"{gain.low:.2f} to {gain.high:.2f} times." + ("" if wide else " Not judged below 32 channels.")
    return Finding(statement, verdict, words)


def _by_degree(values: Mapping[int, float]) -> str:
    return ", ".join(f"L = {L}: {value:.2f}" for L, value in values.items())


def describe_data(data: Path | None) -> str:
    """The shipped stand-in is enough to clock steps.

    Raises:
        ExperimentError: a folder, of which nothing would be read.
    """
    if data is not None:
        raise ExperimentError(f"price-of-freedom: expected no --data, came {data}; it reads no set. Leave --data out.")
    return (
        "Data: products and tetrominoes need none; steps of training are clocked on the shipped frames of 3BPA with "
        "GFN2-xTB labels, a stand-in."
    )


EXPERIMENT = Experiment(
    name="price-of-freedom",
    system=3,
    title="The price of freedom: expressivity against speed",
    claim=CLAIM,
    reference="Xie et al., ICML 2025",
    budgets=BUDGETS,
    measure=measure,
    describe_data=describe_data,
)
