"""The scripts in benchmarks/ that measure dynamics notice what they are there to notice."""

import sys
from pathlib import Path

import pytest
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.simulation import md

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_that_grows_by_a_little_at_every_step_is_seen():
    from md_memory import slope

    crystal = bulk("Ar", "fcc", a=5.3, cubic=True)
    steady, ends = slope(argon(), crystal, 400)
    leaking, _ = slope(argon(), crystal, 400, leak=100_000)
    assert ends[1] > 0
    assert leaking > 50 > 5 * abs(steady)  # kB/step, of 100


def test_forces_that_are_no_derivatives_drift(monkeypatch):
    from md_drift import Rounded

    crystal = bulk("Ar", "fcc", a=5.3, cubic=True)
    choices = {"steps": 300, "timestep": 5.0, "temperature": 40.0, "record_every": 2}
    right = md.simulate(argon(), crystal, **choices)
    monkeypatch.setattr(md, "Calculator", Rounded)
    wrong = md.simulate(argon(), crystal, **choices)
    assert abs(wrong.drift) > 20 * abs(right.drift)
