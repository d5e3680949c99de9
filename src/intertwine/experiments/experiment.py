"""One paper: its claim, what stands in for its data, how long to spend, and how to measure. No group acts."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from intertwine.experiments.machine import library_versions, this_machine
from intertwine.experiments.outcome import Measured, Outcome

Stage = Callable[[str, int, int], None]
"""Called with a stage, what is done of it and what there is in all. The first word names the stage."""


class ExperimentError(ValueError):
    """A request that no experiment can meet: an unknown name or budget, or hardware that is missing."""


@dataclass(frozen=True)
class Budget:
    """How much to spend on an experiment."""

    minutes: float
    """Planned, on the hardware that `words` names."""
    words: str
    """What this budget can show and what it cannot."""
    size: Any
    """The experiment's own record of sizes and training plan."""
    seeds: int = 1
    """Runs of everything random, with seeds that follow each other."""
    needs_gpu: bool = False


@dataclass(frozen=True)
class Experiment:
    """A paper that this library repeats.

    Example:
        >>> from intertwine.experiments.catalog import find
        >>> experiment = find("gaunt")
        >>> outcome = experiment.run("smoke", out="runs/gaunt")     # doctest: +SKIP
        >>> outcome.verdict.value                                   # doctest: +SKIP
        'not decided at this budget'
    """

    name: str
    """What `intertwine reproduce` calls it."""
    system: int
    title: str
    claim: str
    """One sentence that numbers can contradict."""
    reference: str
    budgets: Mapping[str, Budget]
    measure: Callable[..., Measured]
    """`(size, *, data, seeds, out, progress) -> Measured`."""
    describe_data: Callable[[Path | None], str]
    """What will be used, for the first line of the output, which says so when it is a stand-in. Raises
    `DataFolderError` for a folder without the data."""

    def budget(self, name: str) -> Budget:
        """One of the budgets, by name.

        Raises:
            ExperimentError: no budget of this name.
        """
        if name not in self.budgets:
            raise ExperimentError(f"{self.name}: there is no budget {name!r}; choose {', '.join(self.budgets)}.")
        return self.budgets[name]

    def summary(self) -> str:
        """Two lines for a list: name and title, then the budgets with the time that each takes.

        Example:
            >>> from intertwine.experiments.catalog import find
            >>> print(find("price-of-freedom").summary())
            price-of-freedom: The price of freedom: expressivity against speed
                smoke 0.5 minutes, small 4 minutes, full 20 minutes
        """
        budgets = [f"{name} {duration(budget.minutes)}" for name, budget in self.budgets.items()]
        return f"{self.name}: {self.title}\n    {', '.join(budgets)}"

    def opening(self, budget: str, data: Path | str | None = None) -> str:
        """What to print before anything is computed: the data, then the budget.

        Raises:
            ExperimentError: no budget of this name, or it needs a GPU and there is none.
            DataFolderError: a folder without the data.
        """
        chosen = self.budget(budget)
        if chosen.needs_gpu and not torch.cuda.is_available():
            known = ", ".join(name for name, other in self.budgets.items() if not other.needs_gpu)
            raise ExperimentError(
                f"{self.name}: the budget {budget!r} needs a GPU and torch finds none; take one of {known}, or run on "
                f"a machine with a GPU and a CUDA build of torch."
            )
        about = self.describe_data(None if data is None else Path(data))
        return f"{about}\nBudget {budget}: {chosen.words}; planned {duration(chosen.minutes)}."

    def run(
        self,
        budget: str = "smoke",
        *,
        data: Path | str | None = None,
        seed: int = 0,
        out: Path | str | None = None,
        progress: Stage | None = None,
    ) -> Outcome:
        """Measure, judge, and write `outcome.json` into `out`, `runs/<name>` if None.

        Starts processes: a script of your own needs `if __name__ == "__main__":` around it.

        Args:
            data: the folder that holds all sets, or the set itself; None: what is shipped or made by rule.
            seed: the first of the budget's seeds.

        Raises:
            ExperimentError: no such budget, or no GPU for it.
            DataFolderError: a folder without the data.
            ValueError: a file of it that holds something else, as the room that reads it says.
            NumericalError: a training left the finite numbers.
        """
        self.opening(budget, data)
        chosen, machine, begun = self.budget(budget), this_machine(), time.monotonic()
        data = None if data is None else Path(data)
        folder = Path("runs") / self.name if out is None else Path(out)
        seeds = tuple(range(seed, seed + chosen.seeds))
        measured = self.measure(
            chosen.size, data=data, seeds=seeds, out=folder, progress=progress or (lambda stage, done, total: None)
        )
        command = ["intertwine", "reproduce", self.name, "--budget", budget, "--seed", str(seed)]
        command += [] if data is None else ["--data", str(data)]
        command += [] if out is None else ["--out", str(out)]
        outcome = Outcome(
            experiment=self.name,
            system=self.system,
            title=self.title,
            claim=self.claim,
            reference=self.reference,
            data=self.describe_data(data),
            budget=budget,
            command=shlex.join(command),
            seeds=seeds,
            measured=measured,
            machine=machine,
            versions=library_versions(),
            seconds=round(time.monotonic() - begun, 1),
            folder=str(folder),
        )
        outcome.save(folder / "outcome.json")
        return outcome


def duration(minutes: float) -> str:
    """Minutes for readers.

    Example:
        >>> duration(15), duration(4000)
        ('15 minutes', '67 hours')
    """
    if minutes >= 120:
        return f"{minutes / 60:.0f} hours"
    return f"{minutes:g} minute{'' if minutes == 1 else 's'}"
