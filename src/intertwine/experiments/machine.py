"""The machine a number was measured on, and how much memory a process took. No group acts here."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

LIBRARIES = ("intertwine", "torch", "numpy", "scipy", "ase", "vesin")
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Machine:
    """What a reader needs to know before comparing seconds."""

    processor: str
    cores: int
    """That this process may use."""
    memory: float | None
    """GB."""
    accelerator: str | None
    system: str
    load: float | None
    """Processes that wanted a core during the last minute; well above zero, others were at work and timings suffer."""

    def __str__(self) -> str:
        parts = [self.processor, f"{self.cores} cores"]
        parts += [f"{self.memory:.0f} GB"] if self.memory is not None else []
        parts += [self.accelerator or "no GPU", self.system]
        parts += [f"load {self.load:.1f} at the start"] if self.load is not None else []
        return ", ".join(parts)


def this_machine() -> Machine:
    """Look at this machine.

    Example:
        >>> this_machine().cores >= 1
        True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        processor=_processor(),
        cores=cores,
        memory=_memory(),
        accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        system=f"{platform.system()} {platform.machine()}",
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


class PeakMemory:
    """The most memory this process held at a time, above what it held when this was made, in bytes.

    On the CPU it counts resident memory, on a CUDA device what torch allocated there. On Linux the peak starts anew;
    elsewhere it is that since the process began, so measure one thing a process.

    On Linux the allocator first gives back what it keeps for later, which would else hide what is used now; and the
    peak is VmHWM. `resource.getrusage` would not do: there a new process starts with the peak of its
    parent, and a small model trained from a large program would seem to need nothing.
    """

    def __init__(self, device: str = "cpu"):
        self.cuda = device.startswith("cuda")
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        elif CLEAR.exists():
            with suppress(OSError, AttributeError):  # a container may forbid it, and musl has no such function
                ctypes.CDLL(None).malloc_trim(0)
                CLEAR.write_text("5")
        self.start = torch.cuda.memory_allocated() if self.cuda else _resident("VmRSS")

    @property
    def above_start(self) -> int:
        """Bytes."""
        peak = torch.cuda.max_memory_allocated() if self.cuda else _resident("VmHWM")
        return max(0, peak - self.start)


def _resident(entry: str) -> int:
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{entry}:"):
                return 1024 * int(line.split()[1])
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"


def _memory() -> float | None:
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names):
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
