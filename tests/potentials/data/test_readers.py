"""Labels by every name they go by, raw forces, and structures that come back as they went."""

import dataclasses

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from intertwine.potentials.data.label_keys import LabelKeys
from intertwine.potentials.data.readers import from_atoms, read, to_atoms, write
from intertwine.potentials.structures import textfile
from intertwine.potentials.structures.batching import collate, split
from intertwine.potentials.structures.graph import Graph, GraphError, Source


def frame(comment: str, cell: float | None = 4.0) -> str:
    lattice = "" if cell is None else f'Lattice="{cell} 0 0 0 {cell} 0 0 0 {cell}" '
    return f"1\n{lattice}{comment}\nCu 0.5 0.25 0.125\n"


def read_text(tmp_path, text: str, **keys) -> list[Graph]:
    (tmp_path / "set.extxyz").write_text(text)
    return read(tmp_path / "set.extxyz", **keys)


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.info["config_type"] = 'a "quoted" \\ name'
    atoms.calc = EMT()
    atoms.get_potential_energy()
    atoms.get_stress()
    return atoms


def assert_equal(one: Graph, other: Graph) -> None:
    for field in dataclasses.fields(Graph):
        mine, yours = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, torch.Tensor):
            assert torch.equal(mine, yours), field.name
        elif field.name != "sources":
            assert mine == yours, field.name


@pytest.mark.parametrize("name", ["energy", "REF_energy", "free_energy", "dft_energy", "Energy", "TotEnergy"])
def test_energy_goes_by_many_names(tmp_path, name):
    (graph,) = read_text(tmp_path, frame(f"{name}=-3.5"))
    assert graph.energy is not None and graph.energy.tolist() == [-3.5] and graph.energy.dtype == torch.float64


@pytest.mark.parametrize("name", ["forces", "REF_forces", "force", "DFT_forces"])
def test_forces_go_by_many_names(tmp_path, name):
    (graph,) = read_text(tmp_path, f"1\nProperties=species:S:1:{name}:R:3:pos:R:3\nCu 1 2 3 4 5 6\n")
    assert graph.forces is not None and graph.forces.tolist() == [[1, 2, 3]] and graph.positions.tolist() == [[4, 5, 6]]


def test_equal_energies_by_two_names_are_one(tmp_path):
    (graph,) = read_text(tmp_path, frame("energy=-3.5 free_energy=-3.5"))
    assert graph.energy is not None and graph.energy.tolist() == [-3.5]


def test_a_key_decides_between_energies_that_differ(tmp_path):
    (graph,) = read_text(tmp_path, frame("energy=-3.5 free_energy=-3.6"), energy_key="free_energy")
    assert graph.energy is not None and graph.energy.tolist() == [-3.6]


def test_a_key_names_what_no_list_knows(tmp_path):
    text = "1\nProperties=species:S:1:pos:R:3:push:R:3 E=-1 group=wet\nCu 0 0 0 1 2 3\n"
    (graph,) = read_text(tmp_path, text, energy_key="E", forces_key="push", group_key="group")
    assert graph.energy is not None and graph.energy.tolist() == [-1]
    assert graph.forces is not None and graph.forces.tolist() == [[1, 2, 3]]
    assert graph.groups == ("wet",)


def test_a_key_that_no_frame_has_is_an_error(tmp_path):
    with pytest.raises(GraphError, match="no frame has the key 'REF_enrgy'; did you mean 'REF_energy'"):
        read_text(tmp_path, frame("REF_energy=-1"), energy_key="REF_enrgy")


def test_energies_of_other_kinds_are_not_taken(tmp_path):
    (graph,) = read_text(tmp_path, frame("energy_wb97x=-1 formation_energy_per_atom=-2 config_type=x"))
    assert graph.energy is None and graph.groups == ("x",)


def test_stress_of_six_and_of_nine_numbers_agree(tmp_path):
    full = '"1 6 5 6 2 4 5 4 3"'
    six, nine = read_text(tmp_path, frame('stress="1 2 3 4 5 6"') + frame(f"stress={full}"))
    assert six.stress is not None and nine.stress is not None
    assert six.stress.tolist() == nine.stress.tolist() == [[[1, 6, 5], [6, 2, 4], [5, 4, 3]]]


@pytest.mark.parametrize("key", [None, "my_virial"])
def test_virial_is_minus_stress_times_volume(tmp_path, key):
    other = 'stress="9 9 9 0 0 0"' if key else ""
    (graph,) = read_text(tmp_path, frame(f'{key or "virial"}="64 0 0 0 128 0 0 0 -64" {other}'), stress_key=key)
    assert graph.stress is not None
    np.testing.assert_allclose(graph.stress[0], np.diag([-1, -2, 1]), atol=1e-12)


