"""Bad input never passes silently, and never as a traceback: one line that names file, frame, atom and field."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from corpus import CASES, COPPER, REQUIRED, WATER, Case

from intertwine.potentials.data.readers import from_atoms, read
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.neighbors import connect


def test_the_unspoilt_frames_are_read(tmp_path):
    (tmp_path / "good.extxyz").write_text(WATER + COPPER)
    assert [graph.node_count for graph in read(tmp_path / "good.extxyz", require=REQUIRED)] == [3, 2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_file_gives_one_line(case: Case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = case.write(tmp_path)
    with pytest.raises(GraphError) as caught:
        read(path, require=REQUIRED)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable() and len(message) < 600
    assert path.name in message
    for words in case.expected:
        assert words in message
    assert not Path("unpickled").exists()


def test_names_of_cases_differ():
    assert len({case.name for case in CASES}) == len(CASES) >= 150


def test_file_name_cannot_break_the_line(tmp_path):
    path = tmp_path / "two\nlines.extxyz"
    path.write_text(WATER.replace("-76.25", "abc"))
    with pytest.raises(GraphError, match=r"two\\nlines.extxyz' frame 0, line 2: energy") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def spoilt(**changes) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    for name, value in changes.items():
        setattr(atoms, name, value)
    return atoms


def labelled(**results) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def moved(atoms: Atoms, atom: int, axis: int, value: float) -> Atoms:
    atoms.positions[atom, axis] = value
    return atoms


def told(atoms: Atoms, **info) -> Atoms:
    atoms.info.update(info)
    return atoms


BAD_ATOMS = {
    "no atoms": (Atoms(), "no atoms"),
    "placeholder species": (Atoms("XH", positions=[[0, 0, 0], [0, 0, 1]]), "atom 0"),
    "position nan": (moved(molecule("H2O"), 2, 1, np.nan), "atom 2: positions is nan"),
    "position infinite": (moved(molecule("H2O"), 1, 1, np.inf), "atom 1: positions is inf"),
    "overlap": (Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.1]]), "overlap"),
    "overlap of all": (Atoms("H2000", positions=np.zeros((2000, 3))), "overlap"),
    "periodic without cell": (Atoms("H", pbc=True), "cell vector 0 is zero"),
    "cell nan": (spoilt(cell=np.full((3, 3), np.nan)), "cell is nan"),
    "cell flat": (spoilt(cell=[[4, 0, 0], [4, 0, 0], [0, 0, 4]]), "no volume"),
    "energy nan": (labelled(energy=np.nan), "energy is nan"),
    "energy text": (told(molecule("H2O"), energy="abc"), "energy is 'abc'"),
    "energy flag": (told(molecule("H2O"), energy=True), "energy is 'True'"),
    "energies disagree": (labelled(energy=1.0, free_energy=2.0), "ambiguous"),
    "energy of info disagrees": (told(labelled(energy=1.0), energy=2.0), "ambiguous"),
    "forces nan": (labelled(forces=np.full((4, 3), np.nan)), "atom 0: forces is nan"),
    "forces of wrong shape": (labelled(forces=np.zeros((4, 2))), "forces has 2 columns"),
    "forces of too few atoms": (labelled(forces=np.zeros((3, 3))), "forces"),
    "stress nan": (labelled(stress=np.full(6, np.nan)), "stress is nan"),
    "stress of a molecule": (told(molecule("H2O"), stress=np.ones(6)), "no volume"),
}


@pytest.mark.parametrize("name", BAD_ATOMS)
def test_hostile_atoms_give_one_line(name):
    atoms, words = BAD_ATOMS[name]
    with pytest.raises(GraphError) as caught:
        from_atoms(atoms)
    message = str(caught.value)
    assert words in message and message.isprintable() and message.startswith(f"Atoms {atoms.symbols} frame 0")


@pytest.mark.parametrize("cutoff", [0.0, -5.0, float("nan"), float("inf")])
def test_connect_refuses_a_cutoff_that_is_no_length(cutoff):
    with pytest.raises(GraphError, match=r"cutoff is .*expected a positive length"):
        connect(from_atoms(bulk("Cu")), cutoff)


def test_connect_refuses_a_cutoff_that_would_fill_the_memory():
    with pytest.raises(GraphError, match=r"Atoms Cu4 frame 0: cutoff 1000.0 A would make about"):
        connect(from_atoms(bulk("Cu", cubic=True)), 1000.0)


@pytest.mark.parametrize(
    ("field", "index", "value", "words"),
    [
        ("positions", (1, 2), float("nan"), "atom 1: positions is nan"),
        ("positions", (1, 2), float("inf"), "atom 1: positions is inf"),
        ("cell", (0, 1, 1), float("nan"), "cell is nan"),
        ("cell", (0, 1), 0.0, "cell vector 1 is zero"),
        ("numbers", (3,), 0, "atom 3: numbers is 0"),
        ("positions", (1,), 0.05, "atom 0: positions overlap, atom 1"),
    ],
)
def test_connect_refuses_graphs_that_were_spoilt_after_reading(field, index, value, words):
    graph = from_atoms(bulk("Cu", cubic=True))
    getattr(graph, field)[index] = value
    with pytest.raises(GraphError) as caught:
        connect(graph, 5.0)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_structures_must_ascend():
    graph = from_atoms(molecule("H2O"))
    graph.structure[:] = torch.tensor([0, 1, 0])
    with pytest.raises(GraphError, match="collate"):
        connect(graph, 5.0)
