"""A potential as one file that other programs load, checked before it gets its name; no group acts on a file."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from intertwine import __version__
from intertwine.potentials.engines.engine_function import (
    EngineFunction,
    EngineInputs,
    EngineOutputs,
    ExportError,
    engine_inputs,
)
from intertwine.potentials.engines.export_check import Agreement, compare, trial_structures
from intertwine.potentials.engines.package import KIND, VERSION, Format, digest, sidecar, start
from intertwine.potentials.models.contract_bench import Bench
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect
from intertwine.tensor_products.kernels.library import best_isa, using

Progress = Callable[[str, int, int], None]


def export_potential(
    potential: Potential,
    path: Path | str,
    *,
    format: Literal["torch-export", "aoti"] = "torch-export",
    portable: bool = False,
    structures: Sequence[Graph] | None = None,
    progress: Progress | None = None,
) -> Agreement:
    """Write `EngineFunction` of a potential as a package, and beside it `<path>.json` with all that its user must know.

    The package is loaded back and compared with the potential, on 20 structures, before it gets its name: see
    `export_check`. It holds the derivatives and takes any number of atoms, edges and structures.

    Args:
        path: ends in .pt2.
        format: "torch-export" is a graph that torch runs, in Python; "aoti" is compiled, for C++ as for Python, and
            always portable. Compiling takes minutes and a C++ compiler, and the file then suits processors that have
            the instructions of this one, and the version of torch that made it.
        portable: only operators of torch, so that the package runs where this library is not installed, slower;
            otherwise it calls our kernels.
        structures: to check on, in place of those that `trial_structures` makes.
        progress: called with the stage, steps done and steps in all.

    Raises:
        ExportError: the package disagrees with the potential. Nothing is left then, an older file stays.
        ValueError: a path that does not end in .pt2.

    Example:
        >>> export_potential(potential, "water.pt2", format="aoti")  # doctest: +SKIP
        >>> intertwine.potentials.load_exported("water.pt2")  # doctest: +SKIP

    Reference: torch.export and AOTInductor: Ansel et al., 2024, PyTorch 2, ASPLOS '24.
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise ValueError(f"export_potential: expected a path that ends in .pt2, came {path}.")
    portable = portable or format == "aoti"
    if structures is None:
        structures = trial_structures(potential)
    ready = [each if each.cutoff == potential.cutoff else connect(each, potential.cutoff) for each in structures]
    report = progress or (lambda text, done, total: None)
    report("trace", 0, 1)
    program = traced(potential, portable=portable)
    report("trace", 1, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.writing-") as folder:
        written = Path(folder) / path.name
        report("write", 0, 1)
        WRITERS[format](program, written)
        report("write", 1, 1)
        agreement = compare(start(written, format), potential, ready, progress=progress)
        values = description(potential, format, portable, agreement, sha256=digest(written))
        sidecar(written).write_text(json.dumps(values, indent=1) + "\n")
        for each in (written, sidecar(written)):
            with each.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(each, path.parent / each.name)
    return agreement


def traced(potential: Potential, *, portable: bool) -> torch.export.ExportedProgram:
    """The graph of a potential, from an example of two structures."""
    bench = Bench.around(potential, torch.Generator().manual_seed(0))
    device = potential.get_buffer("species_index").device
    example = bench.structures["molecule"], bench.structures["slab"]
    batch = collate([connect(each, potential.cutoff) for each in example]).to(device)
    from intertwine.potentials.engines.tracing import trace  # torch's tracer takes a second to import

    with using(None if portable else best_isa()):
        return trace(EngineFunction(potential), engine_inputs(batch))


def description(
    potential: Potential, format: Format, portable: bool, agreement: Agreement, *, sha256: str
) -> dict[str, Any]:
    """What stands beside a package: how to call it, what it is of, how it was made and checked."""
    return {
        "kind": KIND,
        "version": VERSION,
        "format": format,
        "portable": portable,
        "sha256": sha256,
        "species": list(potential.species),
        "cutoff": potential.cutoff,
        "reference_energies": {str(number): energy for number, energy in potential.reference_energies.items()},
        "shift": potential.shift,
        "dtype": str(potential.dtype).removeprefix("torch."),
        "device": potential.get_buffer("species_index").device.type,
        "units": {"length": "Angstrom", "energy": "eV"},
        "inputs": list(EngineInputs._fields),
        "outputs": list(EngineOutputs._fields),
        "agreement": asdict(agreement),
        "intertwine": __version__,
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def write_graph(program: torch.export.ExportedProgram, path: Path) -> None:
    """The graph as torch saves it, without the example, which would be pickled."""
    program.example_inputs = None
    torch.export.save(program, path)


def compile_graph(program: torch.export.ExportedProgram, path: Path) -> None:
    """The graph as machine code, with its C++ source."""
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    except InvalidCxxCompiler:
        raise ExportError("export: aoti needs a C++ compiler, and none was found. Debian: apt install g++.") from None


WRITERS: dict[str, Callable[[torch.export.ExportedProgram, Path], None]] = {
    "torch-export": write_graph,
    "aoti": compile_graph,
}
