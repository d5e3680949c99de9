"""cuequivariance's side of rows A, B and C, as a script for `serve.py`; on a GPU `METHOD` is "uniform_1d"."""

from functools import cache

import cuequivariance as cue
import cuequivariance_torch as cuet
import torch
from torch_passes import torch_passes

METHOD = "naive"
"""On the CPU it has no other."""


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"cuequivariance": cue.__version__, "cuequivariance-torch": cuet.__version__, "torch": torch.__version__}


def build(row, case, inputs):
    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    builders = {"A": full_product, "B": convolution, "C": contraction, "C basis": contraction_basis}
    return builders[row](case, inputs)


def irreps(text, channels=1):
    entries = [(channels, ir) for mul, ir in cue.Irreps("O3", text) for _ in range(mul)]
    return cue.Irreps("O3", entries)


def full_product(case, inputs):
    kept = [ir for _, ir in irreps(case["irreps_out"])]
    descriptor = cue.descriptors.full_tensor_product(irreps(case["irreps_in1"]), irreps(case["irreps_in2"]), kept)
    product = cuet.SegmentedPolynomial(descriptor.polynomial, method=METHOD)
    x, y = inputs["x"], inputs["y"]
    return torch_passes(lambda: product([x, y])[0], {"x": x, "y": y}, inputs["cotangent"])


def convolution(case, inputs):
    """Gather and scatter are part of the call."""
    channels, count = case["channels"], len(case["paths"])
    kept = [ir for _, ir in irreps(case["irreps_out"])]
    product = cuet.ChannelWiseTensorProduct(
        irreps(case["irreps_in1"], channels), irreps(case["irreps_in2"]), kept, layout=cue.ir_mul,
        shared_weights=False, internal_weights=False, method=METHOD, device=inputs["x"].device,
    )  # fmt: skip
    x, filters, weight = inputs["x"].flatten(1), inputs["filter"], inputs["weight"].flatten(1)
    senders, receivers = inputs["senders"], inputs["receivers"]
    leaves = {"x": x, "filter": filters, "weight": weight}
    exports = {"z": unflat(channels), "x": unflat(channels), "weight": lambda w: w.unflatten(1, (count, -1))}
    return torch_passes(
        lambda: product(x, filters, weight, indices_1=senders, indices_out=receivers, size_out=len(x)),
        leaves, inputs["cotangent"].flatten(1), force="filter", exports=exports,
    )  # fmt: skip


def contraction(case, inputs):
    module, channels = _contraction(case).to(inputs["x"].device, torch.float32), case["channels"]
    module.weight.data = inputs["weight"]
    x, element = inputs["x"].flatten(1), inputs["element"].to(torch.int32)
    leaves = {"x": x, "weight": module.weight}
    exports = {"z": unflat(channels), "x": unflat(channels)}
    cotangent = inputs["cotangent"].flatten(1)
    return torch_passes(lambda: module(x, element), leaves, cotangent, force="x", exports=exports)


def contraction_basis(case, inputs):
    """A weight a channel, as many at a time as there are channels."""
    module, channels = _contraction(case).double(), case["channels"]
    count = module.weight_shape[0]
    x = inputs["samples"].double().unsqueeze(-1).expand(-1, -1, channels).flatten(1)
    element = torch.zeros(len(x), dtype=torch.int32)

    def run():
        found = []
        for start in range(0, count, channels):
            module.weight.data = torch.zeros(case["elements"], count, channels, dtype=torch.float64)
            for place in range(min(channels, count - start)):
                module.weight.data[0, start + place, place] = 1
            with torch.no_grad():
                found.append(module(x, element).unflatten(1, (-1, channels))[..., : count - start])
        return torch.cat(found, dim=-1)

    return {"basis": (run, lambda found: {"basis": found.permute(2, 0, 1).contiguous().numpy()})}


@cache
def _built(method, irreps_in, irreps_out, channels, correlation, elements):
    return cuet.SymmetricContraction(
        irreps(irreps_in, channels), irreps(irreps_out, channels),
        contraction_degree=correlation, num_elements=elements, layout=cue.ir_mul, method=method,
    )  # fmt: skip


def _contraction(case):
    return _built(METHOD, *(case[name] for name in ("irreps_in", "irreps_out", "channels", "correlation", "elements")))


def unflat(channels):
    return lambda x: x.unflatten(1, (-1, channels))
