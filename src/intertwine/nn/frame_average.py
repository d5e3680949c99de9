"""Any module made invariant or equivariant: the group of the frame acts on its inputs and outputs as declared."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor, nn

from intertwine.groups.finite import Permutation
from intertwine.groups.frames.canonical import canonical
from intertwine.groups.frames.frame import Frame, FrameError, full_precision
from intertwine.groups.frames.mds import MDSFrame
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.weighted import WeightedFrame
from intertwine.groups.permuting import PermutationMatrix
from intertwine.groups.representation import Action, Representation
from intertwine.nn.aligned_action import act_aligned
from intertwine.nn.flat_batch import FlatBatch
from intertwine.nn.learned_frame import LearnedFrame

FrameFunction = Callable[..., Frame]
"""`(x, mask=None) -> Frame`"""


class FrameAverage(nn.Module):
    r"""Averages a net over a frame of its input, which makes it commute with the group.

        y = sum_k  weight_k  act_out( g_k, net( act_in( g_k^-1, x ) ) ),        g_k in frame(x)

    Exact for every net where the frame is exact, and no less expressive than the net. All frame elements go through
    the net in one call, folded into the batch axis. Representations decide what comes out: None is left alone
    (invariant), vectors are `LastAxis(Standard(...))`, positions `Points(...)`, features in the house layout any
    `Representation`, tensors a `Product` of them, matrices on the last two axes `BothAxes`.

    Three modes:

    - "full": all elements. Cost: as many net passes (8 for E(3), 4 for SE(3)).
    - "stochastic": in training one element for each sample, drawn by weight; in evaluation all. Its mean is "full".
    - "canonical": one element by the rule of `groups.frames.canonical`. One pass, but it jumps where the rule flips.

    It has no weights of its own: `state_dict` has the keys of `net`, in both directions, so weights of the bare net
    load and are saved as before (a frame function with weights adds `net.` and `frame.` in front). A frame that is
    not exact gives a warning, outside torch.compile.

    Args:
        net: called with tensors of shape `[samples, ...]`, and `mask=` where forward gets one. It may return a tuple.
        frame: `(x, mask=None) -> Frame`, with vectors on the last axis of x.
        in_reps: how the group acts on each positional input.
        out_reps: how it acts on the result, a tuple for several.
        source: which input the frame looks at; the first that has a representation where left out.
        generator: of the random elements; torch's own where left out.

    Shapes: every tensor input `[*batch, ...]` with the batch axes of the frame; numbers and None pass as they are.

    Graphs in one row, as PyG has them: with `batch`, the graph of every node, each graph gets a frame of its own. The
    net is called as `net(*inputs, batch=batch)`, once for each frame element. Inputs and outputs with a representation
    have one row for each node or one for each graph; outputs without one, a row for each node or graph too; inputs
    without one, such as `edge_index`, pass as they are.

    Raises:
        FrameError: representations of different groups, a frame of another group, inputs or outputs that do not fit.

    Example:
        >>> from intertwine.groups import E, Points
        >>> class Centre(nn.Module):
        ...     def forward(self, x):
        ...         return x.tanh().mean(-2)
        >>> centre = FrameAverage(Centre(), PCAFrame("E"), [Points(E(3))], Points(E(3)))
        >>> x = torch.randn(10, 50, 3)
        >>> torch.allclose(centre(2 - x), 2 - centre(x), atol=1e-5)
        True

    Reference: Puny et al., 2022, arXiv:2110.03336, equations 3 and 4.
    """

    def __init__(
        self,
        net: nn.Module,
        frame: FrameFunction,
        in_reps: Sequence[Action | None],
        out_reps: Action | tuple[Action | None, ...] | None,
        mode: Literal["full", "stochastic", "canonical"] = "full",
        *,
        source: int | None = None,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.in_reps = tuple(in_reps)
        self.several = isinstance(out_reps, tuple)
        self.out_reps = out_reps if isinstance(out_reps, tuple) else (out_reps,)
        acting = [rep for rep in (*self.in_reps, *self.out_reps) if rep is not None]
        if all(rep is None for rep in self.in_reps):
            raise FrameError("FrameAverage: expected a representation of at least one input in in_reps, came none.")
        self.group = acting[0].group
        for rep in acting:
            if rep.group != self.group:
                raise FrameError(
                    f"FrameAverage: expected representations of one group, came {self.group} and {rep.group}. "
                    f"Bring them to one group with Restrict."
                )
        own = isinstance(frame, PCAFrame | WeightedFrame | MDSFrame | LearnedFrame)
        if own and frame.group != type(self.group).__name__:
            raise FrameError(
                f"FrameAverage: expected a frame of {self.group}, the group of the representations, came "
                f'{type(frame).__name__}("{frame.group}").'
            )
        if mode not in ("full", "stochastic", "canonical"):
            raise FrameError(f'FrameAverage: expected mode "full", "stochastic" or "canonical", came {mode!r}.')
        self.net, self.frame, self.mode, self.generator = net, frame, mode, generator
        self.source = next(place for place, rep in enumerate(self.in_reps) if rep) if source is None else source
        if not 0 <= self.source < len(self.in_reps) or self.in_reps[self.source] is None:
            raise FrameError(f"FrameAverage: expected a source among inputs with a representation, came {source}.")
        self.on_points = PermutationMatrix(self.group) if isinstance(self.group, Permutation) else None
        self.on_dim = isinstance(self.in_reps[self.source], Representation)
        if not isinstance(frame, nn.Module):
            self.register_state_dict_post_hook(_as_the_bare_net)
            self.register_load_state_dict_pre_hook(_from_the_bare_net)

    def forward(
        self,
        *inputs: Any,
        mask: Bool[Tensor, "*batch point"] | None = None,
        batch: Int[Tensor, "node"] | None = None,
    ) -> Any:
        """The average; with a mask, or a batch of graphs in one row, frame and net both get it."""
        frame = self.frame_of(*inputs, mask=mask, batch=batch)
        g, weights = frame.members(self.group), frame.weights
        with full_precision(g):
            back = self.group.inverse(g)
        if batch is not None:
            averages = self._over_rows(inputs, FlatBatch(batch), g, back, weights)
        else:
            folded = [_fold(rep, back, x, weights) for rep, x in zip(self.in_reps, inputs)]
            options = {} if mask is None else {"mask": _fold(self.on_points, back, mask, weights)}
            outputs = self._outputs(*folded, **options)
            averages = tuple(_average(rep, g, y, weights) for rep, y in zip(self.out_reps, outputs))
        return averages if self.several else averages[0]

    def _outputs(self, *inputs: Any, **options: Tensor) -> tuple[Any, ...]:
        """What the net returns, as many things as out_reps names."""
        result = self.net(*inputs, **options)
        outputs = result if isinstance(result, tuple) else (result,)
        if len(outputs) != len(self.out_reps) or isinstance(result, tuple) != self.several:
            raise FrameError(
                f"FrameAverage: out_reps names {'a tuple of ' * self.several}{len(self.out_reps)}, the net returned "
                f"{'a tuple of ' * isinstance(result, tuple)}{len(outputs)}."
            )
        return outputs

    def _over_rows(
        self, inputs: tuple[Any, ...], flat: FlatBatch, g: Tensor, back: Tensor, weights: Tensor
    ) -> tuple[Tensor, ...]:
        """The average of rows that are nodes or graphs; one call of the net for each element."""
        parts = []
        for k in range(weights.shape[-1]):
            moved = [
                x if rep is None else act_aligned(rep, back[flat.graph_of_rows(x), k], x, 1).to(x.dtype)
                for rep, x in zip(self.in_reps, inputs)
            ]
            shares = []
            for rep, y in zip(self.out_reps, self._outputs(*moved, batch=flat.batch)):
                graph = flat.graph_of_rows(y)
                each = act_aligned(rep, g[graph, k], y, 1)
                shares.append((weights[graph, k].reshape(-1, *[1] * (y.dim() - 1)).to(each.dtype) * each).to(y.dtype))
            parts.append(shares)
        return tuple(torch.stack(shares).sum(0) for shares in zip(*parts))

    def frame_of(
        self,
        *inputs: Any,
        mask: Bool[Tensor, "*batch point"] | None = None,
        batch: Int[Tensor, "node"] | None = None,
    ) -> Frame:
        """The elements that `forward` averages over, with the flags that tell where the result is not exact."""
        if len(inputs) != len(self.in_reps):
            raise FrameError(f"FrameAverage: in_reps names {len(self.in_reps)} inputs, came {len(inputs)}.")
        x = inputs[self.source].mT if self.on_dim else inputs[self.source]
        if batch is not None:
            if mask is not None or self.on_points is not None:
                raise FrameError(
                    "FrameAverage: expected batch without a mask and for a group that acts on coordinates, came "
                    f"{'a mask too' if mask is not None else self.group}."
                )
            x, mask = FlatBatch(batch).padded(x)
            if x.dim() > 3:  # several vectors a node: all of them are points of its graph
                mask = mask.reshape(*mask.shape, *[1] * (x.dim() - 3)).expand(x.shape[:-1]).flatten(1)
                x = x.flatten(1, -2)
        frame = self.frame(x, mask)
        if self.mode == "canonical":
            frame = canonical(frame, x, mask)
        elif self.mode == "stochastic" and self.training:
            frame = frame.pick(_drawn(frame.weights, self.generator))
        if not torch.compiler.is_compiling() and not bool(frame.exact.all()):
            warnings.warn(
                f"FrameAverage: the frame is not exact for {int((~frame.exact).sum())} of {frame.exact.numel()} "
                f"inputs, whose symmetry leaves the choice open; see `frame_of(...).exact`.",
                stacklevel=3,
            )
        return frame


def _fold(rep: Action | None, g: Tensor, x: Any, weights: Tensor) -> Any:
    """What every frame element makes of an input, samples and elements on one axis."""
    if not isinstance(x, Tensor):
        return x
    batch = weights.shape[:-1]
    if x.shape[: len(batch)] != batch:
        raise FrameError(
            f"FrameAverage: expected batch axes {tuple(batch)} in front of every input, as the frame has them, came "
            f"shape {tuple(x.shape)}."
        )
    spread = x.unsqueeze(len(batch)).expand(*weights.shape, *x.shape[len(batch) :])
    return act_aligned(rep, g, spread, weights.dim()).to(x.dtype).flatten(0, len(batch))


def _average(rep: Action | None, g: Tensor, y: Any, weights: Tensor) -> Tensor:
    """Outputs of all elements, moved back out and averaged."""
    samples = math.prod(weights.shape)
    if not isinstance(y, Tensor) or not y.is_floating_point() or not y.dim() or y.shape[0] != samples:
        came = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise FrameError(
            f"FrameAverage: expected every output of the net a floating tensor with {samples} samples in front "
            f"(inputs times frame elements), came {came}."
        )
    each = act_aligned(rep, g, y.unflatten(0, weights.shape), weights.dim())
    with full_precision(y):
        weighted = weights.to(each.dtype).reshape(*weights.shape, *[1] * (y.dim() - 1)) * each
        return weighted.sum(weights.dim() - 1).to(y.dtype)


def _drawn(weights: Shaped[Tensor, "*batch frame"], generator: torch.Generator | None) -> Shaped[Tensor, "*batch"]:
    """One element for each sample, by weight: the first of exponential clocks to ring."""
    if generator is None:
        uniform = torch.rand_like(weights)
    else:  # in float64 where the generator lives, so that a seed means the same everywhere
        uniform = torch.rand(weights.shape, generator=generator, dtype=torch.float64, device=generator.device)
    return (weights / -uniform.log().to(weights)).argmax(-1)


def _as_the_bare_net(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for key in [key for key in state if key.startswith(f"{prefix}net.")]:
        state[prefix + key.removeprefix(f"{prefix}net.")] = state.pop(key)


def _from_the_bare_net(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[f"{prefix}net.{key.removeprefix(prefix)}"] = state.pop(key)
