"""A run that was stopped, or killed, goes on with the bits of one that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.data.readers import read
from intertwine.potentials.simulation.md import simulate
from intertwine.potentials.simulation.nose_hoover import Chain
from intertwine.potentials.structures.graph import GraphError
from intertwine.training.checkpoint import CheckpointError

BATHS = {
    "nve": {},
    "langevin": {"ensemble": "nvt", "friction": 0.05},
    "nose-hoover": {"ensemble": "nvt", "thermostat": "nose-hoover", "relaxation": 100.0},
    "npt": {"ensemble": "npt", "relaxation": 100.0, "breathing": 200.0},
    "ramp": {"ensemble": "nvt", "final_temperature": 60.0},
}


class Stop(Exception):
    pass


def run(folder: Path, bath: str, *, stop: int | None = None, name: str = "run.extxyz", **choices):
    def stopping(text, done, steps):
        if done == stop:
            raise Stop

    choices = {"steps": 60, "timestep": 5.0, "temperature": 40.0, "record_every": 4, **BATHS[bath], **choices}
    return simulate(
        argon(), bulk("Ar", "fcc", a=5.3, cubic=True), trajectory=folder / name, restart=folder / "state",
        restart_every=10, progress=stopping, **choices,
    )  # fmt: skip


def same(first, second) -> bool:
    return (
        np.array_equal(first.atoms.positions, second.atoms.positions)
        and np.array_equal(first.atoms.get_momenta(), second.atoms.get_momenta())
        and np.array_equal(first.atoms.cell.array, second.atoms.cell.array)
        and np.array_equal(first.trace.time, second.trace.time)
        and np.array_equal(first.trace.potential, second.trace.potential)
        and np.array_equal(first.bath, second.bath)
    )


@pytest.mark.parametrize("bath", BATHS)
def test_a_stopped_run_goes_on_with_the_same_bits(bath, tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "parts").mkdir()
    whole = run(tmp_path / "whole", bath)
    for stop in (random.Random(bath).randrange(11, 50), 53):
        with pytest.raises(Stop):
            run(tmp_path / "parts", bath, stop=stop)
    parts = run(tmp_path / "parts", bath)
    assert same(whole, parts)
    trajectories = [(tmp_path / name / "run.extxyz").read_bytes() for name in ("whole", "parts")]
    assert trajectories[0] == trajectories[1]


def test_a_trajectory_in_hdf5_goes_on_too_and_reads_as_the_one_in_text(tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "parts").mkdir()
    whole = run(tmp_path / "whole", "npt", name="run.h5")
    with pytest.raises(Stop):
        run(tmp_path / "parts", "npt", stop=38, name="run.h5", steps=50)
    left = read(tmp_path / "parts" / "run.h5")
    assert len(left) == 10  # one of them written after the state
    assert same(whole, run(tmp_path / "parts", "npt", name="run.h5"))  # with more steps, so that more room is needed
    run(tmp_path, "npt")
    frames = [read(tmp_path / place) for place in ("whole/run.h5", "parts/run.h5", "run.extxyz")]
    assert len(frames[0]) == len(frames[1]) == len(frames[2]) == 16
    for one, other, text in zip(*frames):
        for label in ("positions", "cell", "energy", "forces", "stress"):
            assert torch.equal(getattr(one, label), getattr(other, label))
            torch.testing.assert_close(getattr(one, label), getattr(text, label), atol=1e-7, rtol=0)


def test_a_trajectory_in_hdf5_that_lost_frames_is_not_continued(tmp_path):
    run(tmp_path, "nve", steps=20, name="run.h5")
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["frames"][()] = 2
    with pytest.raises(GraphError, match="has 2 frames"):
        run(tmp_path, "nve", name="run.h5")
    (tmp_path / "run.h5").write_bytes(b"no HDF5")
    with pytest.raises(GraphError, match="HDF5"):
        run(tmp_path, "nve", name="run.h5")


@pytest.mark.parametrize("bath", ["langevin", "nose-hoover"])
def test_what_is_left_out_of_the_state_would_be_noticed(bath, tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir(), (tmp_path / "parts").mkdir()
    whole = run(tmp_path / "whole", bath)
    with pytest.raises(Stop):
        run(tmp_path / "parts", bath, stop=35)
    if bath == "langevin":
        monkeypatch.setattr("intertwine.potentials.simulation.ensembles.Langevin.restore", lambda self, state: None)
    else:
        monkeypatch.setattr(Chain, "restore", lambda self, state: None)
    assert not same(whole, run(tmp_path / "parts", bath))


def test_a_finished_run_can_be_made_longer(tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "parts").mkdir()
    whole = run(tmp_path / "whole", "nose-hoover", steps=40)
    run(tmp_path / "parts", "nose-hoover", steps=20)
    assert same(whole, run(tmp_path / "parts", "nose-hoover", steps=40))
    assert same(whole, run(tmp_path / "parts", "nose-hoover", steps=40))  # nothing is left to do


def test_a_run_can_be_made_longer_again_and_again(tmp_path):
    for steps in (1, 3, 5, 6, 9, 10, 13):
        run(tmp_path, "nve", steps=steps, name="run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        times = file["time"][: file["frames"][()]]
    assert times.tolist() == [5.0 * step for step in (0, 1, 3, 4, 5, 6, 8, 9, 10, 12, 13)]


@pytest.mark.parametrize("changed", [{"timestep": 4.0}, {"seed": 1}, {"temperature": 41.0}])
def test_another_run_does_not_go_on_from_the_state(changed, tmp_path):
    run(tmp_path, "langevin", steps=10)
    with pytest.raises(CheckpointError, match=next(iter(changed))):
        run(tmp_path, "langevin", **changed)


def test_a_trajectory_that_lost_frames_is_not_continued(tmp_path):
    run(tmp_path, "nve", steps=20)
    (tmp_path / "run.extxyz").write_text("")
    with pytest.raises(GraphError, match="has 0 bytes"):
        run(tmp_path, "nve")


SCRIPT = """
import sys
from pathlib import Path
sys.path[:] = {path!r}
import test_restart
test_restart.run(Path(sys.argv[1]), "langevin", steps=100000, name="run.h5")
"""


def test_a_run_that_is_killed_at_any_moment_goes_on_with_the_same_bits(tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "parts").mkdir()
    command = [sys.executable, "-c", SCRIPT.format(path=sys.path), str(tmp_path / "parts")]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    give_up = time.monotonic() + 600
    while not (tmp_path / "parts" / "state").exists() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.01)
    time.sleep(0.3 * random.Random(0).random())
    process.kill()
    assert process.wait() == -signal.SIGKILL  # and not its end, which would have tested nothing
    left = read(tmp_path / "parts" / "run.h5")
    reached = 4 * len(left) + 40
    parts = run(tmp_path / "parts", "langevin", steps=reached, name="run.h5")
    whole = run(tmp_path / "whole", "langevin", steps=reached, name="run.h5")
    assert same(whole, parts)
    for frames in (left, read(tmp_path / "parts" / "run.h5")):
        for one, other in zip(frames, read(tmp_path / "whole" / "run.h5")):
            assert torch.equal(one.positions, other.positions)
