"""From labelled structures to a trained potential: references, scales, training; no group acts here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from intertwine.potentials.data.on_demand import chosen, comes_on_demand, mapped
from intertwine.potentials.fitting.objective import LossWeights, make_terms
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.fitting.validation import make_validation
from intertwine.potentials.models.models import ModelName
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.structures.reference import (
    composition_energy,
    fit_reference_energies,
    is_isolated_atom,
    isolated_atom_energies,
)
from intertwine.potentials.structures.soundness import check_species
from intertwine.training.history import History
from intertwine.training.loop import RunOptions, fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.run import SecondStage


def reference_frames(graphs: Sequence[Graph]) -> tuple[Sequence[Graph], dict[int, float]]:
    """The frames to train on, and a reference energy for each of their elements.

    Elements that no isolated atom stands for share what the others leave of the energies, by least squares over the
    frames that have an energy; an element without any has reference zero.
    """
    isolated, train = isolated_atom_energies(graphs), trainable(graphs)
    elements = sorted({int(number) for graph in train for number in graph.numbers.unique()})
    known = {number: isolated[number] for number in elements if number in isolated}
    if len(known) == len(elements):
        return train, known
    labelled = chosen(train, [place for place, graph in enumerate(train) if graph.energy is not None])
    fitted = fit_reference_energies(labelled, known=known) if labelled else known
    return train, {number: fitted.get(number, 0.0) for number in elements}


def trainable(graphs: Sequence[Graph]) -> Sequence[Graph]:
    """The structures that are no isolated atoms, one graph each; what comes on demand has one each already.

    Raises:
        GraphError: there is none.
    """
    single = graphs if comes_on_demand(graphs) else [graph for batch in graphs for graph in split(batch)]
    found = chosen(single, [place for place, graph in enumerate(single) if not is_isolated_atom(graph)])
    if not found:
        raise GraphError("fit: no frame holds more than one atom; there is nothing to learn forces from.")
    return found


def require(labels: Collection[str], graphs: Sequence[Graph]) -> None:
    """Refuse a label that no frame has, and frames that have no label.

    Raises:
        GraphError: naming the label, or the frame.
    """
    for label in labels:
        if all(getattr(graph, label) is None for graph in graphs):
            raise GraphError(
                f"{graphs[0].place(0)}: {label} is missing, and in all {len(graphs)} frames; label some, name its key "
                f"under data.keys, or set the loss weight of {label} to 0."
            )
    for graph in graphs:
        if all(getattr(graph, label) is None for label in labels):
            raise GraphError(
                f"{graph.place(0)}: none of its labels counts; expected {' or '.join(labels)}. Label it or drop it."
            )


def hold_out(graphs: Sequence[Graph], fraction: float, *, seed: int) -> tuple[Sequence[Graph], Sequence[Graph]]:
    """Split frames at random into those to train on and those to validate with, at least one of each."""
    if len(graphs) < 2:
        raise GraphError("fit: one frame cannot be split into training and validation; give a data.valid file.")
    count = min(max(1, round(fraction * len(graphs))), len(graphs) - 1)
    order = torch.randperm(len(graphs), generator=torch.Generator().manual_seed(seed)).tolist()
    return chosen(graphs, sorted(order[count:])), chosen(graphs, sorted(order[:count]))


def new_potential(
    kind: ModelName,
    hyperparameters: Mapping[str, Any],
    train: Sequence[Graph],
    reference_energies: Mapping[int, float],
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
) -> tuple[Potential, Sequence[Graph]]:
    """An untrained potential scaled to its training set, and that set connected and cast for it.

    Species and the number of neighbours come from the frames; the scale is the root mean square force, the shift the
    mean energy per atom above the references.
    """
    connected = with_edges(train, hyperparameters["cutoff"])
    scales = measure(connected, reference_energies)
    potential = build_potential(
        kind,
        {**hyperparameters, "species": sorted(reference_energies), "neighbors": scales.neighbors},
        reference_energies,
        scale=scales.force,
        shift=scales.energy,
        seed=seed,
    ).to(dtype)
    return potential, mapped(connected, lambda graph: graph.to(dtype=dtype))


def ready(graphs: Sequence[Graph], potential: Potential) -> Sequence[Graph]:
    """Frames checked, connected and cast for a potential."""

    def known(graph: Graph) -> Graph:
        check_species(graph, potential.species)
        return graph

    connected = with_edges(mapped(graphs, known), potential.cutoff)
    return mapped(connected, lambda graph: graph.to(dtype=potential.dtype))


def with_edges(graphs: Sequence[Graph], cutoff: float) -> Sequence[Graph]:
    """Frames with their edges, those that have them as they are."""
    return mapped(graphs, lambda graph: graph if graph.cutoff == cutoff else connect(graph, cutoff))


@dataclass(frozen=True)
class Scales:
    """Sizes that a potential starts from."""

    neighbors: float
    """Edges per atom."""
    force: float
    """Root mean square of a force component, eV/Angstrom; 1 without force labels."""
    energy: float
    """Mean energy above the references, eV/atom; 0 without energy labels."""


def measure(graphs: Sequence[Graph], reference_energies: Mapping[int, float]) -> Scales:
    """The scales of connected frames.

    Raises:
        GraphError: no atom has a neighbour within the cutoff.
    """
    atoms, edges, squares, energies = 0, 0, [], []
    for graph in graphs:  # once: each may be read and connected here
        atoms, edges = atoms + graph.node_count, edges + len(graph.senders)
        if graph.forces is not None:
            squares.append(graph.forces.double().square().mean().item())
        if graph.energy is not None:
            above = graph.energy - composition_energy(graph.numbers, graph.structure, 1, reference_energies)
            energies.append(above / graph.node_count)
    if edges == 0:
        raise GraphError(
            f"fit: no atom has a neighbour within {graphs[0].cutoff} Angstrom. Check the unit of the positions."
        )
    force = (sum(squares) / len(squares)) ** 0.5 if squares else 1.0
    energy = torch.cat(energies).mean().item() if energies else 0.0
    return Scales(neighbors=edges / atoms, force=force or 1.0, energy=energy)


def train_potential(
    potential: Potential,
    train: Sequence[Graph],
    valid: Sequence[Graph],
    plan: TrainingPlan,
    *,
    weights: LossWeights = LossWeights(),
    later_weights: LossWeights | None = None,
    **options: Unpack[RunOptions],
) -> History:
    """Train in place on frames that are `ready`; the potential ends with the averaged weights of its best validation.

    The history holds root mean square errors in eV/atom, eV/Angstrom and eV/Angstrom^3 of the validation frames.

    Args:
        later_weights: of the loss from `plan.swa_start` on; without them `weights`.
        options: those of `intertwine.training.loop.fit`.
    """

    def aim(weights: LossWeights) -> SecondStage:
        return SecondStage(make_terms(weights), make_validation(valid, weights, batch_size=2 * plan.batch_size))

    return train_towards(aim, potential, train, collate_partial, plan, weights, later_weights, **options)


def train_towards(
    aim: Callable[[LossWeights], SecondStage],
    model: nn.Module,
    items: Sequence[Any],
    collate: Callable[[list[Any]], Any],
    plan: TrainingPlan,
    weights: LossWeights,
    later_weights: LossWeights | None,
    **options: Unpack[RunOptions],
) -> History:
    """Train what holds one potential or several, towards what loss weights stand for: first some, later others."""
    first, second = aim(weights), aim(later_weights or weights)
    return fit(
        model,
        first.objective,
        items,
        collate,
        plan,
        validate=first.validate,
        second_stage=second,
        decays=hidden_matrices_decay,
        **options,
    )


def hidden_matrices_decay(name: str, parameter: Tensor) -> bool:
    """Weight decay shrinks matrices that mix channels; not embeddings, scales or the weights of single irreps."""
    return parameter.ndim == 2 and "embedding" not in name
