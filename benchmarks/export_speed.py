"""What does an exported potential cost, to write and to run? One MACE of the benchmark's size, every format, in turns.

    python benchmarks/export_speed.py [--quick] [--out benchmarks/results]

MACE with 64 channels, 0e+1o, correlation 3, two layers, 5 Angstrom, random weights, float32; energies and forces of a
molecule of 27 atoms and of a periodic box of water. Each round calls the potential and every package once; ratios are
seconds of a package over seconds of the potential in the same round. Stages of an export are in CPU seconds, those of
compilers with them. --quick leaves out compiling, and the box.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.bench.systems import CUTOFF, ELEMENTS, system
from intertwine.experiments.machine import library_versions, this_machine
from intertwine.experiments.timing import in_turns, quartiles, ratio
from intertwine.potentials.engines.engine_function import engine_inputs
from intertwine.potentials.engines.export import export_potential
from intertwine.potentials.engines.exported import load_exported
from intertwine.potentials.engines.metatomic_export import engine_function, export_metatomic, metatomic
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.graph import Graph

PACKAGES: dict[str, dict[str, Any]] = {
    "torch-export": {},
    "torch-export, portable": {"portable": True},
    "aoti": {"format": "aoti"},
}
SYSTEMS = {"27 atoms": {"molecules": 1}, "648 atoms, periodic water": {"water": 6}}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="nothing compiled, the molecule only")
    parser.add_argument("--out", type=Path, help="folder for the result")
    options = parser.parse_args()
    choices = {"species": list(ELEMENTS), "cutoff": CUTOFF, "channels": 64, "hidden": "0e+1o"}
    potential = build_potential("mace", choices, dict.fromkeys(ELEMENTS, 0.0), seed=0)
    found: dict[str, Any] = {
        "command": " ".join(["python benchmarks/export_speed.py", *["--quick"] * options.quick]),
        "machine": asdict(this_machine()), "versions": library_versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"), "threads": torch.get_num_threads(),
        "parameters": sum(each.numel() for each in potential.parameters()), "export": {}, "systems": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Any] = {"potential": potential}
        for name, how in PACKAGES.items():
            if options.quick and name == "aoti":
                continue
            path = Path(folder) / f"{len(sides)}.pt2"
            found["export"][name] = exported(potential, path, **how)
            sides[name] = load_exported(path)
        path = Path(folder) / "metatomic.pt"
        found["export"]["metatomic"] = exported(potential, path)
        sides["metatomic"] = metatomic.load_atomistic_model(path)
        for name, which in list(SYSTEMS.items())[: 1 if options.quick else None]:
            found["systems"][name] = compared(sides, which, rounds=10 if options.quick else 30)
    print(json.dumps(found, indent=1))
    if options.out:
        path = options.out / f"export_speed-{machine_slug(found['machine'])}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def exported(potential: Potential, path: Path, **how: Any) -> dict[str, Any]:
    """CPU seconds of every stage, size of the file, and how near it comes."""
    stages: dict[str, float] = {}
    last = sum(os.times()[:4])

    def stage(text: str, done: int, total: int) -> None:
        nonlocal last
        now = sum(os.times()[:4])
        stages[text] = stages.get(text, 0.0) + (now - last if done else 0.0)
        last = now

    write = export_metatomic if path.suffix == ".pt" else export_potential
    agreement = write(potential, path, progress=stage, **how)
    return {"cpu_seconds": stages, "bytes": path.stat().st_size, "agreement": asdict(agreement)}


def compared(sides: dict[str, Any], which: dict, *, rounds: int) -> dict[str, Any]:
    """Energies and forces of one system by all sides."""
    graph = system(which)
    tasks = {name: partial(answer, side, graph) for name, side in sides.items() if isinstance(side, Potential)}
    tasks["metatomic"] = partial(engine_function(sides["metatomic"]), *engine_inputs(graph))
    seconds = in_turns(tasks, rounds=rounds)
    return {
        "atoms": graph.node_count,
        "edges": len(graph.senders),
        "milliseconds": {name: asdict(quartiles([1e3 * each for each in seconds[name]])) for name in sides},
        "over the potential": {
            name: asdict(ratio(seconds, name, "potential")) for name in sides if name != "potential"
        },
    }


def answer(side: Potential, graph: Graph) -> None:
    """Energies and forces."""
    with torch.no_grad():
        side(graph)


if __name__ == "__main__":
    sys.exit(main())
