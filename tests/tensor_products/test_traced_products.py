"""Products trace whole, and those with kernels as one operator each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from compiled import needs_kernels


@pytest.fixture(scope="module")
def traced() -> dict[str, list[str]]:
    """In a process of its own: the shape checker of these tests wraps every function, and wrappers do not trace."""
    script = Path(__file__).with_name("trace_products.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_products_compile_and_export_whole(traced):
    assert len(traced) == 5


@needs_kernels
@pytest.mark.parametrize("operator", ["contract", "convolve", "couple", "decompose", "gaunt"])
def test_compile_and_export_see_one_operator(traced, operator):
    assert f"intertwine.{operator}.default" in traced[operator]
