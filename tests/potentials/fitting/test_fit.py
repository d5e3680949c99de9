"""From labelled frames to a trained potential, on a molecule whose potential is known in closed form."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms, write
from intertwine.potentials.fitting.config import FitConfig
from intertwine.potentials.fitting.fit import (
    hold_out,
    measure,
    new_potential,
    ready,
    reference_frames,
    trainable,
)
from intertwine.potentials.fitting.objective import LossWeights, make_objective
from intertwine.potentials.fitting.training_run import fit_potential
from intertwine.potentials.fitting.validation import make_validation
from intertwine.potentials.models.saved import load
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.structures.reference import isolated_atom_energies
from intertwine.training.checkpoint import CheckpointError
from intertwine.training.history import History
from intertwine.training.progress import Quiet

ATOM = -3.25  # energy of an argon atom alone, eV
SMALL = dict(cutoff=6.0, channels=4, edge_degree=1, correlation=2, layers=1, hidden="0e", radial_hidden=[8])
TETRAMER = Atoms("Ar4", 3.8 * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.87, 0], [0.5, 0.29, 0.82]]))


def labelled(atoms: Atoms) -> Graph:
    """Labels of a Lennard-Jones potential 30 times as deep as that of argon, so that forces are of molecular size."""
    graph = from_atoms(atoms)
    with torch.no_grad():
        answer = argon(reference=ATOM, epsilon=0.3)(connect(graph, 6.0), stress=bool(graph.pbc.all()))
    return replace(graph, energy=answer.energy, forces=answer.forces, stress=answer.stress)


def frames(count: int, atoms: Atoms = TETRAMER) -> list[Graph]:
    found = []
    for seed in range(count):
        moved = atoms.copy()
        moved.rattle(0.12, seed=seed)
        found.append(labelled(moved))
    return found


def isolated(number: int, energy: float | None) -> Graph:
    label = None if energy is None else torch.tensor([energy], dtype=torch.float64)
    return replace(from_atoms(Atoms([number])), energy=label)


def molecule(formula: str, energy: float | None) -> Graph:
    atoms = Atoms(formula)
    atoms.positions[:, 0] = 1.5 * np.arange(len(atoms))
    label = None if energy is None else torch.tensor([energy], dtype=torch.float64)
    return replace(from_atoms(atoms), energy=label)


def configuration(folder, graphs: Sequence[Graph], **changes) -> FitConfig:
    write(folder / "train.extxyz", graphs)
    content = {
        "version": 1,
        "data": {"train": str(folder / "train.extxyz"), "valid": 0.2},
        "model": SMALL,
        "train": {"epochs": 2, "batch_size": 6, "learning_rate": 0.02, "ema": 0.9},
        "device": "cpu",
        "dtype": "float64",
        "out": str(folder / "run"),
    }
    for name, value in changes.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) else value
    return FitConfig.model_validate(content)


def test_held_out_frames_are_the_same_for_the_same_seed_and_no_others():
    graphs = frames(10)
    place = {id(graph): index for index, graph in enumerate(graphs)}
    splits = {}
    for seed in (0, 0, 1):
        train, valid = hold_out(graphs, 0.3, seed=seed)
        kept, held = ([place[id(graph)] for graph in part] for part in (train, valid))
        assert len(held) == 3 and kept == sorted(kept) and held == sorted(held)
        assert sorted(kept + held) == list(range(10))
        assert splits.setdefault(seed, held) == held
    assert splits[0] != splits[1]


@pytest.mark.parametrize(("fraction", "held"), [(1e-6, 1), (0.5, 2), (0.999999, 3)])
def test_neither_side_of_the_split_is_empty(fraction, held):
    train, valid = hold_out(frames(4), fraction, seed=0)
    assert (len(train), len(valid)) == (4 - held, held)


def test_one_frame_cannot_be_split():
    with pytest.raises(GraphError, match=r"give a data\.valid file"):
        hold_out(frames(1), 0.5, seed=0)


def test_isolated_atoms_give_the_references_and_are_not_trained_on():
    graphs = [isolated(1, -13.6), molecule("H2O", -2080.0), isolated(8, -2041.8), molecule("H2", -31.0)]
    train, references = reference_frames(graphs)
    assert references == {1: -13.6, 8: -2041.8}
    assert [graph.node_count for graph in train] == [3, 2]


def test_an_isolated_atom_of_an_element_that_is_not_trained_on_is_left_out():
    _, references = reference_frames([isolated(1, -13.6), isolated(79, -1.0), molecule("H2", -31.0)])
    assert references == {1: -13.6}


def test_references_without_isolated_atoms_come_from_least_squares():
    energies = {1: -13.0, 6: -1030.0, 8: -2040.0}
    graphs = []
    for formula in ("H2O", "CO2", "CH4", "CH4O"):
        atoms = Atoms(formula)
        graphs.append(molecule(formula, sum(energies[number] for number in atoms.numbers.tolist())))
    assert reference_frames(graphs)[1] == pytest.approx(energies, abs=1e-8)


def test_references_of_isolated_atoms_stay_while_the_others_are_fitted():
    _, references = reference_frames([isolated(1, -13.6), molecule("H2O", -2075.0), molecule("H2O2", -4125.0)])
    assert references[1] == -13.6
    # least squares of one unknown: counts 1 and 2, what hydrogen leaves -2047.8 and -4097.8
    assert references[8] == pytest.approx((-2047.8 + 2 * -4097.8) / 5, abs=1e-8)


def test_references_without_energies_are_zero_or_those_of_isolated_atoms():
    assert reference_frames([molecule("H2O", None)])[1] == {1: 0.0, 8: 0.0}
    assert reference_frames([molecule("H2O", None), molecule("H2", -31.0)])[1] == pytest.approx({1: -15.5, 8: 0.0})
    assert reference_frames([isolated(8, -2041.8), molecule("H2O", None)])[1] == {1: 0.0, 8: -2041.8}


def test_frames_of_single_atoms_alone_cannot_be_trained_on():
    with pytest.raises(GraphError, match="nothing to learn forces from"):
        trainable([isolated(1, -13.6)])
    crystal = from_atoms(bulk("Ar", "fcc", a=5.3))
    assert len(trainable([crystal])) == 1


def test_the_scales_are_means_over_the_frames():
    graphs = [connect(graph, 6.0) for graph in [*frames(3), labelled(bulk("Ar", "fcc", a=5.3, cubic=True))]]
    scales = measure(graphs, {18: ATOM + 0.5})
    edges = sum(len(graph.senders) for graph in graphs)
    assert scales.neighbors == edges / 16
    forces = np.concatenate([graph.forces.numpy() for graph in graphs])
    assert scales.force == pytest.approx(np.sqrt((forces**2).mean()), rel=1e-12)
    energy = np.mean([graph.energy.item() / 4 - ATOM - 0.5 for graph in graphs])
    assert scales.energy == pytest.approx(energy, rel=1e-12)


def test_scales_without_labels_or_without_forces_are_neutral():
    (graph,) = [connect(graph, 6.0) for graph in frames(1)]
    assert measure([replace(graph, energy=None, forces=None)], {18: 0.0}).force == 1.0
    assert measure([replace(graph, energy=None, forces=None)], {18: 0.0}).energy == 0.0
    assert measure([replace(graph, forces=torch.zeros_like(graph.forces))], {18: 0.0}).force == 1.0


def test_frames_without_any_neighbour_are_refused_with_the_cutoff_and_the_unit():
    with pytest.raises(GraphError, match=r"no atom has a neighbour within 6\.0 Angstrom\. Check the unit") as caught:
        measure([connect(from_atoms(Atoms("Ar2", [[0, 0, 0], [9.0, 0, 0]])), 6.0)], {18: 0.0})
    assert "\n" not in str(caught.value)


def test_a_new_potential_is_built_from_its_frames():
    potential, train = new_potential("mace", SMALL, frames(4), {18: ATOM}, seed=0, dtype=torch.float32)
    assert potential.species == (18,) and potential.dtype == torch.float32
    scales = measure([connect(graph, 6.0) for graph in frames(4)], {18: ATOM})
    assert (potential.scale, potential.shift) == (scales.force, scales.energy)
    assert potential.recipe["hyperparameters"]["neighbors"] == scales.neighbors == 3.0
    assert all(
        g.cutoff == 6.0 and g.positions.dtype == torch.float32 and g.energy.dtype == torch.float64 for g in train
    )
    with pytest.raises(GraphError, match=r"species H \(1\) is unknown"):
        ready([molecule("H2", -31.0)], potential)


def test_validation_in_batches_equals_one_batch_of_everything():
    """Structures of 4 and 8 atoms in uneven batches: forces are averaged over atoms, energies over structures."""
    pair = TETRAMER + Atoms("Ar4", TETRAMER.positions + [3.8, 3.8, 0.5])
    graphs = [connect(graph, 6.0) for graph in [*frames(3), *frames(2, pair)]]
    weights = LossWeights(energy=2.0, forces=5.0)
    potential, graphs = new_potential("mace", SMALL, graphs, {18: ATOM}, seed=0, dtype=torch.float64)
    whole = make_objective(weights)(potential, collate(graphs))
    for batch_size in (1, 2, 4, 5):
        found = make_validation(graphs, weights, batch_size=batch_size)(potential)
        assert set(found) == {"loss", "energy_rmse", "forces_rmse"}
        assert found["loss"] == pytest.approx(whole["loss"].item(), rel=1e-12)
        assert found["forces_rmse"] == pytest.approx(whole["forces_mse"].item() ** 0.5, rel=1e-12)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """30 frames and an isolated atom, 25 epochs."""
    folder = tmp_path_factory.mktemp("fit")
    config = configuration(folder, [isolated(18, ATOM), *frames(30)], train={"epochs": 25})
    return config, fit_potential(config, progress=Quiet())


def test_training_ends_with_smaller_force_errors_than_predicting_zero(trained):
    config, _ = trained
    _, valid = hold_out(frames(30), 0.2, seed=config.seed)
    zero = np.sqrt(np.concatenate([graph.forces.numpy() ** 2 for graph in valid]).mean())
    history = History.load(f"{config.out}/history.json")
    assert history.best["valid_forces_rmse"] < 0.3 * zero < history.column("valid_forces_rmse")[0]


def test_the_saved_potential_is_the_best_of_the_history(trained):
    config, folder = trained
    assert str(folder) == f"{config.out}/potential"
    potential, best = load(folder), History.load(f"{config.out}/history.json").best
    assert potential.reference_energies == {18: ATOM} and potential.dtype == torch.float64
    _, valid = hold_out(frames(30), 0.2, seed=config.seed)
    found = make_validation(ready(valid, potential), LossWeights(), batch_size=4)(potential)
    assert found["forces_rmse"] == pytest.approx(best["valid_forces_rmse"], rel=1e-6)
    assert found["energy_rmse"] == pytest.approx(best["valid_energy_rmse"], rel=1e-6)


def test_the_history_has_a_row_an_epoch_and_the_configuration_lies_with_the_weights(trained):
    config, folder = trained
    rows = json.loads((folder.parent / "history.json").read_text())
    assert [row["epoch"] for row in rows] == list(range(1, 26))
    assert {"loss", "energy_mse", "forces_mse", "valid_loss", "valid_energy_rmse", "valid_forces_rmse"} <= set(rows[0])
    values = json.loads((folder / "checkpoint.json").read_text())["values"]
    assert FitConfig.model_validate(values["notes"]["config"]) == config


def test_a_finished_run_is_not_trained_over_and_resuming_it_changes_nothing(trained):
    config, folder = trained
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match="holds a run already"):
        fit_potential(config, progress=Quiet())
    assert fit_potential(config, resume=True, progress=Quiet()) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_frames_without_forces_train_on_energies_alone(tmp_path):
    train = [isolated(18, ATOM), *(replace(graph, forces=None) for graph in frames(6))]
    config = configuration(tmp_path, train, train={"loss": {"energy": 1.0, "forces": 0.0}})
    potential = load(fit_potential(config, progress=Quiet()))
    assert potential.scale == 1.0
    rows = History.load(f"{config.out}/history.json").rows
    assert len(rows) == 2 and "valid_energy_rmse" in rows[0] and "valid_forces_rmse" not in rows[0]


def test_frames_with_energies_alone_and_frames_with_forces_alone_train_together(tmp_path):
    mixed = [
        replace(graph, forces=None) if index % 2 else replace(graph, energy=None)
        for index, graph in enumerate(frames(8))
    ]
    changes = {"train": {"loss": {"huber": 0.3}}, "data": {"valid": 0.5}}
    config = configuration(tmp_path, [isolated(18, ATOM), *mixed], **changes)
    fit_potential(config, progress=Quiet())
    rows = History.load(f"{config.out}/history.json").rows
    assert {"energy_mse", "energy_huber", "forces_mse", "valid_energy_rmse", "valid_forces_rmse"} <= set(rows[0])


def test_the_second_stage_has_a_loss_of_its_own_and_products_may_be_bfloat16(tmp_path):
    train = {"swa_start": 1, "swa_learning_rate": 0.5, "swa_loss": {"energy": 200.0}, "mixed_precision": True}
    config = configuration(tmp_path, [isolated(18, ATOM), *frames(6)], train=train, dtype="float32")
    potential = load(fit_potential(config, progress=Quiet()))
    assert potential.dtype == torch.float32  # the weights are not rounded to bfloat16
    first, second = History.load(f"{config.out}/history.json").rows
    for row, weight in ((first, 1.0), (second, 200.0)):
        expected = weight * row["valid_energy_rmse"] ** 2 + 10 * row["valid_forces_rmse"] ** 2
        assert row["valid_loss"] == pytest.approx(expected, rel=1e-9)
    assert second["learning_rate"] == 0.01


def test_crystals_train_on_stress_too(tmp_path):
    crystal = bulk("Ar", "fcc", a=5.3, cubic=True)
    loss = {"energy": 1.0, "forces": 10.0, "stress": 1000.0}
    changes = {"train": {"loss": loss, "batch_size": 2}, "dtype": "float32", "model": {"cutoff": 4.5}}
    config = configuration(tmp_path, [isolated(18, ATOM), *frames(4, crystal)], **changes)
    potential = load(fit_potential(config, progress=Quiet()))
    assert potential.dtype == torch.float32
    rows = History.load(f"{config.out}/history.json").rows
    assert all(row["valid_stress_rmse"] > 0 for row in rows)


def test_a_molecule_without_stress_is_refused_before_training_on_stress(tmp_path):
    config = configuration(tmp_path, frames(4), train={"loss": {"stress": 1.0}})
    with pytest.raises(GraphError) as caught:
        fit_potential(config, progress=Quiet())
    assert "stress is missing" in str(caught.value) and "train.extxyz frame" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_validation_frames_may_come_from_a_file_of_their_own(tmp_path):
    write(tmp_path / "valid.extxyz", frames(3))
    train = [isolated(18, ATOM), *frames(4)]
    config = configuration(tmp_path, train, data={"valid": str(tmp_path / "valid.extxyz")})
    potential = load(fit_potential(config, progress=Quiet()))
    expected = measure([connect(graph, 6.0) for graph in frames(4)], {18: ATOM})
    assert potential.scale == pytest.approx(expected.force, rel=1e-12)  # all four were trained on


def test_a_cutoff_that_reaches_no_neighbour_is_refused_before_training(tmp_path):
    config = configuration(tmp_path, [isolated(18, ATOM), *frames(3)], model={"cutoff": 2.0})
    with pytest.raises(GraphError, match=r"no atom has a neighbour within 2\.0 Angstrom"):
        fit_potential(config, progress=Quiet())
    assert not (tmp_path / "run").exists()


def test_equal_configurations_give_equal_potentials_and_another_seed_another_one(tmp_path):
    results = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        config = configuration(tmp_path / name, [isolated(18, ATOM), *frames(5)], seed=seed)
        results[name] = (fit_potential(config, progress=Quiet()) / "tensors.safetensors").read_bytes()
    assert results["a"] == results["b"] != results["c"]


def test_isolated_atoms_that_disagree_are_refused():
    with pytest.raises(GraphError, match="keep one"):
        isolated_atom_energies([isolated(18, ATOM), isolated(18, ATOM + 1)])
