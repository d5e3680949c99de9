"""Our sides of the rows on Gaunt's operations: functions on the sphere, or couplings; O(3) acts on `dim`."""

import torch
from torch import Tensor

from intertwine.experiments.bench.torch_passes import Pass, basis_passes, torch_passes
from intertwine.o3.irreps import Irreps
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction
from intertwine.tensor_products.sphere.gaunt_convolution import GauntConvolution

Passes = dict[str, Pass]


def interaction(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row G1."""
    types = (case["irreps_in1"], case["irreps_in2"], case["irreps_out"])
    x, y = inputs["x"], inputs["y"]
    if case["variant"] == "coupled":
        product = ClebschGordan(*types, paths=case["paths"], weights="external", normalization="none")
        weight = inputs["factor"][None, :, None]
        return torch_passes(lambda: product(x, y, weight), {"x": x, "y": y}, inputs["cotangent"])
    functions = Gaunt(*types, normalization="none")
    return torch_passes(lambda: functions(x, y), {"x": x, "y": y}, inputs["cotangent"])


def edge_convolution(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row G2."""
    types = (case["irreps_in1"], case["irreps_in2"], case["irreps_out"])
    x, edge, legs = inputs["x"], inputs["edge"], inputs["legs"]
    leaves = {"x": x, "edge": edge, "legs": legs}
    if case["variant"] == "aligned":
        convolve = GauntConvolution(*types, weights="external", normalization="none")
        return torch_passes(lambda: convolve(x, edge, legs), leaves, inputs["cotangent"])

    def harmonics() -> Tensor:
        irreps = Irreps(types[1])
        return spherical_harmonics(irreps, edge, normalize=True, normalization="component").unsqueeze(-1)

    if case["variant"] == "":
        functions = Gaunt(*types, weights="external", normalization="none")
        return torch_passes(lambda: functions(x, harmonics(), legs), leaves, inputs["cotangent"])
    product = ClebschGordan(*types, paths=case["paths"], weights="external", normalization="none")
    weight = path_weights(legs, inputs["factor"], case["paths"]).detach()
    exports = {"legs": lambda slope: to_legs(slope, legs, inputs["factor"], case["paths"])}
    return torch_passes(
        lambda: product(x, harmonics(), weight), {**leaves, "legs": weight}, inputs["cotangent"], exports=exports
    )


def path_weights(legs: Tensor, factor: Tensor, paths: list) -> Tensor:
    """What a path weighs when its legs do: `edge entry channel` to `edge path channel`."""
    one, two, three = legs.chunk(3, dim=1)  # as many entries on every leg
    a, b, c = torch.tensor(paths).unbind(1)
    return factor[:, None] * one[:, a] * two[:, b] * three[:, c]


def to_legs(slope: Tensor, legs: Tensor, factor: Tensor, paths: list) -> Tensor:
    """The gradient for the weights of legs from that for the weights of paths."""
    legs = legs.detach().requires_grad_()
    return torch.autograd.grad(path_weights(legs, factor, paths), legs, slope)[0]


def contraction(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row G3; weights of legs are one and fixed."""
    x, element, module = inputs["x"], inputs["element"], _contraction(case)
    if "weight" in inputs:
        module.weights.data = inputs["weight"].reshape(module.weights.shape)
    leaves = {"x": x, "weight": module.weights}
    exports = {"weight": lambda slope: slope.flatten(1, 2)}
    return torch_passes(lambda: module(x, element), leaves, inputs["cotangent"], exports=exports)


def contraction_basis(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """What every single weight of row G3 does: `basis` `[weight, sample, dim_out]` on samples `[sample, dim_in]`."""
    count = _contraction({**case, "channels": 1}).weights[0].numel()
    module = _contraction({**case, "channels": count, "elements": 1}).double()
    module.weights.data = torch.eye(count, dtype=torch.float64).reshape(module.weights.shape)
    return basis_passes(module, inputs["samples"].double().unsqueeze(-1).expand(-1, -1, count))


def _contraction(case: dict) -> GauntContraction:
    sizes = {name: case[name] for name in ("channels", "correlation", "elements")}
    module = GauntContraction(case["irreps_in"], case["irreps_out"], **sizes)
    module.leg_weights.requires_grad_(False).fill_(1.0)
    return module
