"""How fast are our Triton kernels beside e3nn's, cuequivariance's and OpenEquivariance's on this GPU? Writes JSON.

python benchmarks/gpu.py [--rows B C] [--repeats 9] [--scale 1] [--out FILE]

Rows B and C of `intertwine bench` (`experiments/bench/rows.py` says what is counted), times by CUDA events, launches
included, all sides in turns in this process, after their outputs and gradients agreed with ours to 1e-4. So the peers
must be installed beside intertwine, cuequivariance with its kernels for torch; those that are not are named. MACE needs
TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 in the environment. `--scale` multiplies nodes and edges. Memory is what torch
allocated at most above its state before the call.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from gpu_sides import Passes, build

from intertwine.experiments.bench.measure import Budget, Spread, in_turns, ratios
from intertwine.experiments.bench.row import NAME
from intertwine.experiments.bench.rows import find_rows
from intertwine.experiments.machine import PeakMemory, library_versions, this_machine
from intertwine.tensor_products.kernels.library import status

RESULTS, NO_GPU = Path(__file__).with_name("results"), 3
LIBRARIES = ("triton", "e3nn", "cuequivariance", "cuequivariance-ops-torch-cu12", "openequivariance", "mace-torch")


def events(run: Callable[[], Any], calls: int, warm: bool) -> dict[str, float]:
    """Seconds a call between two events on the GPU."""
    begun, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    if warm:
        run()
    begun.record()
    for _ in range(calls):
        run()
    done.record()
    done.synchronize()
    return {"wall": begun.elapsed_time(done) / 1e3 / calls}


def measure(sides: Mapping[str, Passes], which: str, clock: Callable[..., dict[str, float]], repeats: int) -> dict:
    """Times of one pass by side, and theirs over ours."""
    runs = {name: passes[which][0] for name, passes in sides.items() if which in passes}
    memory = {}
    for name, run in runs.items():
        peak = PeakMemory("cuda" if torch.cuda.is_available() else "cpu")
        run()
        memory[name] = peak.above_start
    clocks = {name: partial(clock, run) for name, run in runs.items()}
    seconds, calls = in_turns(clocks, "wall", Budget(repeats=repeats))
    times = {name: asdict(Spread.of(values)) for name, values in seconds.items()}
    over_ours = {name: asdict(found) for name, found in ratios(seconds, NAME).items()}
    return {"seconds": times, "calls": calls, "ratios": over_ours, "bytes": memory}


def words(found: Mapping[str, Any]) -> str:
    """Times and ratios of one pass in a line."""
    times = {name: f"{name} {1e3 * each['median']:.3f} ms" for name, each in found["seconds"].items()}
    return ", ".join(f"{line} ({found['ratios'][name]['median']:.2f}x ours)" if name in found["ratios"] else line
                     for name, line in times.items())  # fmt: skip


def about() -> dict[str, Any]:
    """Machine, versions and settings that numbers depend on."""
    versions = library_versions()
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    started = datetime.now(UTC).isoformat(timespec="seconds")
    settings = {"dtype": "float32", "tf32": torch.backends.cuda.matmul.allow_tf32, "cuda": torch.version.cuda}
    return {"machine": asdict(this_machine()), "versions": versions, "kernels": status()[0], "at": started, **settings}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=["B", "C"], choices=["B", "C"])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("benchmarks/gpu.py needs an NVIDIA GPU that torch can use; there is none here.")
        return NO_GPU
    entries = []
    for row in find_rows(chosen.rows):
        for case in row.cases(row.degrees):
            sizes = {name: chosen.scale * case.data[name] for name in ("nodes", "edges") if name in case.data}
            case = replace(case, data={**case.data, **sizes})
            sides, notes = build(row.key, case, "cuda")
            for which in [each for each in row.passes if each in sides.get(NAME, {})]:
                found = measure(sides, which, events, chosen.repeats)
                entries.append({"row": row.key, "case": case.label, "pass": which, **sizes, **found, "notes": notes})
                print(f"{row.key} {case.label} {which}: {words(found)}")
            for side, reason in notes.items():
                print(f"  {side}: {reason}")
    text = json.dumps(
        {"about": about(), "command": " ".join(["python benchmarks/gpu.py", *sys.argv[1:]]), "entries": entries},
        indent=1,
    )
    slug = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-")
    out = chosen.out or RESULTS / f"gpu-{slug}.json"
    out.write_text(text + "\n", "utf-8")
    print(f"written: {out}")
    return 0 if entries else 1


if __name__ == "__main__":
    sys.exit(main())
