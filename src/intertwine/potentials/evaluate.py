"""How good a potential is: its errors on labelled structures, set by set; no group acts on an error."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from intertwine.potentials.batching import collate, split
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

    Energies are compared per atom, above the reference energies.

    Args:
        graphs: with energy and force labels, with or without edges; their `groups` name the sets, "all" where there is
            no name.
        mean_energy: what the predict-mean baseline predicts, eV/atom above the reference energies.
        progress: called with structures done and structures in all.

    Raises:
        GraphError: an empty list, a missing label, an unknown species.
        NonFiniteError: a prediction that is not finite.

    Example:
        >>> for each in evaluate(potential, read("test.extxyz")):  # doctest: +SKIP
        ...     print(each.title, each.metrics["force_rmse"])
    """
    structures = [structure for graph in graphs for structure in split(graph)]
    if not structures:
        raise GraphError("evaluate: there are no structures; expected at least one with energy and forces.")
    sets: dict[str, list[Graph]] = {}
    for graph in structures:
        check_species(graph, potential.species)
        for label in ("energy", "forces"):
            if getattr(graph, label) is None:
                raise GraphError(f"{graph.place(0)}: {label} is missing; evaluation compares with labels.")
        sets.setdefault("".join(graph.groups) or "all", []).append(graph)
    results, done = [], 0
    for name, members in sets.items():
        batches = []
        for batch, prediction in predictions(potential, members, batch_size=batch_size):
            batches.append(_columns(potential, batch, prediction))
            done += batch.graph_count
            if progress:
                progress(done, len(structures))
        columns = (torch.cat(column).cpu().numpy() for column in zip(*batches, strict=True))
        results.append(SetResult(name, *columns, mean_energy=mean_energy))
    return results


def predictions(
    potential: Potential, graphs: Sequence[Graph], *, batch_size: int = 16
) -> Iterator[tuple[Graph, Prediction]]:
    """Batches on the device of the potential, each with what it predicts: energy and forces."""
    device = potential.get_buffer("species_index").device  # parameters there may be none
    with torch.no_grad():
        for start in range(0, len(graphs), batch_size):
            members = graphs[start : start + batch_size]
            ready = [
                graph if graph.cutoff == potential.cutoff else connect(graph, potential.cutoff) for graph in members
            ]
            batch = collate(ready).to(device)
            yield batch, potential(batch)


def _columns(potential: Potential, batch: Graph, prediction: Prediction) -> tuple[Tensor, ...]:
    """Energies per atom above the references, forces, and species, in the order of `SetResult`."""
    assert batch.energy is not None and batch.forces is not None and prediction.forces is not None
    atoms = torch.bincount(batch.structure, minlength=batch.graph_count)
    references = composition_energy(batch.numbers, batch.structure, batch.graph_count, potential.reference_energies)
    label, predicted = ((energy - references) / atoms for energy in (batch.energy, prediction.energy))
    return label, predicted, batch.forces.double(), prediction.forces.double(), batch.numbers
