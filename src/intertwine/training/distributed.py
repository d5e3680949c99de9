"""Sums over the processes of a data-parallel run, safe for parameters that got no gradient. No group acts here."""

import atexit
import os
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, distributed


def process_count() -> int:
    """Processes in this run; 1 when nothing was launched."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


@torch.no_grad()
def process_number() -> int:
    """The rank of this process, 0 when nothing was launched.

    A process that was started as one of many knows its rank before it has met the others.
    """
    if process_count() > 1:
        return distributed.get_rank()
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    if process_count() > 1:
        distributed.all_reduce(values)
    return values


@torch.no_grad()
def sum_gradients(parameters: Sequence[Tensor], numbers: Sequence[float]) -> list[float]:
    """Replace each gradient by its sum over processes; return the sums of `numbers`.

    One message for each dtype, sent after the backward pass. A parameter that got a gradient on some processes counts
    as zero on the others; one that got none anywhere keeps None, so that the optimizer skips it as in a single process.
    (`DistributedDataParallel` stops with "unused parameters" instead.)

    Args:
        numbers: further values to add up over processes, at any scale.
    """
    if process_count() == 1:
        return list(numbers)
    device = parameters[0].device
    present = [float(parameter.grad is not None) for parameter in parameters]
    sums = torch.tensor([*present, *numbers], dtype=torch.float64, device=device)
    distributed.all_reduce(sums)
    totals = sums.tolist()
    counted = [parameter for parameter, count in zip(parameters, totals) if count > 0]
    for dtype in sorted({parameter.dtype for parameter in counted}, key=str):
        members = [parameter for parameter in counted if parameter.dtype == dtype]
        flat = torch.cat(
            [(torch.zeros_like(member) if member.grad is None else member.grad).reshape(-1) for member in members]
        )
        distributed.all_reduce(flat)
        start = 0
        for member in members:
            member.grad = flat[start : start + member.numel()].view_as(member)
            start += member.numel()
    return totals[len(parameters) :]


@torch.no_grad()
def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Give every process the values of process 0."""
    if process_count() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)


def numbers_from_first(numbers: dict[str, float], device: torch.device) -> dict[str, float]:
    """The numbers of process 0 under the same names, so that all processes decide alike."""
    if process_count() == 1:
        return numbers
    values = torch.tensor(list(numbers.values()), dtype=torch.float64, device=device)
    distributed.broadcast(values, src=0)
    return dict(zip(numbers, values.tolist()))


def gather_states(states: dict[str, Tensor], device: torch.device) -> list[dict[str, Tensor]]:
    """The states of all processes, in order of rank; every process must have the same names and shapes."""
    count = process_count()
    if count == 1:
        return [states]
    ranks: list[dict[str, Tensor]] = [{} for _ in range(count)]
    for name, state in states.items():
        here = state.to(device)
        parts = [torch.empty_like(here) for _ in range(count)]
        distributed.all_gather(parts, here)
        for rank, part in zip(ranks, parts):
            rank[name] = part.to(state.device)
    return ranks


def wait_for_all() -> None:
    """Return when every process has come here."""
    if process_count() > 1:
        distributed.barrier()


def close_at_exit() -> None:
    """Take leave of the other processes when Python ends; without it gloo's threads abort the interpreter."""
    if process_count() > 1:
        atexit.register(_close)


def _close() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
