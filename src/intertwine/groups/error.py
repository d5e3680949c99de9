"""How far a map is from commuting with a group that acts on its inputs and outputs: adds that one number."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.group import Group
from intertwine.groups.representation import Action


def equivariance_error(
    f: Callable[..., Tensor | tuple[Tensor, ...]],
    inputs: Sequence[Tensor],
    reps_in: Sequence[Action | None],
    rep_out: Action | tuple[Action | None, ...] | None,
    group: Group,
    *,
    samples: int = 8,
    generator: torch.Generator | None = None,
) -> float:
    r"""Relative error of f(g x) = g f(x), the worst over random elements and over the outputs of f.

        error = max_g  max | f(g x) - g f(x) |  /  rms( f(x) )

    For an exact map this is rounding (1e-15 to 1e-12 in float64), for an approximate one a number to report. A map
    that returns only zeros has error zero; anything not finite gives infinity, so a broken map never passes.

    Args:
        inputs: positional arguments of f.
        reps_in: how the group acts on each input; None for one that it leaves alone.
        rep_out: how it acts on the result, a tuple when f returns a tuple; None for an invariant result.
        group: where g is drawn from, in float64. Every action must belong to it.

    Raises ValueError when numbers of inputs or outputs and actions differ, or an action belongs to another group.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> from intertwine.groups.representation import Standard
        >>> vector, x, y = Standard(SO(3)), torch.randn(3, 4).double(), torch.randn(3, 4).double()
        >>> cross = lambda x, y: torch.linalg.cross(x, y, dim=-2)
        >>> equivariance_error(cross, [x, y], [vector, vector], vector, SO(3)) < 1e-13
        True
        >>> equivariance_error(lambda x, y: x * y, [x, y], [vector, vector], vector, SO(3)) < 1e-3
        False
    """
    reps_out = rep_out if isinstance(rep_out, tuple) else (rep_out,)
    if len(inputs) != len(reps_in):
        raise ValueError(
            f"equivariance_error: expected an action for each of {len(inputs)} inputs in reps_in, came {len(reps_in)}. "
            f"Write None for an input that the group leaves alone."
        )
    for name, rep in [*(("reps_in", r) for r in reps_in), *(("rep_out", r) for r in reps_out)]:
        if rep is not None and rep.group != group:
            raise ValueError(
                f"equivariance_error: expected actions of {group}, came one of {rep.group} in {name}. "
                f"Bring it to {group} with Restrict."
            )
    if samples < 1:
        raise ValueError(f"equivariance_error: expected samples >= 1, came {samples}.")

    plain = _outputs(f(*inputs), len(reps_out))
    worst = 0.0
    for g in group.sample(samples, generator=generator, dtype=torch.float64):
        moved = _outputs(f(*(_act(rep, g, x) for rep, x in zip(reps_in, inputs))), len(reps_out))
        for rep, before, after in zip(reps_out, plain, moved):
            worst = max(worst, relative_error(after, _act(rep, g, before)))
    return worst


def relative_error(value: Float[Tensor, "..."], expected: Float[Tensor, "..."]) -> float:
    """Largest difference over the root mean square of the expected tensor; infinity where anything is not finite.

    Raises ValueError when the shapes differ.

    Example:
        >>> relative_error(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0])) == 0.5 / 12.5**0.5
        True
    """
    if value.shape != expected.shape:
        raise ValueError(f"relative_error: expected shape {tuple(expected.shape)}, came {tuple(value.shape)}.")
    value, expected = value.detach().to(torch.float64), expected.detach().to(torch.float64)
    if not (value.isfinite().all() and expected.isfinite().all()):
        return math.inf
    if value.numel() == 0 or not (difference := float((value - expected).abs().max())):
        return 0.0
    rms = float(expected.square().mean().sqrt())
    return difference / rms if rms else math.inf


def _act(rep: Action | None, g: Tensor, x: Tensor) -> Tensor:
    return x if rep is None else rep.act(g.to(x.device), x)


def _outputs(result: Tensor | tuple[Tensor, ...], expected: int) -> tuple[Tensor, ...]:
    outputs = result if isinstance(result, tuple) else (result,)
    if len(outputs) != expected:
        raise ValueError(f"equivariance_error: rep_out names {expected} outputs, the map returned {len(outputs)}.")
    return outputs