def test_stress_has_the_sign_of_ase():
    atoms = crystal()
    graph = from_atoms(atoms)
    assert graph.stress is not None
    torch.testing.assert_close(graph.stress[0], torch.tensor(atoms.get_stress(voigt=False)))


def test_zero_stress_of_a_molecule_is_no_label(tmp_path):
    (graph,) = read_text(tmp_path, frame('stress="0 0 0 0 0 0"', cell=None))
    assert graph.stress is None


def test_box_around_a_molecule_is_dropped(tmp_path):
    (graph,) = read_text(tmp_path, frame('pbc="F F F"', cell=50.0))
    assert not graph.cell.any() and not graph.pbc.any()


def test_lattice_without_flags_is_periodic(tmp_path):
    (graph,) = read_text(tmp_path, frame("energy=1"))
    assert graph.pbc.all()


def test_rows_of_the_lattice_are_its_vectors(tmp_path):
    (graph,) = read_text(tmp_path, '1\nLattice="4 0 0 1 5 0 2 3 6"\nCu 0 0 0\n')
    assert graph.cell[0].tolist() == [[4, 0, 0], [1, 5, 0], [2, 3, 6]]


def test_missing_labels_are_named_with_frame_and_line(tmp_path):
    with pytest.raises(GraphError, match=r"set.extxyz frame 1, line 5: energy is missing"):
        read_text(tmp_path, frame("energy=1") + frame("config_type=x"), require=["energy"])


def test_forces_of_constrained_atoms_are_raw():
    atoms = crystal()
    raw = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0, 1]))
    assert not atoms.get_forces()[0].any()
    graph = from_atoms(atoms)
    assert graph.forces is not None
    np.testing.assert_array_equal(graph.forces, raw)


def test_labels_of_other_positions_are_not_taken():
    atoms = crystal()
    atoms.rattle(0.01, seed=2)
    graph = from_atoms(atoms)
    assert graph.energy is None and graph.forces is None and graph.stress is None


def test_nothing_is_computed_on_the_way():
    atoms = bulk("Cu")
    atoms.calc = EMT()
    assert from_atoms(atoms).energy is None and not atoms.calc.results


def test_labels_can_be_left_out():
    atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=float("nan"))
    assert from_atoms(atoms, keys=None).energy is None


def test_keys_choose_among_entries_of_atoms():
    atoms = molecule("H2O")
    atoms.info["mine"] = -76.0
    atoms.arrays["push"] = np.ones((3, 3))
    graph = from_atoms(atoms, Source("here", 7), keys=LabelKeys(energy="mine", forces="push"))
    assert graph.energy is not None and graph.energy.tolist() == [-76.0] and graph.forces is not None
    assert str(graph.sources[0]) == "here frame 7"


def test_atoms_come_back_as_they_went():
    before = crystal()
    after = to_atoms(from_atoms(before))
    assert_equal(from_atoms(before), from_atoms(after))
    assert after.get_potential_energy() == before.get_potential_energy()
    np.testing.assert_array_equal(after.get_forces(), before.get_forces())
    np.testing.assert_allclose(after.get_stress(), before.get_stress(), atol=1e-15)


def test_only_one_structure_becomes_atoms():
    with pytest.raises(GraphError, match="2 structures"):
        to_atoms(collate([from_atoms(molecule("H2O"))] * 2))


@pytest.mark.parametrize("suffix", [".traj", ".db"])
def test_other_formats_go_through_ase_and_the_same_checks(tmp_path, suffix):
    path = tmp_path / f"set@1{suffix}"
    good, bad = crystal(), molecule("H2O")
    ase.io.write(tmp_path / f"set{suffix}", [good, bad])
    (tmp_path / f"set{suffix}").rename(path)
    graphs = read(path)
    assert len(graphs) == 2 and graphs[0].energy is not None
    torch.testing.assert_close(graphs[0].positions, from_atoms(good).positions)
    bad.positions[:] = 0
    ase.io.write(tmp_path / f"bad{suffix}", [good, bad])
    with pytest.raises(GraphError, match=rf"bad{suffix} frame 1, atom 0: positions overlap"):
        read(tmp_path / f"bad{suffix}")


