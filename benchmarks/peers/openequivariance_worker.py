"""OpenEquivariance's side of row B, on a GPU only, for `benchmarks/gpu.py`; the variant "atomic" sums in any order."""

import openequivariance as oeq
import torch
from e3nn import o3
from e3nn_worker import from_e3nn, to_e3nn
from torch_passes import torch_passes


def convolution(case, inputs):
    """The fused convolution, in e3nn's layout; where it sums in order, the order by sender is found beforehand."""
    channels, count, ordered = case["channels"], len(case["paths"]), case["variant"] != "atomic"
    types = [
        o3.Irreps([(many, ir) for mul, ir in o3.Irreps(case[name]) for _ in range(mul)])
        for name, many in (("irreps_in1", channels), ("irreps_in2", 1), ("irreps_out", channels))
    ]
    instructions = [(*path, "uvu", True) for path in case["paths"]]
    problem = oeq.TPProblem(*types, instructions, shared_weights=False, internal_weights=False)
    product = oeq.TensorProductConv(problem, deterministic=ordered)
    x, filters, weight = to_e3nn(inputs["x"], case["irreps_in1"]), inputs["filter"], inputs["weight"].flatten(1)
    edges = (inputs["receivers"], inputs["senders"])
    order = (torch.argsort(inputs["senders"], stable=True),) if ordered else ()
    exports = {
        "z": lambda z: from_e3nn(z, case["irreps_out"]),
        "x": lambda g: from_e3nn(g, case["irreps_in1"]),
        "weight": lambda w: w.unflatten(1, (count, -1)),
    }
    return torch_passes(
        lambda: product(x, filters, weight, *edges, *order),
        {"x": x, "filter": filters, "weight": weight},
        to_e3nn(inputs["cotangent"], case["irreps_out"]), force="filter", exports=exports,
    )  # fmt: skip
