"""From a function in Python to a graph of operators with open sizes, its derivative inside. No group acts here."""

import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from intertwine.potentials.engines.engine_function import EngineFunction, EngineInputs, ExportError

SIZES = {"node": 1, "edge": 0, "graph": 1}
"""The smallest of each size that is open."""
AXES = ("node", "node", "graph", "edge", "edge", "edge", "node")
"""Which of them the first axis of every input has."""


def trace(function: EngineFunction, example: EngineInputs) -> torch.export.ExportedProgram:
    """The function and its derivative as one graph of operators, for any number of atoms, edges and structures.

    Which kernels, or their readable twins, the graph calls is what `kernels.library.using` says while it is traced.

    Args:
        example: at least two structures, three atoms and more edges than atoms: equal numbers are taken for one size.
    """
    dims = {name: torch.export.Dim(name, min=least) for name, least in SIZES.items()}
    sizes = tuple({0: dims[name]} for name in AXES)
    try:
        traced = make_fx(function, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*example)
        program = torch.export.export(_Called(traced), tuple(example), dynamic_shapes=sizes, strict=False)
    except (UserError, GuardOnDataDependentSymNode) as error:
        kind = type(function.potential.model).__name__
        raise ExportError(
            f"export: {kind} cannot be traced for any number of atoms ({str(error).splitlines()[0][:120]}). Its code "
            f"must not fix sizes or branch on numbers: write x.shape[0] for len(x), and torch.where for if."
        ) from error
    for each in program.graph.nodes:  # names of files and lines of this machine
        each.meta.pop("stack_trace", None)
    return program


class _Called(nn.Module):
    def __init__(self, traced: torch.fx.GraphModule):
        super().__init__()
        self.traced = traced

    def forward(
        self,
        numbers: Tensor,
        positions: Tensor,
        cell: Tensor,
        senders: Tensor,
        receivers: Tensor,
        shifts: Tensor,
        structure: Tensor,
    ) -> tuple[Tensor, ...]:
        return tuple(self.traced(numbers, positions, cell, senders, receivers, shifts, structure))
