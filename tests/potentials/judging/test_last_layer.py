"""The last layer's uncertainty against finite differences, Bayesian regression, and structures far from training."""

from dataclasses import replace

import pytest
import torch
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.judging.evaluate import compare
from intertwine.potentials.judging.last_layer import LastLayer, features, fit_last_layer, likeliest, rigidity
from intertwine.potentials.judging.saved_uncertainty import load_uncertainty, save_uncertainty
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.checkpoint import CheckpointError

SMALL = {"species": [18, 36], "cutoff": 4.5, "channels": 4, "edge_degree": 1}
KINDS = {
    "mace": {**SMALL, "layers": 2, "correlation": 2, "radial_hidden": [4]},
    "nequip": {**SMALL, "layers": 1, "radial_hidden": [4]},
    "facet": SMALL,
}


def potential(kind: str, **others) -> Potential:
    return build_potential(kind, {**KINDS[kind], **others}, {18: -1.0, 36: -2.0}, scale=0.3, seed=0).double()


def crystal(seed: int, rattle: float = 0.1) -> Graph:
    atoms = bulk("Ar", "fcc", a=5.2, cubic=True)
    atoms.numbers[seed % 4] = 36
    atoms.rattle(rattle, seed=seed)
    return connect(from_atoms(atoms), 4.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("repulsion", ["none", "zbl"])
def test_features_are_slopes_of_the_energy_which_is_linear_in_the_last_weights(kind, repulsion):
    """Exactly: a step of any size gives the same slope, which it does for no other weights."""
    judged = potential(kind, repulsion=repulsion)
    batch = collate([crystal(seed) for seed in range(3)])
    whole, atoms, energy = features(judged, batch)
    weights = judged.model.last_weights
    steps = [
        torch.randn(weight.shape, generator=torch.Generator().manual_seed(1), dtype=weight.dtype) for weight in weights
    ]
    step = torch.cat([part.flatten() for part in steps])
    with torch.no_grad():
        for weight, part in zip(weights, steps):
            weight += part
        moved = judged(batch, forces=False)
    torch.testing.assert_close(moved.energy - energy, whole @ step, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        whole, torch.zeros_like(whole).index_add(0, batch.structure, atoms), rtol=1e-9, atol=1e-12
    )


def test_features_of_an_atom_are_slopes_of_its_own_energy_alone():
    judged, graph = potential("mace"), crystal(0)
    _, atoms, _ = features(judged, graph)
    with torch.enable_grad():
        energy = judged(graph, forces=False).node_energy[2]
    slopes = torch.autograd.grad(energy, judged.model.last_weights)
    torch.testing.assert_close(atoms[2], torch.cat([slope.flatten() for slope in slopes]), rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def fitted() -> LastLayer:
    """Fitted to gentle crystals, with labels that are off by a millielectronvolt."""
    judged, generator = potential("mace"), torch.Generator().manual_seed(0)
    valid = []
    for seed in range(40, 60):
        graph = crystal(seed)
        energy = judged(graph, forces=False).energy.detach()
        valid.append(replace(graph, energy=energy + 0.001 * torch.randn(1, generator=generator, dtype=torch.float64)))
    return fit_last_layer(judged, [crystal(seed) for seed in range(40)], valid)


def mean_deviation(estimator: LastLayer, rattle: float) -> float:
    with torch.no_grad():
        return estimator(collate([crystal(seed, rattle) for seed in range(60, 72)]))[1].energy.mean().item()


def test_uncertainty_grows_away_from_the_training_set(fitted):
    near, further, far = (mean_deviation(fitted, rattle) for rattle in (0.1, 0.3, 0.5))
    assert 1.5 * near < further and 1.1 * further < far


def test_features_in_the_wrong_order_tell_less_of_the_distance(fitted):
    """The control: the covariance of a training set whose feature columns were shuffled knows no directions."""
    order = torch.randperm(len(fitted.covariance), generator=torch.Generator().manual_seed(0))
    shuffled = replace(fitted, covariance=fitted.covariance[order][:, order])
    growth = mean_deviation(fitted, 0.5) / mean_deviation(fitted, 0.1)
    assert mean_deviation(shuffled, 0.5) / mean_deviation(shuffled, 0.1) < 0.7 * growth


def test_scale_is_calibrated_on_the_validation_frames(fitted):
    """Errors of a millielectronvolt on crystals of four atoms like those of training."""
    assert 0.0004 < mean_deviation(fitted, 0.1) < 0.0025


def test_bayesian_regression_on_toy_features_is_covered_like_a_gaussian():
    """Errors drawn from the posterior itself: scale and ridge are found again, and half the data would not do."""
    generator = torch.Generator().manual_seed(0)

    def rows(count: int) -> torch.Tensor:
        sizes = torch.tensor([1.0, 1.0, 0.3, 0.1], dtype=torch.float64)
        return sizes * torch.randn(count, 4, generator=generator, dtype=torch.float64)

    train, valid, test = rows(200), rows(500), rows(4000)
    covariance = train.T @ train

    def errors(at: torch.Tensor) -> torch.Tensor:
        return (
            0.7 * rigidity(covariance, 0.0, at).sqrt() * torch.randn(len(at), generator=generator, dtype=torch.float64)
        )

    found = likeliest(potential("nequip"), train, valid, errors(valid))
    assert found.scale == pytest.approx(0.7, rel=0.1) and found.ridge < covariance.diagonal().mean() / 100
    inside = (errors(test).abs() <= found.deviation(test)).double().mean().item()
    assert abs(inside - 0.683) < 0.05
    careless = replace(found, scale=found.scale / 2)
    assert (errors(test).abs() <= careless.deviation(test)).double().mean() < 0.5


def test_deviations_reach_evaluation_and_calculator(fitted):
    graphs = [replace(crystal(seed), energy=torch.zeros(1, dtype=torch.float64)) for seed in range(3)]
    (found,) = compare(fitted.potential, graphs, estimator=fitted).sets(["x"] * 3)
    assert found.energy.deviation.shape == (3,) and found.forces is None and "energy" in found.calibrations
    atoms = bulk("Ar", "fcc", a=5.2, cubic=True)
    atoms.calc = Calculator(fitted.potential, estimator=fitted)
    atoms.get_forces()
    assert atoms.calc.results["energy_uncertainty"] > 0 and "forces_uncertainty" not in atoms.calc.results


def test_it_is_kept_beside_the_potential_and_belongs_to_it_alone(fitted, tmp_path):
    folder = save_potential(tmp_path / "potential", fitted.potential)
    save_uncertainty(folder, fitted)
    loaded = load_uncertainty(folder, load(folder))
    graph = crystal(70)
    assert torch.equal(loaded(graph)[1].energy, fitted(graph)[1].energy)
    raw = bytearray((folder / "uncertainty" / "tensors.safetensors").read_bytes())
    raw[-3] ^= 1
    (folder / "uncertainty" / "tensors.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError, match='"covariance" is damaged'):
        load_uncertainty(folder, load(folder))
    other = save_potential(tmp_path / "other", potential("nequip"))
    save_uncertainty(folder, fitted)
    (folder / "uncertainty").rename(other / "uncertainty")
    with pytest.raises(CheckpointError, match="belongs to another potential"):
        load_uncertainty(other, load(other))


def test_what_cannot_be_calibrated_is_said():
    judged, frames = potential("nequip"), [crystal(seed) for seed in range(3)]
    for valid in (frames, []):  # without energies, and none
        with pytest.raises(GraphError, match="at least 2 validation frames with energies"):
            fit_last_layer(judged, frames, valid)
    with pytest.raises(GraphError, match="does not say which weights are its last"):
        features(argon(), connect(frames[0], 6.0))
