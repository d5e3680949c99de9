"""How good a potential is: its predictions beside the labels, set by set; no group acts on an error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.potentials.judging.set_result import SetResult
from intertwine.potentials.models.comparison import Comparison
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.predict import BATCH_EDGES, apart, predictions
from intertwine.potentials.models.uncertainty import Deviation, Estimator
from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.grouping import by_group
from intertwine.potentials.structures.reference import composition_energy, is_isolated_atom
from intertwine.potentials.structures.soundness import check_species

LABELS = ("energy", "forces", "stress")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a potential predicted for labelled structures, one by one."""

    structures: Sequence[Graph]
    """One structure each, with whatever labels they have."""
    predicted: Sequence[Prediction]
    """Beside them, on the CPU."""
    deviations: Sequence[Deviation | None]
    """Standard deviations of the predictions, where an estimator was given."""
    potential: Potential

    def sets(self, names: Sequence[str], *, mean_energy: float | None = None) -> list[SetResult]:
        """Compare with the labels in sets: structures of one name belong together, in the order of first appearance.

        Isolated atoms are left out, as from training: they give reference energies, and errors of no use. They are
        judged where there is nothing else.

        Args:
            names: one for each structure.
            mean_energy: what the predict-mean baseline predicts, eV/atom above the reference energies.
        """
        members: dict[str, list[int]] = {}
        for index in self.counted:
            members.setdefault(names[index], []).append(index)
        return [self._set(name, chosen, mean_energy) for name, chosen in members.items()]

    def total(self, *, mean_energy: float | None = None) -> SetResult:
        """All structures as one set, but for isolated atoms."""
        return self._set("total", self.counted, mean_energy)

    @cached_property
    def counted(self) -> list[int]:
        """The structures that are judged, by their index."""
        molecules = [index for index, graph in enumerate(self.structures) if not is_isolated_atom(graph)]
        return molecules or list(range(len(self.structures)))

    def _set(self, name: str, chosen: Sequence[int], mean_energy: float | None) -> SetResult:
        found = {label: [i for i in chosen if getattr(self.structures[i], label) is not None] for label in LABELS}
        atoms = [self.structures[i].numbers.cpu().numpy() for i in found["forces"]]
        return SetResult(
            name,
            structures=len(chosen),
            energy=self._energies(found["energy"]),
            forces=self._rows("forces", found["forces"]),
            stress=self._rows("stress", found["stress"]),
            numbers=np.concatenate(atoms) if atoms else None,
            mean_energy=mean_energy,
            force_structures=len(atoms),
        )

    def _rows(self, quantity: str, chosen: Sequence[int]) -> Comparison | None:
        """Label, prediction and deviation of a quantity, rows below one another."""
        if not chosen:
            return None
        label = _joined([getattr(self.structures[i], quantity) for i in chosen])
        predicted = _joined([getattr(self.predicted[i], quantity) for i in chosen])
        spreads = [getattr(spread, quantity) for i in chosen if (spread := self.deviations[i]) is not None]
        known = len(spreads) == len(chosen) and all(spread is not None for spread in spreads)
        if not known:
            return Comparison(label, predicted)
        one_each = _joined(spreads).reshape(len(label), *[1] * (label.ndim - 1))
        return Comparison(label, predicted, np.broadcast_to(one_each, label.shape))

    def _energies(self, chosen: Sequence[int]) -> Comparison | None:
        """Energies per atom, labels and predictions above the references."""
        total = self._rows("energy", chosen)
        if total is None:
            return None
        atoms = np.array([self.structures[i].node_count for i in chosen])
        references = np.array([composition(self.structures[i], self.potential) for i in chosen])
        deviation = None if total.deviation is None else total.deviation / atoms
        return Comparison((total.label - references) / atoms, (total.predicted - references) / atoms, deviation)


def evaluate(
    potential: Potential,
    graphs: Sequence[Graph],
    *,
    batch_edges: int = BATCH_EDGES,
    mean_energy: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[SetResult]:
    """Predict every structure and compare with the labels it has; one `SetResult` for each group of structures.

    Energies are compared per atom, above the reference energies. `compare` does the same in two steps, for other sets
    and with uncertainties.

    Args:
        graphs: with labels of energy, forces or stress, with or without edges; their `groups` name the sets, "all"
            where there is no name.
        mean_energy: what the predict-mean baseline predicts, eV/atom above the reference energies.
        progress: called with structures done and structures in all.

    Raises:
        GraphError: an empty list, no label at all, an unknown species.
        NonFiniteError: a prediction that is not finite.

    Example:
        >>> for each in evaluate(potential, read("test.extxyz")):  # doctest: +SKIP
        ...     print(each.title, each.metrics["force_rmse"])
    """
    found = compare(potential, graphs, batch_edges=batch_edges, progress=progress)
    return found.sets(by_group(found.structures), mean_energy=mean_energy)


def compare(
    potential: Potential,
    graphs: Sequence[Graph],
    *,
    estimator: Estimator | None = None,
    unlabelled: bool = False,
    batch_edges: int = BATCH_EDGES,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict every structure, for as many quantities as it has labels.

    Args:
        estimator: gives predictions and standard deviations in place of `potential`.
        unlabelled: predict energy, forces and, where there is a cell, stress, whether they have labels or not.
        batch_edges: limit of atoms plus edges in a batch, and so of memory.

    Raises:
        GraphError: an empty list, no label at all, an unknown species.
        NonFiniteError: a prediction that is not finite.

    Example:
        >>> found = compare(potential, read("test.h5"), estimator=load_uncertainty(folder, potential))  # doctest: +SKIP
    """
    structures = [structure for graph in graphs for structure in split(graph)]
    if not structures:
        raise GraphError("evaluate: there are no structures; expected at least one with a label.")
    for graph in structures:
        check_species(graph, potential.species)
    if not unlabelled and all(getattr(graph, label) is None for graph in structures for label in LABELS):
        raise GraphError(
            f"{structures[0].place(0)}: neither this frame nor any other has energy, forces or stress; name the keys "
            "that hold them, or ask for predictions only."
        )
    forces = unlabelled or any(graph.forces is not None for graph in structures)
    stressed = [graph.stress is not None or (unlabelled and bool(graph.cell.det() != 0)) for graph in structures]
    predicted: dict[int, Prediction] = {}
    deviations: dict[int, Deviation | None] = {}
    for stress in (False, True):
        chosen = [index for index, wanted in enumerate(stressed) if wanted == stress]
        places = iter(chosen)
        members = [structures[index] for index in chosen]
        batches = predictions(
            potential, members, forces=forces, stress=stress, estimator=estimator, batch_edges=batch_edges
        )
        for batch, prediction, deviation in batches:
            spreads = [None] * batch.graph_count if deviation is None else apart(batch, deviation)
            for part, spread in zip(apart(batch, prediction), spreads, strict=True):
                index = next(places)
                predicted[index], deviations[index] = part, spread
            if progress:
                progress(len(predicted), len(structures))
    order = range(len(structures))
    return Evaluation(structures, [predicted[i] for i in order], [deviations[i] for i in order], potential)


def composition(graph: Graph, potential: Potential) -> float:
    """Reference energies of the atoms of one structure, eV."""
    return composition_energy(graph.numbers, graph.structure, 1, potential.reference_energies).item()


def _joined(parts: Sequence[Tensor]) -> Float[np.ndarray, "..."]:
    """Rows of all parts below one another, in float64."""
    return torch.cat(list(parts)).detach().cpu().double().numpy()
