"""The number of processes does not show in the weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("train_in_processes.py")


def test_one_two_and_four_processes_train_to_the_same_weights_and_a_wrong_weighting_does_not(tmp_path):
    """50 steps in float64 on structures of several sizes with blank labels."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    distance = json.loads(done.stdout.splitlines()[-1])
    assert distance["2"] < 1e-12
    assert distance["4"] < 1e-12
    assert distance["wrong"] > 1e-4
