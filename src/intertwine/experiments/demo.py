"""The main job from end to end: train a Gaunt potential, test it on hotter frames, relax, run dynamics, report."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from intertwine.experiments.machine import library_versions, this_machine
from intertwine.potentials.data.readers import read
from intertwine.potentials.fitting.fit import hold_out, new_potential, ready, reference_frames, train_potential
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.judging.evaluate import evaluate
from intertwine.potentials.judging.page.page import write_report
from intertwine.potentials.judging.report import Report, Structure
from intertwine.potentials.judging.set_result import SetResult
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import save_potential
from intertwine.potentials.simulation.md import simulate
from intertwine.potentials.simulation.md_run import Dynamics
from intertwine.potentials.simulation.relax import Relaxation, relax
from intertwine.potentials.structures.graph import Graph
from intertwine.training.history import History
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Progress

SHIPPED = Path(str(files("intertwine.potentials"))) / "shipped" / "3bpa_gfn2.extxyz.xz"
"""3BPA labelled with GFN2-xTB; its README beside it says how it was made."""

MODEL = {
    "cutoff": 5.0,
    "channels": 32,
    "hidden": "0e+1o",
    "edge_degree": 2,
    "correlation": 3,
    "tensor_product": "gaunt",
    "contraction": "gaunt",
}
PLAN = TrainingPlan(
    epochs=56,
    batch_size=3,
    learning_rate=0.04,
    amsgrad=True,
    schedule="cosine",
    warmup_steps=50,
    ema_decay=0.99,
    clip_norm=10.0,
)
WEIGHTS = LossWeights(energy=1.0, forces=1.0)
VALIDATION = 0.05
FMAX = 0.01
"""Largest force of the relaxed molecule, eV/Angstrom."""
PICOSECONDS = 1.0
"""Length of the dynamics, from the relaxed molecule with velocities of 300 K."""

Stage = Callable[[str, int, int], None]
"""Called with the name of a stage, what is done of it, and what there is in all."""


@dataclass(frozen=True)
class Outcome:
    """What the demo measured, and where its files lie."""

    results: Sequence[SetResult]
    relaxation: Relaxation
    dynamics: Dynamics
    metrics: dict[str, Any]
    folder: Path


def run(
    out: Path | str = "runs/demo",
    *,
    plan: TrainingPlan = PLAN,
    model: dict[str, Any] | None = None,
    picoseconds: float = PICOSECONDS,
    progress: Progress | None = None,
    stage: Stage = lambda name, done, total: None,
) -> Outcome:
    """Train on the shipped set and write `metrics.json`, `report.html` and the potential into `out`.

    Args:
        plan, model, picoseconds: for a shorter run than the demo's own.
        progress: shows the training.
        stage: told how far evaluation, relaxation and dynamics have come.
    """
    out, model, machine = Path(out), model or MODEL, str(this_machine())
    sets: dict[str, list[Graph]] = {}
    for graph in read(SHIPPED, require=("energy", "forces")):
        sets.setdefault(graph.groups[0], []).append(graph)

    train, references = reference_frames(sets["isolated_atom"] + sets["train_300K"])
    train, valid = hold_out(train, VALIDATION, seed=plan.seed)
    potential, train = new_potential("mace", model, train, references, seed=plan.seed)
    history = train_potential(potential, train, ready(valid, potential), plan, weights=WEIGHTS, progress=progress)
    save_potential(out / "potential", potential, notes={"plan": asdict(plan)})

    tests = [graph for name in ("test_300K", "test_600K", "test_1200K") for graph in sets[name]]
    results = evaluate(
        potential, tests, mean_energy=potential.shift, progress=lambda done, total: stage("evaluate", done, total)
    )
    relaxation = relax(
        potential, sets["test_600K"][-1], fmax=FMAX, progress=lambda _, done, total: stage("relax", done, total)
    )
    dynamics = simulate(
        potential,
        relaxation.atoms,
        steps=round(picoseconds * 2000),
        timestep=0.5,
        temperature=300.0,
        seed=plan.seed,
        progress=lambda _, done, total: stage("dynamics", done, total),
    )

    metrics = collect(potential, history, results, relaxation, dynamics)
    metrics |= {"seed": plan.seed, "machine": machine, "versions": library_versions()}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    write_report(out / "report.html", make_report(model, plan, history, results, relaxation, dynamics))
    return Outcome(results, relaxation, dynamics, metrics, out)


def collect(
    potential: Potential,
    history: History,
    results: Sequence[SetResult],
    relaxation: Relaxation,
    dynamics: Dynamics,
) -> dict[str, Any]:
    """Every number that the demo prints, by name; units are in the names."""
    sets = {}
    for result in results:
        m = result.metrics
        sets[result.name] = {
            "energy_rmse_meV_per_atom": m["energy_rmse"],
            "energy_rmse_predict_mean_meV_per_atom": m["energy_rmse_predict_mean"],
            "force_rmse_meV_per_A": m["force_rmse"],
            "force_rmse_predict_zero_meV_per_A": m["force_rmse_predict_zero"],
        }
    return {
        "parameters": sum(parameter.numel() for parameter in potential.parameters()),
        "epochs": history.rows[-1]["epoch"],
        "steps": history.rows[-1]["step"],
        "training_seconds": history.rows[-1]["seconds"],
        "sets": sets,
        "relaxation": {
            "converged": bool(relaxation.path.converged),
            "steps": len(relaxation.path.energy) - 1,
            "energy_gain_eV": float(relaxation.path.energy[0] - relaxation.path.energy[-1]),
            "largest_force_meV_per_A": float(1000 * relaxation.path.fmax[-1]),
        },
        "dynamics": {
            "picoseconds": float(dynamics.trace.time[-1] / 1000),
            "drift_meV_per_atom_per_ps": dynamics.drift,
            "fluctuation_meV_per_atom": dynamics.fluctuation,
            "mean_temperature_K": float(np.mean(dynamics.trace.temperature)),
        },
    }


def make_report(
    model: dict[str, Any],
    plan: TrainingPlan,
    history: History,
    results: Sequence[SetResult],
    relaxation: Relaxation,
    dynamics: Dynamics,
) -> Report:
    """The page's content."""
    numbers = relaxation.atoms.numbers
    return Report(
        "A Gaunt potential for 3BPA, trained on GFN2-xTB frames of 300 K",
        configuration={"data": SHIPPED.name, "model": model, "training": asdict(plan), "loss": asdict(WEIGHTS)},
        history=history.rows,
        sets=results,
        relaxation=relaxation.path,
        dynamics=dynamics.trace,
        structures=[
            Structure("Dynamics at constant energy", numbers, dynamics.positions),
            Structure("Relaxation", numbers, relaxation.positions),
        ],
    )
