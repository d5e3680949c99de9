"""Does the demo reach its bars? Reads `runs/demo/metrics.json` and fails where a force error is too large."""

import json
import sys
from pathlib import Path

BARS = {"test_300K": 35.0, "test_600K": 80.0, "test_1200K": 180.0}
"""Force RMSE, meV/Angstrom."""


def main(path: str) -> int:
    sets = json.loads(Path(path).read_text())["sets"]
    failed = 0
    for name, bar in BARS.items():
        error = sets[name]["force_rmse_meV_per_A"]
        word = "ok" if error <= bar else "MISSED"
        failed += error > bar
        print(f"{name:11s} force RMSE {error:6.1f} meV/A, bar {bar:5.0f}: {word}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "runs/demo/metrics.json"))
