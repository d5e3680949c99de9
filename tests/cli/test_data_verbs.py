"""`intertwine data check, stats, convert, split` on small files, and their refusals."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from ase.build import molecule
from calling import call, refused

from intertwine.potentials.data.extxyz import format_frame
from intertwine.potentials.data.label import single_point
from intertwine.potentials.data.readers import from_atoms, read, write
from intertwine.potentials.simulation.fleet_tasks import fingerprint
from intertwine.potentials.simulation.ledger import Ledger


def test_check_is_silent_about_sound_data_and_fails_on_leaks(workplace, tmp_path):
    data = workplace / "data.extxyz"
    good = call("data", "check", data, "--quiet", "--json", tmp_path / "c.json")
    assert good.exit_code == 0 and "0 errors" in good.stdout
    assert {finding["severity"] for finding in json.loads((tmp_path / "c.json").read_text())} <= {"note", "warning"}
    leak = call("data", "check", data, "--against", data, "--quiet")
    assert leak.exit_code == 3 and "copies.leak" in leak.stdout and "data.extxyz frame 0" in leak.stdout
    assert "and 5 more" in leak.stdout and not leak.stderr


def test_check_names_files_that_cannot_be_read(tmp_path):
    (tmp_path / "bad.xyz").write_text("1\nenergy=abc\nH 0 0 0\n")
    result = call("data", "check", tmp_path / "bad.xyz", tmp_path / "missing.h5", "--quiet")
    assert result.exit_code == 3 and "energy is 'abc'" in result.stdout and "no such file" in result.stdout


def test_stats_show_and_write_what_there_is(workplace, tmp_path):
    result = call(
        "data", "stats", workplace / "data.extxyz", "--json", tmp_path / "s.json", "--plot", tmp_path / "s.png"
    )
    assert result.exit_code == 0, result.output
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert set(numbers) == {"all", "cold", "hot"} and numbers["all"]["elements"] == {"Ar": 32}
    assert "Ar 32" in result.stdout and (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["out.h5", "out.db", "out.extxyz.xz"])
def test_convert_keeps_what_matters(workplace, tmp_path, name):
    before = read(workplace / "data.extxyz")
    result = call("data", "convert", workplace / "data.extxyz", tmp_path / name, "--frames", "1:7:2")
    assert result.exit_code == 0, result.output
    after = read(tmp_path / name)
    assert len(after) == 3 and after[0].groups == before[1].groups
    for one, two in zip(before[1:7:2], after, strict=True):
        assert torch.equal(one.positions, two.positions) and torch.equal(one.energy, two.energy)


def test_convert_takes_units_signs_and_fortran(tmp_path):
    text = '2\nLattice="8 0 0 0 8 0 0 0 8" Properties=species:S:1:pos:R:3:grad:R:3 E=-1.0D+00 pbc="T T T"\n'
    (tmp_path / "in.xyz").write_text(text + "H 0 0 0 0.5 0 0\nH 0 0 1.4 -0.5 0 0\n")
    words = ["data", "convert", tmp_path / "in.xyz", tmp_path / "out.xyz", "--energy-key", "E", "--forces-key", "grad"]
    refused(call(*words), "Fortran", "--fortran")
    units = ["--energy-unit", "Hartree", "--length-unit", "Bohr", "--forces-unit=-Hartree/Bohr", "--fortran"]
    assert call(*words, *units).exit_code == 0
    (graph,) = read(tmp_path / "out.xyz")
    assert graph.energy.item() == pytest.approx(-27.2114, abs=1e-4)
    assert graph.forces[0, 0].item() == pytest.approx(-0.5 * 51.4221, abs=1e-3)
    assert graph.cell[0, 0, 0].item() == pytest.approx(8 * 0.529177, abs=1e-5)


def test_split_leaves_nothing_in_two_parts(workplace, tmp_path):
    outs = {name: tmp_path / f"{name}.extxyz" for name in ("train", "valid", "test")}
    words = [word for name, path in outs.items() for word in (f"--{name}", path)]
    result = call("data", "split", workplace / "data.extxyz", *words, "--fractions", "0.5,0.25,0.25")
    assert result.exit_code == 0, result.output
    assert [len(read(path)) for path in outs.values()] == [4, 2, 2]
    check = call("data", "check", outs["train"], "--against", outs["valid"], "--against", outs["test"], "--quiet")
    assert "copies.leak" not in check.stdout


needs_tblite = pytest.mark.skipif(find_spec("tblite") is None, reason='labels need pip install "intertwine[label]"')


def waters(folder, *names: str):
    """A file of molecules."""
    frames = [molecule(name) for name in names]
    for index, atoms in enumerate(frames):
        atoms.info.update(config_type=f"set{index}", energy=-1.0)
    write(folder / "in.extxyz", [from_atoms(atoms) for atoms in frames])
    return folder / "in.extxyz"


@needs_tblite
def test_label_replaces_labels_and_keeps_order_and_groups_and_goes_on_where_it_was_killed(tmp_path):
    frames, out = waters(tmp_path, "H2O", "H2", "CH4"), tmp_path / "out.extxyz.xz"
    about = {"verb": "label", "files": fingerprint(frames), "charge": 0}
    ledger = Ledger(tmp_path / "out.extxyz.xz.ledger", about)
    known = format_frame(from_atoms(single_point(molecule("H2"))))
    ledger.record(1, {"frame": known.replace("Properties", "config_type=before Properties")})  # done before the crash
    ledger.close()
    result = call("data", "label", out, "--frames", frames, "--workers", 1, "--quiet")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "3 of 3" in result.stdout and sorted(path.name for path in tmp_path.iterdir()) == ["in.extxyz", out.name]
    labelled = read(out, require=("energy", "forces"))
    assert [graph.groups for graph in labelled] == [("set0",), ("before",), ("set2",)]
    for name, graph in zip(("H2O", "H2", "CH4"), labelled, strict=True):
        expected = single_point(molecule(name))
        assert graph.energy.item() == pytest.approx(expected.get_potential_energy(), abs=2e-6)
        np.testing.assert_allclose(graph.forces, expected.get_forces(), atol=2e-5)


@needs_tblite
def test_a_frame_that_cannot_be_labelled_is_named_and_the_others_are_kept(tmp_path):
    good = "2\n\nH 0 0 0\nH 0 0 0.74\n"
    (tmp_path / "in.xyz").write_text(good + good.replace("H", "Pu"))
    result = call("data", "label", tmp_path / "out.xyz", "--frames", tmp_path / "in.xyz", "--workers", 1, "--quiet")
    assert result.exit_code == 0 and "1 of 2" in result.stdout
    assert "frame 1" in result.stderr and "not Pu" in result.stderr and len(read(tmp_path / "out.xyz")) == 1


DATA = "{}/data.extxyz"
SPLIT = ["data", "split", DATA, "--train"]
REFUSED = {
    "convert to another format": (["data", "convert", DATA, "{}/x.cif"], "x.cif"),
    "convert into no folder": (["data", "convert", DATA, "{}/nowhere/x.h5"], "no folder"),
    "convert an unknown unit": (["data", "convert", DATA, "{}/x.h5", "--energy-unit", "hartee"], "hartree"),
    "convert no frames": (["data", "convert", DATA, "{}/x.h5", "--frames", "90:"], "none of the 8 frames"),
    "convert odd frames": (["data", "convert", DATA, "{}/x.h5", "--frames", "a:b"], "begin:end:step"),
    "convert nothing": (["data", "convert", "{}/nowhere.xyz", "{}/x.h5"], "nowhere.xyz"),
    "split into one part": ([*SPLIT, "{}/x.h5"], "--valid and --test"),
    "split by odd fractions": ([*SPLIT, "{}/x.h5", "--test", "{}/y.h5", "--fractions", "1,1"], "sum 1"),
    "split over the input": ([*SPLIT, DATA, "--test", "{}/y.h5"], "also an input"),
    "stats of a folder": (["data", "stats", "{}"], "is a folder, expected a file of structures; it holds data.extxyz"),
    "train as if frames were a configuration": (["train", DATA], "did you mean --train"),
    "stats of nothing": (["data", "stats", "{}/nowhere.h5"], "nowhere.h5"),
    "stats into no folder": (["data", "stats", DATA, "--plot", "{}/nowhere/x.png"], "nowhere"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_code_3(case, workplace):
    words, expected = REFUSED[case]
    refused(call(*(word.replace("{}", str(workplace)) for word in words)), expected)
