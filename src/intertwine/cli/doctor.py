"""`intertwine doctor`: what this machine has, what it lacks, and how to get it. No group acts here."""

import typer

DEPENDENCIES = (
    "numpy", "scipy", "ase", "vesin", "safetensors", "h5py", "lightning-fabric", "pydantic", "typer", "rich",
    "matplotlib",
)  # fmt: skip
CPU_BUILD = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
SMALLEST_DISK = 2.0
"""GB below which the doctor warns."""


def doctor() -> None:
    """Look at this machine and say in plain words what to install."""
    for name, found, advice in examine():
        typer.echo(f"{name:16} {found}" + (f"\n{'':16} -> {advice}" if advice else ""))


def examine() -> list[tuple[str, str, str]]:
    """What was looked at, what was found, and what to do about it ("" when all is well)."""
    return [*_python(), *_torch(), *_packages(), *_tools(), _disk()]


def _python() -> list[tuple[str, str, str]]:
    import platform
    import sys

    from intertwine import __version__

    return [
        ("intertwine", __version__, ""),
        ("python", f"{platform.python_version()} at {sys.executable}", ""),
        ("machine", f"{platform.system()} {platform.machine()}", ""),
    ]


def _torch() -> list[tuple[str, str, str]]:
    import os

    import torch

    from intertwine.tensor_products.kernels.library import status

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    device, advice = "cpu", ""
    if torch.cuda.is_available():
        device = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    elif torch.backends.mps.is_available():
        device = "cpu; Apple's GPU (mps) lacks float64 and is not chosen by itself"
    elif torch.version.cuda:
        advice = f"this torch is built for CUDA but sees no GPU; the CPU build saves gigabytes: {CPU_BUILD}"
    few = "set OMP_NUM_THREADS to the number of cores, or leave it unset" if threads < cores else ""
    return [
        (
            "torch",
            f"{torch.__version__}, {f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU build'}",
            advice,
        ),
        ("device", device, ""),
        ("threads", f"{threads} of {cores} cores", few),
        ("kernels", *status()),
    ]


def _packages() -> list[tuple[str, str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    rows = []
    for name in DEPENDENCIES:
        try:
            rows.append((name, version(name), ""))
        except PackageNotFoundError:
            rows.append((name, "missing", f"pip install {name}"))
    return rows


def _tools() -> list[tuple[str, str, str]]:
    import shutil
    from importlib.util import find_spec

    labels = [name for name in ("tblite", "rdkit") if find_spec(name) is None]
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    compiler = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    return [
        (
            "labelling",
            "tblite and rdkit are here" if not labels else f"no {' and no '.join(labels)}",
            'only `intertwine data label` needs them: pip install "intertwine[label]"' if labels else "",
        ),
        (
            "browser",
            browser or "none found",
            "" if browser else "reports open in any browser; only their test wants chromium here",
        ),
        (
            "compiler",
            compiler or "none found",
            "" if compiler else "wanted to build the compiled kernels; without it the torch twins run",
        ),
    ]


def _disk() -> tuple[str, str, str]:
    import shutil

    free = shutil.disk_usage(".").free / 1e9
    return ("disk", f"{free:.1f} GB free here", "make room before training" if free < SMALLEST_DISK else "")
