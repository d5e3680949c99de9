"""Matrix, vector and edge products trace whole."""

import subprocess
import sys
from pathlib import Path


def test_products_compile_and_export_whole():
    """In a process of its own: the shape checker of these tests wraps every function, and wrappers do not trace."""
    script = Path(__file__).with_name("trace_products.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
