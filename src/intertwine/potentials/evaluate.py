"""How good a potential is: its errors on labelled structures, set by set; no group acts on an error."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from intertwine.potentials.batching import collate
from intertwine.potentials.graph import Graph, GraphError, Prediction
from intertwine.potentials.neighbors import connect
from intertwine.potentials.potential import Potential
from intertwine.potentials.reference import composition_energy
from intertwine.potentials.report import SetResult
from intertwine.potentials.soundness import check_species


def evaluate(
    potential: Potential,
    graphs: Sequence[Graph],
    *,
    batch_size: int = 16,
    mean_energy: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[SetResult]:
    """Predict every structure and compare with its labels; one `SetResult` for each group of structures.

    Args:
        graphs: with energy and force labels, with or without edges; their `groups` name the sets.
        mean_energy: what the predict-mean baseline predicts, eV/atom above the reference energies.
        progress: called with structures done and structures in all.

    Raises:
        GraphError: an empty list, a missing label, an unknown species, or a prediction that is not finite.
    """
    if not graphs:
        raise GraphError("evaluate: there are no structures; expected at least one with energy and forces.")
    sets: dict[str, list[Graph]] = {}
    for graph in graphs:
        check_species(graph, potential.species)
        for label in ("energy", "forces"):
            if getattr(graph, label) is None:
                raise GraphError(f"{graph.place(0)}: {label} is missing; evaluation compares with labels.")
        sets.setdefault(graph.groups[0] if graph.groups else "all", []).append(graph)
    results, done = [], 0
    for name, members in sets.items():
        batches = []
        for batch, prediction in predictions(potential, members, batch_size=batch_size):
            batches.append(_columns(potential, batch, prediction))
            done += batch.graph_count
            if progress:
                progress(done, len(graphs))
        columns = (torch.cat(column).cpu().numpy() for column in zip(*batches, strict=True))
        results.append(SetResult(name, *columns, mean_energy=mean_energy))
    return results


def predictions(
    potential: Potential, graphs: Sequence[Graph], *, batch_size: int = 16
) -> Iterator[tuple[Graph, Prediction]]:
    """Batches in the dtype and on the device of the potential, each with what it predicts."""
    parameter = next(potential.parameters())
    with torch.no_grad():
        for start in range(0, len(graphs), batch_size):
            members = graphs[start : start + batch_size]
            connected = [graph if graph.cutoff is not None else connect(graph, potential.cutoff) for graph in members]
            batch = collate(connected).to(parameter.device, parameter.dtype)
            yield batch, potential(batch)


def _columns(potential: Potential, batch: Graph, prediction: Prediction) -> tuple[Tensor, ...]:
    """Energies per atom above the references, forces, and species, in the order of `SetResult`."""
    assert batch.energy is not None and batch.forces is not None and prediction.forces is not None
    atoms = torch.bincount(batch.structure, minlength=batch.graph_count)
    references = composition_energy(batch.numbers, batch.structure, batch.graph_count, potential.reference_energies)
    label, predicted = ((energy - references) / atoms for energy in (batch.energy, prediction.energy))
    return label, predicted, batch.forces.double(), prediction.forces.double(), batch.numbers
