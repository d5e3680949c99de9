"""What `describe` and `intertwine info` say of each kind of path, against what was put there; damage is a line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from calling import call, refused

from intertwine.potentials.data.readers import from_atoms, write
from intertwine.potentials.judging.info import describe
from intertwine.potentials.judging.last_layer import LastLayer
from intertwine.potentials.judging.saved_uncertainty import save_uncertainty
from intertwine.potentials.models.mean_model import mean_potential
from intertwine.potentials.models.saved import build_potential, save_potential
from intertwine.potentials.structures.graph import GraphError
from intertwine.training.checkpoint import CheckpointError, write_step

CHOICES = {"species": [18, 36], "cutoff": 4.5, "channels": 2, "layers": 1, "edge_degree": 1, "radial_hidden": [4]}


def potential(seed: int = 0):
    return build_potential("nequip", CHOICES, {18: -1.5, 36: 0.0}, scale=0.5, shift=0.1, seed=seed)


@pytest.fixture
def folder(tmp_path) -> Path:
    return save_potential(tmp_path / "potential", potential(), notes={"config": {"seed": 3}})


def test_a_potential_tells_its_kind_elements_size_and_notes(folder):
    found = describe(folder)
    assert found["what"] == "potential" and found["model"] == "nequip" and found["dtype"] == "float32"
    assert found["species"] == ["Ar", "Kr"] and found["cutoff"] == 4.5 and found["digests"] == "verified"
    assert found["parameters"] == sum(parameter.numel() for parameter in potential().parameters())
    assert found["reference_energies"] == {"Ar": -1.5, "Kr": 0.0} and (found["scale"], found["shift"]) == (0.5, 0.1)
    assert found["hyperparameters"] == CHOICES and found["notes"] == {"config": {"seed": 3}}
    assert found["uncertainty"] is None and found["bytes"] > 1000


def test_uncertainties_and_committees_are_named(folder, tmp_path):
    save_uncertainty(folder, LastLayer(potential(), torch.eye(16, dtype=torch.float64), 0.1, 1.0))
    assert describe(folder)["uncertainty"] == "last layer, calibrated"
    both = save_potential(tmp_path / "both", mean_potential([potential(1), potential(2)]))
    found = describe(both)
    assert found["what"] == "committee of 2 potentials" and found["members"] == ["nequip", "nequip"]
    assert found["uncertainty"] == "committee, not calibrated"
    assert describe(folder / "uncertainty")["what"] == "uncertainty checkpoint"


def test_a_run_tells_whether_it_is_finished(folder, tmp_path):
    run = tmp_path / "run"
    write_step(run / "checkpoints", 7, {"w": torch.ones(3)}, {"standing": {"epoch": 2, "step": 7}}, kind="training")
    (run / "history.json").write_text('[{"epoch": 1, "valid_loss": 2.0, "seconds": 4.0}]')
    found = describe(run)
    assert (found["what"], found["finished"], found["epochs"], found["best_valid_loss"]) == ("run", False, 1, 2.0)
    assert found["newest_checkpoint"]["what"] == "training checkpoint" and found["newest_checkpoint"]["step"] == 7
    assert describe(run / "checkpoints" / "step-00000007")["numbers"] == 3
    shutil.copytree(folder, run / "potential")
    found = describe(run)
    assert found["finished"] and found["potential"] == describe(folder)


def test_structures_are_counted(tmp_path):
    graphs = [from_atoms(bulk("Ar", "fcc", a=5.2, cubic=True)) for _ in range(3)]
    write(tmp_path / "data.extxyz", graphs)
    found = describe(tmp_path / "data.extxyz")
    assert (found["frames"], found["atoms"], found["pbc"]) == (3, 12, {"TTT": 3}) and found["elements"] == {"Ar": 12}
    assert found["with_energy"] == found["with_forces"] == 0 and found["force_rms"] is None


def test_what_is_none_of_these_or_damaged_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no potential, checkpoint or run"):
        describe(tmp_path / "empty")
    with pytest.raises(GraphError, match="no such file or folder"):
        describe(tmp_path / "nowhere")
    raw = bytearray((folder / "tensors.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "tensors.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError, match="is damaged"):
        describe(folder)


def test_the_verb_prints_lines_or_json_and_refuses_in_one(folder, tmp_path):
    result = call("info", folder)
    assert result.exit_code == 0, (result.output, result.exception)
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["species"] == "Ar Kr" and rows["reference_energies"] == "Ar -1.5  Kr 0"
    assert rows["notes.config"] == "seed 3" and "uncertainty" not in rows
    assert json.loads(call("info", folder, "--json").stdout) == describe(folder)
    (tmp_path / "text.txt").write_text("hello")
    refused(call("info", tmp_path / "text.txt"), "text.txt")
    refused(call("info", tmp_path / "nowhere"), "nowhere")
