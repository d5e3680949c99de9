"""Exported potentials: the same numbers as the potential, checked before a file gets its name."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from lennard_jones import LennardJones, argon
from torch import nn

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.engines import export
from intertwine.potentials.engines.engine_function import EngineFunction, EngineOutputs, ExportError, engine_inputs
from intertwine.potentials.engines.export import export_potential, traced
from intertwine.potentials.engines.export_check import compare, trial_structures
from intertwine.potentials.engines.exported import load_exported
from intertwine.potentials.engines.package import sidecar
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.checkpoint import CheckpointError
from unchecked import unchecked

SMALL = {"species": [1, 8], "cutoff": 3.5, "channels": 2, "edge_degree": 1, "correlation": 2, "radial_hidden": [4]}


@pytest.fixture(scope="module")
def mace() -> Potential:
    return build_potential("mace", SMALL, {1: -13.6, 8: -2041.8}, scale=2.0, shift=0.3, seed=0)


@pytest.fixture(scope="module")
def package(mace, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("export") / "water.pt2"
    with unchecked():
        export_potential(mace, path)
    return path


@pytest.fixture(scope="module")
def exported(package) -> Potential:
    return load_exported(package)


def test_trial_structures_are_twenty_of_many_sizes_with_edges_and_without(mace):
    found = trial_structures(mace)
    assert len(found) == 20
    assert len({each.node_count for each in found}) >= 4
    assert found[0].node_count == 1 and len(found[0].senders) == 0
    assert sum(bool(each.pbc.any()) for each in found) >= 6
    assert all(len(each.senders) for each in found[1:])


@pytest.mark.parametrize("portable", [False, True])
def test_one_graph_serves_all_sizes_with_kernels_and_without(mace, portable):
    with unchecked():
        program = traced(mace, portable=portable)
    names = {str(node.target) for node in program.graph.nodes}
    assert any(name.startswith("intertwine.") for name in names) != portable
    found = compare(program.module(), mace, trial_structures(mace))
    assert found.energy < 1e-5 and found.forces < 1e-5 and found.virial < 1e-5


def test_a_package_is_the_potential_to_a_calculator(mace, exported):
    for atoms in (molecule("H2O"), bulk("NiO", "rocksalt", a=4.2) * (2, 1, 1)):
        atoms.numbers = np.resize([8, 1, 1], len(atoms))
        atoms.rattle(0.1, seed=1)
        atoms.calc = Calculator(mace)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress() if atoms.pbc.all() else None
        atoms.calc = Calculator(exported)
        assert abs(atoms.get_potential_energy() - energy) < 1e-5 * len(atoms)
        assert np.abs(atoms.get_forces() - forces).max() < 1e-5
        if stress is not None:
            assert np.abs(atoms.get_stress() - stress).max() < 1e-6


def test_a_package_refuses_what_its_potential_refuses(exported):
    with pytest.raises(GraphError, match="Au"):
        exported(connect(from_atoms(bulk("Au")), exported.cutoff))
    near = molecule("H2O")
    near.positions[0] = near.positions[1]
    near.calc = Calculator(exported)
    with pytest.raises(GraphError):
        near.get_potential_energy()


def test_an_element_that_is_not_known_has_no_energy_in_the_function_itself(mace):
    graph = connect(from_atoms(bulk("Au")), mace.cutoff)
    energy = EngineOutputs(*EngineFunction(mace)(*engine_inputs(graph))).energy
    assert energy.isnan().all()


def test_only_the_total_energy_has_a_derivative(exported):
    water = connect(from_atoms(molecule("H2O")), exported.cutoff)
    vectors = torch.randn(len(water.senders), 3, dtype=torch.float64, requires_grad=True)
    energies = exported.model(torch.tensor([1, 0, 0]), vectors, water.senders, water.receivers)
    energies.sum().backward(retain_graph=True)
    with pytest.raises(NotImplementedError, match="weighted sum"):
        energies[0].backward()


class Sabotaged(nn.Module):
    """A graph gone wrong as compilers go wrong: one number, in one kind of structure."""

    def __init__(self, module, place, amount):
        super().__init__()
        self.module, self.place, self.amount = module, place, amount

    def forward(self, *inputs):
        outputs = list(self.module(*inputs))
        if len(inputs[0]) > 4:
            outputs[self.place] = outputs[self.place].clone()
            outputs[self.place].view(-1)[-1] += self.amount
        return outputs


@pytest.mark.parametrize(("place", "name"), [(0, "energies"), (2, "forces"), (3, "virials")])
def test_a_graph_that_is_wrong_gets_no_name(mace, tmp_path, monkeypatch, place, name):
    right = EngineFunction(mace)
    monkeypatch.setattr(export, "traced", lambda potential, portable: None)
    monkeypatch.setitem(export.WRITERS, "torch-export", lambda program, path: path.write_bytes(b"wrong"))
    monkeypatch.setattr(export, "start", lambda path, format: Sabotaged(right, place, 1e-3))
    kept = tmp_path / "kept.pt2"
    kept.write_bytes(b"older file")
    with pytest.raises(ExportError, match=name) as refusal:
        export_potential(mace, kept)
    assert "\n" not in str(refusal.value) and "nothing was written" in str(refusal.value)
    assert [each.name for each in tmp_path.iterdir()] == ["kept.pt2"]
    assert kept.read_bytes() == b"older file"
    monkeypatch.setattr(export, "start", lambda path, format: Sabotaged(right, place, 0.0))  # the control passes
    export_potential(mace, kept)
    assert kept.read_bytes() == b"wrong" and sidecar(kept).is_file()


def test_a_model_that_fixes_the_number_of_atoms_is_refused_in_one_line(tmp_path):
    class Counting(LennardJones):
        def forward(self, element, vectors, senders, receivers):
            return super().forward(element, vectors, senders, receivers) / len(element)

    with unchecked(), pytest.raises(ExportError, match="len") as refusal:
        export_potential(Potential(Counting(), {18: 0.0}), tmp_path / "argon.pt2")
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_nothing_in_a_package_is_pickled(package):
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        heads = {name: archive.read(name)[:2] for name in names}
    assert all(head != b"PK" and not head.startswith(b"\x80\x02") for head in heads.values())
    assert "/work" not in package.read_bytes().decode("latin1")


def test_a_pickle_in_a_package_is_refused_before_it_runs(package, tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    bad = tmp_path / package.name
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(bad, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            if name.endswith("model.pt"):
                torch.save(Payload(), tmp_path / "payload")
                target.writestr(name, (tmp_path / "payload").read_bytes())
            else:
                target.writestr(name, source.read(name))
    values = json.loads(sidecar(package).read_text())
    values["sha256"] = export.digest(bad)
    sidecar(bad).write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="pickle"):
        load_exported(bad)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "no package", "no description", "words", "version"])
def test_damaged_packages_are_named_in_one_line(package, tmp_path, damage):
    copy, beside = tmp_path / package.name, tmp_path / sidecar(package).name
    shutil.copy(package, copy)
    shutil.copy(sidecar(package), beside)
    raw = bytearray(copy.read_bytes())
    if damage == "bit":
        raw[len(raw) // 2] ^= 1
    copy.write_bytes({"cut": raw[:-100], "empty": b""}.get(damage, raw))
    if damage == "no package":
        copy.unlink()
    if damage == "no description":
        beside.unlink()
    if damage == "words":
        beside.write_text("[]")
    if damage == "version":
        beside.write_text(json.dumps({**json.loads(beside.read_text()), "version": 99}))
    with pytest.raises(CheckpointError) as refusal:
        load_exported(copy)
    assert "\n" not in str(refusal.value) and copy.name in str(refusal.value)


def test_compiled_packages_agree_too_and_are_for_one_torch_and_processor(tmp_path):
    path = tmp_path / "argon.pt2"
    potential = argon(reference=-1.0)
    with unchecked():
        found = export_potential(potential, path, format="aoti")
    assert found.energy < 1e-9 and found.forces < 1e-9
    crystal = bulk("Ar", "fcc", a=5.3) * 2
    crystal.rattle(0.1, seed=0)
    crystal.calc = Calculator(potential)
    energy, stress = crystal.get_potential_energy(), crystal.get_stress()
    crystal.calc = Calculator(load_exported(path))
    assert abs(crystal.get_potential_energy() - energy) < 1e-9
    assert np.abs(crystal.get_stress() - stress).max() < 1e-10
    values = json.loads(sidecar(path).read_text())
    for name in ("torch", "processor"):
        sidecar(path).write_text(json.dumps({**values, name: "another"}))
        with pytest.raises(CheckpointError, match=f"compiled for {name} another"):
            load_exported(path)
