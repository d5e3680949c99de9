"""The loss against the same numbers computed with numpy, and labels that nobody reads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.fitting.objective import LossWeights, make_objective
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect

ALL = LossWeights(energy=0.7, forces=11.0, stress=1300.0)


def crystals() -> list[Graph]:
    """Two labelled crystals of 4 and 1 atoms, so that means over structures and over atoms differ."""
    generator, graphs = np.random.default_rng(0), []
    for cubic in (True, False):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=cubic)
        atoms.rattle(0.1, seed=1)
        graph = connect(from_atoms(atoms), 6.0)
        labels = {
            name: torch.from_numpy(generator.standard_normal(shape))
            for name, shape in (("energy", 1), ("forces", (len(atoms), 3)), ("stress", (1, 3, 3)))
        }
        graphs.append(replace(graph, **labels))
    return graphs


def by_hand(batch: Graph) -> dict[str, float]:
    with torch.no_grad():
        prediction = argon()(batch, stress=True)
    atoms = np.array([4, 1])
    energy = (prediction.energy.numpy() - batch.energy.numpy()) / atoms
    forces = prediction.forces.numpy() - batch.forces.numpy()
    stress = prediction.stress.numpy() - batch.stress.numpy()
    return {
        "energy": (energy**2).sum() / 2,
        "forces": (forces**2).sum() / (3 * 5),
        "stress": (stress**2).sum() / (9 * 2),
    }


def test_the_loss_is_the_weighted_sum_of_mean_squares_computed_by_hand():
    batch = collate(crystals())
    expected, found = by_hand(batch), make_objective(ALL)(argon(), batch)
    assert set(found) == {"loss", "energy_mse", "forces_mse", "stress_mse"}
    for name, value in expected.items():
        assert found[f"{name}_mse"].item() == pytest.approx(value, rel=1e-12)
    loss = 0.7 * expected["energy"] + 11 * expected["forces"] + 1300 * expected["stress"]
    assert found["loss"].item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("counts", ["energy", "forces", "stress"])
def test_each_label_alone_gives_its_own_term_and_leaves_the_others_unread(counts):
    batch = collate(crystals())
    expected = by_hand(batch)[counts]
    blank = {name: None for name in ("energy", "forces", "stress") if name != counts}
    weights = LossWeights(**{"energy": 0.0, "forces": 0.0, "stress": 0.0, counts: 3.0})
    assert weights.labels == [counts]
    found = make_objective(weights)(argon(), replace(batch, **blank))
    assert set(found) == {"loss", f"{counts}_mse"}
    assert found["loss"].item() == pytest.approx(3 * expected, rel=1e-12)


def test_a_label_of_weight_zero_may_even_be_nan():
    batch = collate(crystals())
    spoilt = replace(batch, forces=torch.full_like(batch.forces, torch.nan), stress=None)
    found = make_objective(LossWeights(energy=1.0, forces=0.0))(argon(), spoilt)
    assert found["loss"].item() == pytest.approx(by_hand(batch)["energy"], rel=1e-12)


@pytest.mark.parametrize("name", ["energy", "forces", "stress"])
def test_a_missing_label_that_counts_is_named_with_its_frame_and_the_remedy(name):
    batch = replace(collate(crystals()), **{name: None})
    with pytest.raises(GraphError) as caught:
        make_objective(ALL)(argon(), batch)
    message = str(caught.value)
    assert f"{name} is missing" in message and f"set the loss weight of {name} to 0" in message
    assert message.startswith("Atoms Ar4 frame 0") and "\n" not in message


def test_perfect_labels_have_no_loss():
    batch = collate(crystals())
    prediction = argon()(batch, stress=True)
    perfect = replace(batch, energy=prediction.energy, forces=prediction.forces, stress=prediction.stress)
    assert make_objective(ALL)(argon(), perfect)["loss"].item() == 0


def test_the_loss_is_learned_from_and_the_reported_errors_are_not():
    choices = dict(species=[18], cutoff=6.0, channels=4, edge_degree=1, correlation=2, radial_hidden=[8])
    potential = build_potential("mace", choices, {18: 0.0}, seed=0).double().train()
    found = make_objective(ALL)(potential, collate(crystals()))
    assert not any(value.requires_grad for name, value in found.items() if name != "loss")
    found["loss"].backward()
    assert all(parameter.grad is not None for parameter in potential.parameters())


def test_the_loss_keeps_float64_energies_of_a_float32_potential():
    """A total of -1e7 eV has no digits after the point in float32; the label differs by 1e-4 eV/atom."""
    potential = argon(torch.float32, reference=-1e7)
    (graph, _) = crystals()
    energy = potential(graph).energy
    found = make_objective(LossWeights(energy=1.0, forces=0.0))(potential, replace(graph, energy=energy + 4e-4))
    assert found["loss"].item() == pytest.approx(1e-8, rel=1e-3)


@pytest.mark.parametrize(
    "choices",
    [{"energy": -1.0}, {"forces": float("nan")}, {"stress": float("inf")}, {"energy": 0.0, "forces": 0.0}],
)
def test_weights_that_make_no_loss_are_refused_in_one_line(choices):
    with pytest.raises(ValueError, match="expected weights of at least 0, one of them above 0") as caught:
        LossWeights(**choices)
    assert "\n" not in str(caught.value)
