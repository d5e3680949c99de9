"""Potentials as metatomic models, through metatomic's own calculator."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.skipif(find_spec("metatomic_ase") is None, reason="needs metatomic-torch and metatomic-ase")
def test_metatomic_says_what_our_calculator_says():
    """In a process of its own: the shape checker of these tests wraps every function, and wrappers do not compile."""
    script = Path(__file__).with_name("metatomic_by_ase.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
