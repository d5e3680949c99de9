"""Finds the kernels of this installation: compiled ones for this processor, Triton's for a GPU. No group acts here."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch import Tensor

from intertwine.o3.traced_constant import traced_constant

SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
ISAS = ("avx512", "avx2", "generic")
TRITON = "triton"
LONG = 1 << 23
"""Bytes from which on large pages pay."""
_ISA: ContextVar[str | None] = ContextVar("isa", default="best")


@cache
def library() -> ctypes.CDLL | None:
    """The shared library, or None where the installation was built without a compiler."""
    spec = find_spec("intertwine.tensor_products.kernels._kernels")
    if spec is None or spec.origin is None:
        return None
    try:
        found = ctypes.CDLL(spec.origin)
    except OSError:  # built for another machine
        return None
    found.intertwine_isa.restype = ctypes.c_char_p
    return found


@cache
def best_isa() -> str | None:
    """The widest instruction set of this processor that was compiled for; None without compiled kernels."""
    found = library()
    return None if found is None else found.intertwine_isa().decode()


@cache
def has_triton() -> bool:
    """Whether Triton is installed, the compiler of the kernels for a GPU; it is imported when a tensor on one comes."""
    return find_spec("triton") is not None


@traced_constant
def active_isa() -> str | None:
    """The instruction set in use on the CPU: the best one, or what `using` asks for; None for the torch twins.

    torch.compile and torch.export keep the choice of the moment they trace.
    """
    chosen = _ISA.get()
    return best_isa() if chosen == "best" else chosen


@traced_constant
def active_on_gpu() -> bool:
    """Whether tensors on a GPU run in Triton's kernels."""
    return _ISA.get() is not None and has_triton()


@contextmanager
def using(isa: str | None) -> Iterator[None]:
    """Run on one instruction set, "avx512", "avx2" or "generic", or with None on the readable torch twins.

    On a GPU all names mean Triton's kernels, and None the twins. "triton" asks for Triton's kernels on CPU tensors too,
    derivatives included, which works under its interpreter, an environment variable set before torch is imported:
    TRITON_INTERPRET=1. It is slow, and there for tests.

    Example:
        >>> from intertwine.tensor_products import ClebschGordan
        >>> product, x = ClebschGordan("0e+1o", "0e+1o"), torch.randn(5, 4, 8)
        >>> with using(None):
        ...     readable = product(x, x)
        >>> torch.allclose(readable, product(x, x), atol=1e-5)
        True
    """
    allowed = ISAS[ISAS.index(best_isa() or "generic") :] if best_isa() else ()
    allowed += (TRITON,) if has_triton() else ()
    if isa is not None and isa not in allowed:
        raise ValueError(f"using: expected None or one of {allowed} on this machine, came {isa!r}.")
    token = _ISA.set(isa)
    try:
        yield
    finally:
        _ISA.reset(token)


def available(*tensors: Tensor | None, gpu: bool = False) -> bool:
    """Whether kernels take these tensors: on the CPU or one GPU, all float32 or float64, kernels here and in use.

    Args:
        gpu: whether the kernel asked for has a form in Triton; `Operator.takes` knows.
    """
    first = tensors[0] if tensors[0] is not None else next(each for each in tensors if each is not None)
    dtype, device = first.dtype, first.device
    if dtype not in SUFFIXES:
        return False
    for each in tensors:  # a loop: this is asked in every call of every product
        if each is not None and (each.dtype != dtype or each.device != device):
            return False
    if device.type == "cpu":
        isa = active_isa()
        return isa is not None and (gpu or isa != TRITON)
    return gpu and device.type == "cuda" and active_on_gpu()


def kernel(name: str, dtype: torch.dtype) -> Callable[..., None]:
    """One compiled function, called with addresses and numbers; releases the interpreter lock while it runs."""
    return _function(name, dtype, active_isa())


@cache
def _function(name: str, dtype: torch.dtype, isa: str | None) -> Callable[..., None]:
    function = getattr(_loaded(), f"{name}_{SUFFIXES[dtype]}_{isa}")
    function.restype = None
    return function


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where the numbers of a contiguous tensor lie; null for none."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def on_large_pages(tensor: Tensor) -> Tensor:
    """A tensor that nobody has written to, on large pages where it is long: most of writing it would be page faults."""
    compiled, size = library(), tensor.numel() * tensor.itemsize
    if compiled is not None and size >= LONG:
        compiled.intertwine_large_pages(address(tensor), ctypes.c_int64(size))
    return tensor


def sort_edges(senders: Tensor, receivers: Tensor, nodes: int, *found: Tensor) -> bool:
    """Fill the tables of `convolve_passes.EdgeOrder`; whether all nodes exist."""
    count, limit = ctypes.c_int64(len(senders)), ctypes.c_int64(nodes)
    pointers = [address(each) for each in found]
    return bool(_loaded().intertwine_sort_edges(address(senders), address(receivers), count, limit, *pointers))


def all_within(indices: Tensor, limit: int) -> bool:
    """Whether all of a contiguous int64 tensor lie from 0 to below a limit."""
    return bool(_loaded().intertwine_within(address(indices), ctypes.c_int64(len(indices)), ctypes.c_int64(limit)))


def _loaded() -> ctypes.CDLL:
    found = library()
    if found is None:
        raise RuntimeError("This installation has no compiled kernels; check available() first.")
    return found


def status() -> tuple[str, str]:
    """In words, for `intertwine doctor`: which kernels run here, and what to install for better ones."""
    found, advice = _status_of_cpu()
    if not torch.cuda.is_available():
        return found, advice
    if has_triton():
        return f"{found}; on the GPU Triton {version('triton')}", advice
    install = "for kernels on the GPU: pip install triton"
    return f"{found}; on the GPU readable torch twins", f"{advice}; {install}" if advice else install


def _status_of_cpu() -> tuple[str, str]:
    if best_isa() is None:
        advice = (
            "for compiled kernels install a C++ compiler (Debian: apt install g++), then pip install intertwine again"
        )
        return "readable torch twins; no compiled kernels in this installation", advice
    shared = "threads of torch" if library().intertwine_shares_threads() else "threads of their own"  # type: ignore[union-attr]
    return f"compiled for {best_isa()}, {shared}", ""
