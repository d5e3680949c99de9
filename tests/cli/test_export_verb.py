"""`intertwine export`: a file that the other verbs take, and one line where there is none."""

import sys
from pathlib import Path

import pytest
from ase import Atoms
from calling import call, refused

from intertwine.potentials.data.readers import from_atoms, write
from intertwine.potentials.engines import export
from intertwine.potentials.models.saved import build_potential, save_potential
from unchecked import unchecked


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A potential, two structures, and the potential exported."""
    folder = tmp_path_factory.mktemp("export")
    choices = {"species": [18], "cutoff": 5.0, "channels": 2, "layers": 1, "radial_hidden": [4]}
    save_potential(folder / "potential", build_potential("nequip", choices, {18: -1.0}, seed=0))
    clusters = [Atoms("Ar3", [[0, 0, 0], [0, 0, length], [0, length, 0]]) for length in (3.5, 4.0)]
    write(folder / "clusters.extxyz", [from_atoms(each, keys=None) for each in clusters])
    with unchecked():
        result = call("export", folder / "potential", folder / "argon.pt2", "--check", folder / "clusters.extxyz", "-q")
    assert result.exit_code == 0, result.output
    assert "checked   2 structures" in result.stdout
    return folder


def test_other_verbs_take_the_file(place):
    words = ["--steps", 3, "--temperature", 10, "--quiet"]
    drift = []
    for potential in ("potential", "argon.pt2"):
        result = call("md", place / potential, place / "clusters.extxyz", *words)
        assert result.exit_code == 0, result.output
        drift.append(result.stdout)
    assert drift[0].splitlines()[:2] == drift[1].splitlines()[:2]


def test_a_damaged_file_is_one_line(place, tmp_path):
    (tmp_path / "argon.pt2").write_bytes((place / "argon.pt2").read_bytes()[:-1])
    (tmp_path / "argon.pt2.json").write_bytes((place / "argon.pt2.json").read_bytes())
    refused(call("md", tmp_path / "argon.pt2", place / "clusters.extxyz"), "damaged", "argon.pt2")


def test_a_name_without_its_ending_is_one_line(place, tmp_path):
    refused(call("export", place / "potential", tmp_path / "argon"), ".pt2")
    refused(call("export", place / "potential", tmp_path / "argon.pt2", "--format", "metatomic"), ".pt ")


def test_metatomic_that_is_missing_is_one_line(place, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "intertwine.potentials.engines.metatomic_export", raising=False)
    monkeypatch.setitem(sys.modules, "metatomic", None)
    result = call("export", place / "potential", tmp_path / "argon.pt", "--format", "metatomic")
    refused(result, 'pip install "intertwine[export]"')


def test_disagreement_is_one_line_code_four_and_no_file(place, tmp_path, monkeypatch):
    def wrong(path, format):
        return lambda numbers, positions, cell, senders, receivers, shifts, structure: (
            cell[:, 0, 0], positions[:, 0], positions, cell, shifts,
        )  # fmt: skip

    monkeypatch.setattr(export, "start", wrong)
    monkeypatch.setattr(export, "traced", lambda potential, portable: None)
    monkeypatch.setitem(export.WRITERS, "torch-export", lambda program, path: path.write_bytes(b""))
    words = ["--check", place / "clusters.extxyz", "--quiet"]
    result = call("export", place / "potential", tmp_path / "argon.pt2", *words)
    refused(result, "energies", "nothing was written", code=4)
    assert not list(tmp_path.iterdir())
