"""A committee against loops over its members: means, deviations, saving, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.judging.committee import Committee, calibrated
from intertwine.potentials.judging.evaluate import compare
from intertwine.potentials.judging.saved_uncertainty import load_uncertainty, save_uncertainty
from intertwine.potentials.models.mean_model import mean_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.checkpoint import CheckpointError

CHOICES = {"species": [18], "cutoff": 4.5, "channels": 2, "layers": 1, "edge_degree": 1, "radial_hidden": [4]}


def member(seed: int, **others) -> Potential:
    references, shift, scale = {18: -1.0 - seed / 10}, 0.01 * seed, 1 / 7 + seed / 100
    return build_potential("nequip", {**CHOICES, **others}, references, scale=scale, shift=shift, seed=seed).double()


@pytest.fixture(scope="module")
def members() -> list[Potential]:
    return [member(seed) for seed in (1, 2, 3)]


def crystal(seed: int) -> Graph:
    atoms = bulk("Ar", "fcc", a=5.2, cubic=True)
    atoms.rattle(0.2, seed=seed)
    return connect(from_atoms(atoms), 4.5)


def test_mean_and_deviation_are_those_of_numpy_over_the_members(members):
    graph = crystal(0)
    answers = [each(graph, stress=True) for each in members]
    prediction, deviation = Committee(members)(graph, stress=True)
    for name in ("energy", "forces", "stress"):
        rows = np.stack([getattr(answer, name).detach().numpy() for answer in answers])
        np.testing.assert_allclose(getattr(prediction, name), rows.mean(axis=0), rtol=0, atol=1e-12)
        variance = rows.var(axis=0, ddof=1)
        if name != "energy":
            variance = variance.mean(axis=tuple(range(1, variance.ndim)))
        np.testing.assert_allclose(getattr(deviation, name), np.sqrt(variance), rtol=0, atol=1e-12)
    atoms = np.stack(
        [a.node_energy.detach().numpy() + m.shift + m.reference_energies[18] for a, m in zip(answers, members)]
    )
    np.testing.assert_allclose(deviation.node_energy, atoms.std(axis=0, ddof=1), rtol=0, atol=1e-12)
    assert Committee(members)(graph, forces=False)[1].forces is None


def test_the_mean_is_a_potential_of_its_own_and_survives_the_disk(members, tmp_path):
    graph, committee = crystal(1), Committee(members)
    loaded = load(save_potential(tmp_path / "committee", committee.potential))
    expected, _ = committee(graph, stress=True)
    for mean in (committee.potential, loaded):
        found = mean(graph, stress=True)
        for name in ("energy", "forces", "stress"):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-12)
    again = Committee.of(loaded)(graph)
    assert torch.equal(again[1].energy, committee(graph)[1].energy)
    assert torch.equal(again[1].node_energy, committee(graph)[1].node_energy)


def test_deviations_do_not_depend_on_the_axes(members):
    """Those of single components would: the control."""
    graph, committee = crystal(5), Committee(members)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    turned = replace(graph, positions=graph.positions @ turn, cell=graph.cell @ turn)
    before, after = committee(graph, stress=True)[1], committee(turned, stress=True)[1]
    for name in ("energy", "node_energy", "forces", "stress"):
        torch.testing.assert_close(getattr(after, name), getattr(before, name), rtol=1e-9, atol=1e-12)
    apart = [torch.stack([each(g).forces.detach() for each in members]).std(dim=0) for g in (graph, turned)]
    assert (apart[0] - apart[1]).abs().max() > 1e-3 * apart[0].max()


def test_deviation_vanishes_only_where_members_agree(members):
    graph = crystal(2)
    same = Committee([members[0], member(1)])(graph)[1]
    assert same.energy.item() == 0 and same.forces.abs().max() == 0
    assert Committee(members)(graph)[1].forces.min() > 0


def test_calculator_tells_uncertainties_only_when_it_has_an_estimator(members):
    atoms = bulk("Ar", "fcc", a=5.2, cubic=True)
    atoms.rattle(0.2, seed=3)
    committee = Committee(members)
    atoms.calc = Calculator(committee.potential, estimator=committee)
    forces = atoms.get_forces()
    expected = committee(connect(from_atoms(atoms), 4.5))
    np.testing.assert_allclose(forces, expected[0].forces, atol=1e-12)
    np.testing.assert_allclose(atoms.calc.results["forces_uncertainty"], expected[1].forces, atol=1e-12)
    assert atoms.calc.results["energy_uncertainty"] == pytest.approx(expected[1].energy.item())
    assert atoms.calc.results["energies_uncertainty"].shape == (4,)
    atoms.calc = Calculator(committee.potential)
    atoms.get_forces()
    assert not any("uncertainty" in name for name in atoms.calc.results)


def labelled(members: list[Potential], noise: float, count: int = 40) -> list[Graph]:
    """Crystals whose labels are off the mean by `noise` times the spread, so that the calibration is known."""
    found, generator = [], torch.Generator().manual_seed(0)
    for seed in range(count):
        graph = crystal(seed)
        prediction, deviation = Committee(members)(graph)
        energy = noise * torch.randn(1, generator=generator, dtype=torch.float64) * deviation.energy
        forces = 2 * noise * torch.randn(4, 3, generator=generator, dtype=torch.float64) * deviation.forces[:, None]
        found.append(replace(graph, energy=prediction.energy + energy, forces=prediction.forces + forces))
    return found


def test_calibration_finds_the_factor_between_spread_and_error_and_keeps_it(members, tmp_path):
    graphs = labelled(members, noise=3.0)
    folder = save_potential(tmp_path / "committee", mean_potential(members))
    before = compare(load(folder), graphs, estimator=load_uncertainty(folder, load(folder))).total()
    found = calibrated(load(folder), graphs)
    assert 2.2 < found.scale < 3.8 and 5.3 < found.force_scale < 6.7
    save_uncertainty(folder, found)
    after = compare(load(folder), graphs, estimator=load_uncertainty(folder, load(folder))).total()
    for quantity in ("energy", "forces"):
        assert after.calibrations[quantity].ratio == pytest.approx(1.0)
        assert after.calibrations[quantity].area < 0.08 < before.calibrations[quantity].area
        assert after.calibrations[quantity].nll < before.calibrations[quantity].nll


def test_members_must_agree_on_species_cutoff_and_dtype(members):
    for other, word in (
        (member(4, cutoff=4.0), "cutoff"),
        (member(4).float(), "dtype"),
        (build_potential("nequip", {**CHOICES, "species": [10, 18]}, {10: 0.0, 18: 0.0}).double(), "species"),
    ):
        with pytest.raises(ValueError, match=f"the {word} of potential 1"):
            Committee([members[0], other])
    with pytest.raises(ValueError, match="at least two"):
        Committee(members[:1])
    with pytest.raises(ValueError, match="a single NequIP"):
        Committee.of(members[0])


def test_a_single_potential_knows_no_uncertainty_before_it_is_calibrated(members, tmp_path):
    folder: Path = save_potential(tmp_path / "single", members[0])
    with pytest.raises(CheckpointError, match="intertwine calibrate"):
        load_uncertainty(folder, load(folder))


def test_calibration_needs_members_that_disagree(members, tmp_path):
    folder = save_potential(tmp_path / "same", mean_potential([members[0], member(1)]))
    with pytest.raises(GraphError, match="agree to the last digit"):
        calibrated(load(folder), labelled(members, noise=1.0, count=3))
