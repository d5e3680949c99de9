"""Importing the library and loading a potential leave the process as it was: no global setting is touched."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, random, signal, sys
import numpy, torch

def state():
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": str(torch.get_default_device()),
        "seed of torch": torch.get_rng_state().tolist(),
        "seed of numpy": str(numpy.random.get_state()),
        "seed of random": random.getstate(),
        "environment": dict(os.environ),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "gradients": torch.is_grad_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "numpy errors": numpy.geterr(),
        "folder": os.getcwd(),
        "hook": sys.excepthook,
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
    }

before = state()
DO
after = state()
changed = [name for name in before if before[name] != after[name]]
sys.exit("changed: " + ", ".join(changed) if changed else 0)
"""
USE = """
import intertwine, intertwine.potentials, intertwine.nn, intertwine.o3, intertwine.tensor_products, intertwine.cli.main
from ase.build import molecule
from intertwine.potentials import Calculator, build_potential, load, save_potential
choices = {"species": [1, 8], "cutoff": 3.0, "channels": 2, "edge_degree": 1, "correlation": 2}
save_potential("potential", build_potential("mace", choices, {1: -13.6, 8: -2041.8}, seed=0))
water = molecule("H2O")
water.calc = Calculator(load("potential"))
water.get_forces()
"""
SABOTAGE = {
    "default dtype": "torch.set_default_dtype(torch.float64)",
    "seed of torch": "torch.manual_seed(1)",
    "seed of numpy": "numpy.random.seed(1)",
    "environment": "os.environ['OMP_NUM_THREADS'] = '3'",
    "threads": "torch.set_num_threads(3)",
    "gradients": "torch.set_grad_enabled(False)",
}


def run(folder: Path, what: str) -> subprocess.CompletedProcess:
    script = SCRIPT.replace("DO", what)
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=600)


def test_import_and_load_touch_nothing_global(tmp_path):
    done = run(tmp_path, USE)
    assert done.returncode == 0, done.stderr


def test_import_leaves_what_is_slow_to_those_who_use_it(tmp_path):
    """Torch's compiler sets an environment variable besides; the control is a library that is imported."""
    slow = "[name for name in ('torch._dynamo', 'sympy', 'scipy.stats', 'matplotlib', 'triton') if name in sys.modules]"
    for what, expected in (("intertwine.potentials", "[]"), ("scipy.stats, intertwine.nn", "['scipy.stats']")):
        done = run(tmp_path, f"import {what}\nprint({slow})")
        assert done.stdout.strip() == expected, done.stderr


def test_a_setting_that_is_touched_is_found(tmp_path):
    done = run(tmp_path, "\n".join(SABOTAGE.values()))
    assert done.returncode == 1
    assert all(name in done.stderr for name in SABOTAGE)