@pytest.mark.parametrize("suffix", [".extxyz", ".xyz", ".extxyz.gz", ".xyz.xz", ".EXTXYZ.XZ"])
def test_every_bit_survives_writing(tmp_path, suffix):
    graphs = [from_atoms(crystal()), from_atoms(crystal())]
    write(tmp_path / f"set{suffix}", [collate(graphs)])
    for before, after in zip(graphs, read(tmp_path / f"set{suffix}"), strict=True):
        assert_equal(before, after)


def test_our_files_are_read_by_ase(tmp_path):
    write(tmp_path / "set.extxyz", [from_atoms(crystal())])
    atoms = ase.io.read(tmp_path / "set.extxyz")
    assert isinstance(atoms, Atoms)
    assert_equal(from_atoms(crystal()), from_atoms(atoms))


def test_files_of_ase_are_read(tmp_path):
    images = [
        crystal(),
        molecule("CH3CH2OH"),
        Atoms("Fe", cell=[2, 2, 9], pbc=[True, True, False], info={"note": "a = b"}),
    ]
    ase.io.write(tmp_path / "set.extxyz", images)
    ours, theirs = read(tmp_path / "set.extxyz"), ase.io.read(tmp_path / "set.extxyz", ":")
    for graph, atoms in zip(ours, theirs, strict=True):
        assert isinstance(atoms, Atoms)
        assert_equal(graph, from_atoms(atoms))


numbers = st.floats(-1e5, 1e5, allow_subnormal=False)


@given(st.lists(st.tuples(st.integers(1, 118), *[numbers] * 6), min_size=1, max_size=4), numbers, st.booleans())
@examples(60)
def test_any_sound_structure_survives_writing(tmp_path, rows, energy, labelled):
    values = np.array([row[1:] for row in rows])
    atoms = Atoms([row[0] for row in rows], positions=values[:, :3] + 10 * np.arange(len(rows))[:, None])
    if labelled:
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=values[:, 3:])
    try:
        graph = from_atoms(atoms)
    except GraphError as error:
        assert "overlap" in str(error)
        return
    write(tmp_path / "set.extxyz", [graph])
    assert_equal(graph, read(tmp_path / "set.extxyz")[0])


def test_rounding_keeps_the_decimals_asked_for(tmp_path):
    graph = from_atoms(crystal())
    write(tmp_path / "set.extxyz", [graph], decimals=6)
    (after,) = read(tmp_path / "set.extxyz")
    assert 1e-9 < (after.positions - graph.positions).abs().max() < 5.1e-7
    assert after.energy is not None and graph.energy is not None and torch.equal(after.energy, graph.energy)


def test_same_structures_make_the_same_bytes(tmp_path):
    for suffix in (".extxyz", ".extxyz.gz", ".extxyz.xz"):
        write(tmp_path / f"one{suffix}", [from_atoms(crystal())])
        write(tmp_path / f"two{suffix}", [from_atoms(crystal())])
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_unsound_structures_are_not_written(tmp_path):
    graph = from_atoms(crystal())
    write(tmp_path / "set.extxyz", [graph])
    before = (tmp_path / "set.extxyz").read_bytes()
    spoilt = dataclasses.replace(graph, energy=torch.tensor([float("nan")], dtype=torch.float64))
    with pytest.raises(GraphError, match="energy is nan"):
        write(tmp_path / "set.extxyz", [graph, spoilt])
    assert (tmp_path / "set.extxyz").read_bytes() == before


def test_interrupted_writing_leaves_the_old_file(tmp_path, monkeypatch):
    write(tmp_path / "set.extxyz", [from_atoms(crystal())])
    before = (tmp_path / "set.extxyz").read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(textfile.os, "fsync", fail)
    with pytest.raises(GraphError, match=r"set.extxyz: cannot be written \(No space left on device\)"):
        write(tmp_path / "set.extxyz", [from_atoms(molecule("H2O"))])
    assert (tmp_path / "set.extxyz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["set.extxyz"]


def test_refused_targets_are_named(tmp_path):
    graphs = [from_atoms(molecule("H2O"))]
    with pytest.raises(GraphError, match=r"set.traj: can only write .extxyz"):
        write(tmp_path / "set.traj", graphs)
    with pytest.raises(GraphError, match=r"missing/set.xyz: cannot be written"):
        write(tmp_path / "missing" / "set.xyz", graphs)
    with pytest.raises(GraphError, match="no structures"):
        write(tmp_path / "set.xyz", [])


def test_split_of_a_read_file_is_the_file(tmp_path):
    graphs = read_text(tmp_path, frame("energy=1") + frame("energy=2"))
    for before, after in zip(graphs, split(collate(graphs)), strict=True):
        assert_equal(before, after)
        assert before.sources == after.sources
