"""What a potential is used for from the command line: dynamics, relaxation, phonons."""

import pytest
import torch
from calling import call, refused

from intertwine.potentials.data.readers import read


@pytest.mark.parametrize(
    "bath", [["nvt"], ["nvt", "--thermostat", "nose-hoover"], ["npt", "--pressure", "0.1"]], ids=lambda words: words[-1]
)
def test_md_with_a_bath_goes_on_from_its_state(bath, workplace, tmp_path):
    words = ["md", workplace / "run/potential", workplace / "data.extxyz", "--temperature", 20, "--quiet"]
    words += ["--ensemble", *bath, "--restart", tmp_path / "state", "--trajectory", tmp_path / "run.h5"]
    assert call(*words, "--steps", 20).exit_code == 0
    result = call(*words, "--steps", 40)
    assert result.exit_code == 0, result.output
    assert "with the bath" in result.stdout
    assert ("volume" in result.stdout) == (bath[0] == "npt")
    assert len(read(tmp_path / "run.h5")) == 5
    refused(call(*words, "--steps", 40, "--seed", 3), "seed", "state")


def test_md_takes_dispersion_and_says_when_there_is_none_for_a_functional(workplace, tmp_path):
    pytest.importorskip("dftd3.ase")
    words = ["md", workplace / "run/potential", workplace / "data.extxyz", "--steps", 2, "--every", 1, "--quiet"]
    energies = []
    for name, more in (("with", ["--dispersion", "pbe"]), ("without", [])):
        result = call(*words, *more, "--trajectory", tmp_path / f"{name}.extxyz")
        assert result.exit_code == 0, (result.output, result.exception)
        energies.append(read(tmp_path / f"{name}.extxyz")[0].energy.item())
    assert -1.0 < energies[0] - energies[1] < -0.05
    refused(call(*words, "--dispersion", "pbee"), "'pbee'")
    result = call(*words, "--dispersion", "pbee", "--all", tmp_path / "runs", "--workers", 1)
    refused(result, "'pbee'")


def test_a_run_stands_for_the_potential_in_it(workplace):
    words = [workplace / "data.extxyz", "--steps", 2, "--quiet"]
    one, two = (call("md", workplace / folder, *words) for folder in ("run", "run/potential"))
    assert one.exit_code == 0 and one.stdout == two.stdout
    refused(call("md", workplace, *words), "checkpoint.json")


def test_a_pressure_in_the_wrong_unit_is_one_line(workplace):
    words = ["md", workplace / "run", workplace / "data.extxyz", "--steps", 5, "--ensemble", "npt", "--quiet"]
    refused(call(*words, "--pressure", "1e9"), "beyond all bounds", "pressure", code=4)


def test_md_refuses_baths_that_cannot_be(workplace):
    words = ["md", workplace / "run/potential", workplace / "data.extxyz", "--steps", 2, "--quiet"]
    refused(call(*words, "--final-temperature", 10), "--ensemble")
    refused(call(*words, "--ensemble", "nvt", "--temperature", 0), "--temperature")


def test_relax_takes_all_frames_of_a_file(workplace, tmp_path):
    words = ["relax", workplace / "run/potential", workplace / "data.extxyz", "--out", tmp_path / "all.extxyz"]
    result = call(*words, "--all", "--fmax", 0.05, "--cell", "volume", "--steps", 50, "--quiet")
    assert result.exit_code == 0, result.output
    assert "of 8 structures" in result.stdout
    assert len(read(tmp_path / "all.extxyz", require=("energy", "forces", "stress"))) == 8
    refused(call(*words, "--all", "--trajectory", tmp_path / "path.extxyz"), "--all", "--frame")


def test_relax_tells_which_frames_failed_and_keeps_the_others(workplace, tmp_path):
    text = (workplace / "data.extxyz").read_text()
    (tmp_path / "some.extxyz").write_text(text + '1\nProperties=species:S:1:pos:R:3 pbc="F F F"\nAu 0 0 0\n')
    words = ["relax", workplace / "run/potential", tmp_path / "some.extxyz", "--out", tmp_path / "all.extxyz"]
    result = call(*words, "--all", "--steps", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert "frame 8" in result.stderr and "Au" in result.stderr
    assert len(read(tmp_path / "all.extxyz")) == 8


def test_phonons_are_written(workplace, tmp_path):
    words = ["relax", workplace / "run/potential", workplace / "data.extxyz", "--cell", "full", "--fmax", 1e-3]
    assert call(*words, "--out", tmp_path / "rest.extxyz", "--quiet").exit_code == 0
    words = ["phonons", workplace / "run/potential", tmp_path / "rest.extxyz", "--supercell", "1,1,1"]
    result = call(*words, "--mesh", "3,3,3", "--out", tmp_path / "modes", "--quiet")
    assert result.exit_code == 0, result.output
    assert "stable" in result.stdout or "unstable" in result.stdout
    assert (tmp_path / "modes" / "phonons.png").is_file()
    (tmp_path / "atom.extxyz").write_text('1\nProperties=species:S:1:pos:R:3 pbc="F F F"\nAr 0 0 0\n')
    refused(call("phonons", workplace / "run/potential", tmp_path / "atom.extxyz"), "periodic")


def test_a_supercell_is_three_numbers(workplace):
    result = call("phonons", workplace / "run/potential", workplace / "data.extxyz", "--supercell", "2,2")
    assert result.exit_code == 2
    assert "2,2,2" in result.stderr


def test_relax_by_a_fleet_gives_what_one_process_gives(workplace, tmp_path):
    words = ["relax", workplace / "run/potential", workplace / "data.extxyz", "--all", "--steps", 3, "--quiet"]
    alone = call(*words, "--out", tmp_path / "alone.extxyz")
    fleet = call(*words, "--out", tmp_path / "fleet.extxyz", "--workers", 1)
    assert (alone.exit_code, fleet.exit_code) == (0, 0), fleet.output
    for one, other in zip(read(tmp_path / "alone.extxyz"), read(tmp_path / "fleet.extxyz"), strict=True):
        torch.testing.assert_close(one.positions, other.positions, atol=1e-5, rtol=0)
        torch.testing.assert_close(one.energy, other.energy, atol=1e-5, rtol=0)
    assert not (tmp_path / "fleet.extxyz.ledger").exists()


def test_md_of_all_frames_is_a_fleet_too(workplace, tmp_path):
    words = ["md", workplace / "run/potential", workplace / "data.extxyz", "--all", tmp_path / "runs", "--steps", 10]
    result = call(*words, "--temperature", 20, "--workers", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert "done         8 of 8 structures" in result.stdout
    first, second = (read(tmp_path / "runs" / f"00000{index}.h5") for index in (0, 1))
    assert len(first) == len(second) == 2
    assert not torch.equal(first[1].positions - first[0].positions, second[1].positions - second[0].positions)
    assert call(*words, "--temperature", 20, "--quiet").exit_code == 0  # nothing is left to do
    refused(call(*words, "--temperature", 30, "--quiet"), "temperature", "ledger.jsonl")
    refused(call(*words, "--restart", tmp_path / "state"), "--all")
