"""A few kills of the nightly script: potential and history end with the bits of a run that was let alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "kill_training.py"


def test_a_potential_whose_training_is_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    words = ["--kills", "10", "--epochs", "10", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = tmp_path.glob("kill-training-*.json")
    result = json.loads(path.read_text())
    assert result["kills"] >= 10 and result["kills_after_a_checkpoint"] > 0
    assert result["runs_equal"] == result["runs_with_equal_potential"] == result["runs"]
    assert result["another_seed_differs"]
