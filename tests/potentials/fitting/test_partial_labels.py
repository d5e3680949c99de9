"""Frames with any subset of labels train together, each label over the frames that have it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.fitting.fit import require
from intertwine.potentials.fitting.objective import LossWeights, make_objective, make_terms
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.fitting.validation import make_validation
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect

WEIGHTS = LossWeights(energy=2.0, forces=5.0, stress=700.0)
LABELS = ("energy", "forces", "stress")


def frame(atoms: Atoms, seed: int, *labels: str) -> Graph:
    """A rattled structure with random labels, of which only those named stay."""
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=seed)
    graph, generator = connect(from_atoms(atoms), 6.0), np.random.default_rng(seed)
    shapes = {"energy": 1, "forces": (len(atoms), 3), "stress": (1, 3, 3)}
    return replace(graph, **{name: torch.from_numpy(generator.standard_normal(shapes[name])) for name in labels})


CRYSTAL, PAIR = bulk("Ar", "fcc", a=5.3, cubic=True), Atoms("Ar2", [[0, 0, 0], [3.9, 0, 0]])
SLAB = Atoms("Ar", [[0, 0, 0]], cell=[3.8, 3.8, 0], pbc=[True, True, False])
MIXED = [
    frame(CRYSTAL, 0, "energy", "forces", "stress"),
    frame(PAIR, 1, "energy"),
    frame(PAIR, 2, "forces"),
    frame(CRYSTAL, 3, "stress"),
    frame(SLAB, 4, "energy", "forces"),
]


def by_hand() -> dict[str, float]:
    """Mean squares over the labels that are there, one structure at a time."""
    errors: dict[str, list[np.ndarray]] = {name: [] for name in LABELS}
    for graph in MIXED:
        with torch.no_grad():
            prediction = argon()(graph, stress=graph.stress is not None)
        for name, found in errors.items():
            if getattr(graph, name) is not None:
                difference = (getattr(prediction, name) - getattr(graph, name)).numpy()
                found.append(difference.ravel() / (graph.node_count if name == "energy" else 1))
    return {f"{name}_mse": float((np.concatenate(found) ** 2).mean()) for name, found in errors.items()}


def test_each_label_is_averaged_over_the_frames_that_have_it():
    expected, found = by_hand(), make_objective(WEIGHTS)(argon(), collate_partial(MIXED))
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-12)
    loss = sum(getattr(WEIGHTS, name) * expected[f"{name}_mse"] for name in LABELS)
    assert found["loss"].item() == pytest.approx(loss, rel=1e-12)
    # what a blank must not be: a label of zero
    zeros = replace(
        collate_partial(MIXED), **{name: getattr(collate_partial(MIXED), name).nan_to_num() for name in LABELS}
    )
    assert make_objective(WEIGHTS)(argon(), zeros)["loss"].item() != pytest.approx(loss, rel=1e-2)


@pytest.mark.parametrize("cuts", [(2,), (1, 4), (1, 2, 3, 4)])
def test_the_terms_of_parts_add_up_to_those_of_the_whole(cuts):
    terms, expected = make_terms(WEIGHTS), by_hand()
    parts = [MIXED[a:b] for a, b in zip((0, *cuts), (*cuts, len(MIXED)))]
    found = [terms(argon(), collate_partial(part)) for part in parts]
    for name, value in expected.items():
        total, count = (sum(getattr(each[name], field).item() for each in found) for field in ("total", "count"))
        assert total / count == pytest.approx(value, rel=1e-12)


def test_validation_takes_the_labels_that_are_there():
    expected = by_hand()
    for batch_size in (1, 2, 5):
        potential = argon()
        potential.register_parameter("none", torch.nn.Parameter(torch.zeros(0).double()))  # for its device
        found = make_validation(MIXED, WEIGHTS, batch_size=batch_size)(potential)
        assert found["stress_rmse"] == pytest.approx(expected["stress_mse"] ** 0.5, rel=1e-12)
        assert found["loss"] == pytest.approx(
            sum(getattr(WEIGHTS, name) * expected[f"{name}_mse"] for name in LABELS), rel=1e-12
        )
    without = make_validation(MIXED[1:3], WEIGHTS, batch_size=2)(potential)
    assert set(without) == {"loss", "energy_rmse", "forces_rmse"}


def test_a_blank_has_no_gradient():
    """A graph of which nothing counts but energies gives the gradient of the energies alone."""
    found = []
    for forces in (0.0, 5.0):
        potential = argon().train()
        depth = potential.model.one.requires_grad_()
        batch = collate_partial([MIXED[1], MIXED[2]] if forces else [MIXED[1]])
        terms = make_terms(LossWeights(energy=1.0, forces=forces))(potential, batch)
        terms["energy_mse"].total.backward()
        found.append(depth.grad.item())
    assert found[0] == pytest.approx(found[1], rel=1e-12) and np.isfinite(found).all()


def test_labels_that_none_has_stay_none_and_labels_that_all_have_stay_as_they_are():
    assert collate_partial([MIXED[1], MIXED[1]]).forces is None
    one, other = collate_partial(MIXED[:1] * 2), collate(MIXED[:1] * 2)
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in LABELS)
    assert torch.equal(one.cell, other.cell)


def test_a_molecule_beside_a_crystal_with_stress_keeps_its_energy_and_forces():
    with torch.no_grad():
        alone = argon()(MIXED[1])
        together = argon()(collate_partial(MIXED[:2]), stress=True)
    assert together.energy[1].item() == alone.energy.item()
    assert torch.equal(together.forces[4:], alone.forces)


def test_a_label_that_no_frame_has_and_a_frame_without_label_are_refused():
    require(["energy", "forces", "stress"], MIXED)
    with pytest.raises(GraphError, match=r"stress is missing, and in all 2 frames; .* weight of stress to 0") as caught:
        require(["energy", "stress"], MIXED[1:3])
    assert "\n" not in str(caught.value)
    with pytest.raises(GraphError, match=r"frame 0: none of its labels counts; expected energy or forces") as caught:
        require(["energy", "forces"], MIXED)
    assert "\n" not in str(caught.value)


def test_huber_squares_small_errors_and_grows_linearly_with_large_ones():
    batch = collate_partial(MIXED[:1])
    with torch.no_grad():
        error = (argon()(batch).forces - batch.forces).numpy()
    for delta in (1e-3, 0.5, 100.0):
        weights = LossWeights(energy=0.0, forces=3.0, huber=delta)
        found = make_objective(weights)(argon(), batch)
        size = np.abs(error)
        expected = np.where(size <= delta, error**2, delta * (2 * size - delta)).mean()
        assert found["loss"].item() == pytest.approx(3 * expected, rel=1e-12)
        assert found["forces_mse"].item() == pytest.approx((error**2).mean(), rel=1e-12)
    assert expected == pytest.approx((error**2).mean(), rel=1e-12)  # beyond all errors


def test_a_huber_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="huber must be positive, came 0"):
        LossWeights(huber=0.0)
