"""e3nn on rows A, B, B', G1 and G2, a script for `serve.py`; the variant "compiled" goes through torch.compile."""

import e3nn
import torch
from e3nn import o3
from e3nn.nn import FullyConnectedNet
from torch_passes import torch_passes


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"e3nn": e3nn.__version__, "torch": torch.__version__}


def build(row, case, inputs):
    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    return {
        "A": full_product,
        "B": convolution,
        "B'": layer,
        "G1": interaction,
        "G2": edge_product,
    }[row](case, inputs)


def full_product(case, inputs):
    kept = sorted({str(ir) for _, ir in o3.Irreps(case["irreps_out"])})
    product = o3.FullTensorProduct(case["irreps_in1"], case["irreps_in2"], filter_ir_out=kept)
    if case["variant"] == "compiled":
        product = torch.compile(product, fullgraph=True, dynamic=False)
    x, y = inputs["x"], inputs["y"]
    return torch_passes(lambda: product(x, y), {"x": x, "y": y}, inputs["cotangent"])


def convolution(case, inputs):
    """Gather, channel-wise product with a weight per edge, index_add, as NequIP and MACE do."""
    product, x, filters, exports = _product(case, inputs)
    senders, receivers = inputs["senders"], inputs["receivers"]
    weight = inputs["weight"].flatten(1)
    count = len(case["paths"])

    def run():
        messages = product(x[senders], filters, weight)
        return messages.new_zeros(len(x), messages.shape[1]).index_add(0, receivers, messages)

    leaves = {"x": x, "filter": filters, "weight": weight}
    exports["weight"] = lambda w: w.unflatten(1, (count, -1))
    cotangent = to_e3nn(inputs["cotangent"], case["irreps_out"])
    return torch_passes(run, leaves, cotangent, force="filter", exports=exports)


def layer(case, inputs):
    product, x, filters, exports = _product(case, inputs)
    senders, receivers, embedding = inputs["senders"], inputs["receivers"], inputs["embedding"]
    widths = [embedding.shape[1], *case["hidden"], product.weight_numel]
    network = FullyConnectedNet(widths, torch.nn.functional.silu)
    leaves = {"x": x, "filter": filters, "embedding": embedding}
    for index, module in enumerate(network):
        # e3nn estimates the second moment of silu from samples; here it is the exact one, 1 / 1.6765...^2
        scale = 1.0 if index == 0 else 1.676532470331092 / network[index - 1].act.cst
        module.weight.data = inputs[f"layer{index}"] * scale
        leaves[f"layer{index}"] = module.weight
        exports[f"layer{index}"] = lambda w, scale=scale: w * scale

    def run():
        messages = product(x[senders], filters, network(embedding))
        return messages.new_zeros(len(x), messages.shape[1]).index_add(0, receivers, messages)

    passes = torch_passes(run, leaves, to_e3nn(inputs["cotangent"], case["irreps_out"]), exports=exports)
    return {**passes, "inference": passes["forward"]}


def interaction(case, inputs):
    """Channel by channel ("uuu"), couplings times the numbers that make them a product of functions."""
    channels = case["channels"]
    one, two, out = (spread(case[name], channels) for name in ("irreps_in1", "irreps_in2", "irreps_out"))
    product = o3.TensorProduct(
        one, two, out, [(*path, "uuu", True) for path in case["paths"]],
        shared_weights=True, internal_weights=False, irrep_normalization="none", path_normalization="none",
    )  # fmt: skip
    x, y = (to_e3nn(inputs[name], case["irreps_in1"]) for name in "xy")
    weight = inputs["factor"].repeat_interleave(channels)
    exports = dict.fromkeys("xyz", lambda values: from_e3nn(values, case["irreps_in1"]))
    cotangent = to_e3nn(inputs["cotangent"], case["irreps_out"])
    return torch_passes(lambda: product(x, y, weight), {"x": x, "y": y}, cotangent, exports=exports)


def edge_product(case, inputs):
    """Harmonics, then channel-wise ("uvu") with a weight for each path, edge and channel."""
    channels, count = case["channels"], len(case["paths"])
    one, out = (spread(case[name], channels) for name in ("irreps_in1", "irreps_out"))
    product = o3.TensorProduct(
        one, case["irreps_in2"], out, [(*path, "uvu", True) for path in case["paths"]],
        shared_weights=False, internal_weights=False, irrep_normalization="none", path_normalization="none",
    )  # fmt: skip
    edge, legs, factor, paths = inputs["edge"], inputs["legs"], inputs["factor"], case["paths"]
    harmonics = o3.SphericalHarmonics(o3.Irreps(case["irreps_in2"]), normalize=True, normalization="component")
    x, weight = to_e3nn(inputs["x"], case["irreps_in1"]), path_weights(legs, factor, paths).flatten(1)
    exports = dict.fromkeys("xz", lambda values: from_e3nn(values, case["irreps_in1"]))
    exports["legs"] = lambda slope: to_legs(slope.unflatten(1, (count, -1)), legs, factor, paths)
    cotangent = to_e3nn(inputs["cotangent"], case["irreps_out"])
    leaves = {"x": x, "edge": edge, "legs": weight}
    return torch_passes(lambda: product(x, harmonics(edge), weight), leaves, cotangent, exports=exports)


def path_weights(legs, factor, paths):
    """What a path weighs when its legs do."""
    one, two, three = legs.chunk(3, dim=1)
    a, b, c = torch.tensor(paths).unbind(1)
    return factor[:, None] * one[:, a] * two[:, b] * three[:, c]


def to_legs(slope, legs, factor, paths):
    legs = legs.detach().requires_grad_()
    return torch.autograd.grad(path_weights(legs, factor, paths), legs, slope)[0]


def spread(irreps, channels):
    return o3.Irreps([(channels, ir) for mul, ir in o3.Irreps(irreps) for _ in range(mul)])


def _product(case, inputs):
    channels = case["channels"]
    irreps_in, irreps_out = (spread(case[name], channels) for name in ("irreps_in1", "irreps_out"))
    product = o3.TensorProduct(
        irreps_in, case["irreps_in2"], irreps_out, [(*path, "uvu", True) for path in case["paths"]],
        shared_weights=False, internal_weights=False,
    ).to(inputs["x"].device)  # fmt: skip
    x = to_e3nn(inputs["x"], case["irreps_in1"])
    exports = {"z": lambda z: from_e3nn(z, case["irreps_out"]), "x": lambda x: from_e3nn(x, case["irreps_in1"])}
    return product, x, inputs["filter"], exports


def to_e3nn(x, irreps):
    """`[*, dim, channel]` to e3nn's blocks, multiplicity first."""
    blocks = x.split([ir.dim for mul, ir in o3.Irreps(irreps) for _ in range(mul)], dim=-2)
    return torch.cat([block.mT.flatten(-2) for block in blocks], dim=-1)


def from_e3nn(x, irreps):
    dims = [ir.dim for mul, ir in o3.Irreps(irreps) for _ in range(mul)]
    channels = x.shape[-1] // sum(dims)
    blocks = x.split([channels * dim for dim in dims], dim=-1)
    return torch.cat([block.unflatten(-1, (channels, -1)).mT for block in blocks], dim=-2)
