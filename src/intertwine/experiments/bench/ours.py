"""Our side of every row, as a script for `serve`: the public classes, nothing else; O(3) acts on `dim`."""

from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from intertwine.experiments.bench import ours_gaunt, ours_models
from intertwine.experiments.bench.cases import CUTOFF, RADIAL_BASIS
from intertwine.experiments.bench.torch_passes import Pass, basis_passes, torch_passes
from intertwine.nn.mlp import MLP
from intertwine.nn.radial import BesselBasis, PolynomialCutoff, RadialMLP
from intertwine.nn.radial_table import RadialTable
from intertwine.nn.tabulated_convolution import TabulatedConvolution
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.kernels import library
from intertwine.tensor_products.sphere.gaunt import Gaunt

TABLE_TOLERANCE = 1e-5
"""Of the table of row B', beside its root mean square; sides are compared to ten times that."""

Arrays = dict[str, np.ndarray]
Passes = dict[str, Pass]


def start(threads: int) -> dict[str, str]:
    """Versions, and which kernels are active."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    kernels = "; ".join(filter(None, library.status()))
    return {"intertwine": version("intertwine"), "torch": torch.__version__, "kernels": kernels}


def build(row: str, case: dict, inputs: Arrays) -> Passes:
    """The passes of a case."""
    return BUILDERS[row](case, {name: torch.from_numpy(values) for name, values in inputs.items()})


def full_product(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row A."""
    product = ClebschGordan(case["irreps_in1"], case["irreps_in2"], case["irreps_out"], paths=case["paths"])
    return one_channel(product, inputs)


def gaunt_product(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row A', on the grid or, as variant "fourier", through the 2-D Fourier transform."""
    method = "fourier" if case["variant"] == "fourier" else "grid"
    types = (case["irreps_in1"], case["irreps_in2"], case["irreps_out"])
    return one_channel(Gaunt(*types, method=method, normalization="none"), inputs)


def one_channel(product: torch.nn.Module, inputs: dict[str, Tensor]) -> Passes:
    """The passes of a product of samples with one channel."""
    x, y, cotangent = (inputs[name].unsqueeze(-1) for name in ("x", "y", "cotangent"))
    exports = dict.fromkeys("xyz", lambda values: values.squeeze(-1))
    return torch_passes(lambda: product(x, y), {"x": x, "y": y}, cotangent, exports=exports)


def convolution(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row B; the variant "atomic" may add messages up in any order, which a GPU does."""
    layer, x, filters, edges = _convolution(case, inputs)
    weight = inputs["weight"]
    return torch_passes(
        lambda: layer(x, filters, weight, *edges),
        {"x": x, "filter": filters, "weight": weight},
        inputs["cotangent"],
        force="filter",
        exports={"filter": lambda y: y.squeeze(-1)},
    )


def layer(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row B': the weights come from a network; "inference" takes them from a table of it where there is one."""
    convolve, x, filters, edges = _convolution(case, inputs)
    embedding, rows = inputs["embedding"], len(case["paths"])
    network = MLP(embedding.shape[1], *case["hidden"], rows * case["channels"])
    for index, weight in enumerate(network.weights):
        weight.data = inputs[f"layer{index}"]
    leaves = {"x": x, "filter": filters, "embedding": embedding}
    leaves |= {f"layer{index}": weight for index, weight in enumerate(network.weights)}
    passes = torch_passes(
        lambda: convolve(x, filters, network(embedding).unflatten(-1, (rows, -1)), *edges),
        leaves,
        inputs["cotangent"],
        exports={"filter": lambda y: y.squeeze(-1)},
    )
    passes["inference"] = _tabulated(case, network, inputs["length"], convolve, x, filters, edges)
    return passes


def _tabulated(case: dict, network: MLP, length: Tensor, convolve: Convolution, x: Tensor, filters: Tensor, edges):
    rows, channels = len(case["paths"]), case["channels"]
    radial = RadialMLP(
        BesselBasis(CUTOFF, count=RADIAL_BASIS), PolynomialCutoff(CUTOFF),
        hidden=case["hidden"], rows=rows, channels=channels,
    )  # fmt: skip
    radial.network = network
    layer = TabulatedConvolution(convolve, RadialTable.compile(radial, tolerance=TABLE_TOLERANCE))

    def run() -> dict[str, Tensor]:
        with torch.no_grad():
            return {"z": layer(x, filters, length, *edges)}

    return run, lambda found: {"z": found["z"].numpy()}


def _convolution(case: dict, inputs: dict[str, Tensor]):
    types = (case["irreps_in1"], case["irreps_in2"], case["irreps_out"])
    product = ClebschGordan(*types, paths=case["paths"], weights="external")
    module = Convolution(product, deterministic=case.get("variant") != "atomic").to(inputs["x"].device)
    edges = (inputs["senders"], inputs["receivers"])
    return module, inputs["x"], inputs["filter"].unsqueeze(-1), edges


def contraction(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row C."""
    x, element = inputs["x"], inputs["element"]
    module = _contraction(case).to(x.device)
    if "weight" in inputs:
        module.weights.data = inputs["weight"]
    leaves = {"x": x, "weight": module.weights}
    return torch_passes(lambda: module(x, element), leaves, inputs["cotangent"], force="x")


def contraction_basis(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """What every single weight of row C does: `basis` `[weight, sample, dim_out]` on samples `[sample, dim_in]`."""
    count = _contraction({**case, "channels": 1}).weights.shape[1]
    module = _contraction({**case, "channels": count, "elements": 1}).double()
    module.weights.data = torch.eye(count, dtype=torch.float64)[None]
    return basis_passes(module, inputs["samples"].double().unsqueeze(-1).expand(-1, -1, count))


def _contraction(case: dict) -> ClebschGordanContraction:
    sizes = {name: case[name] for name in ("channels", "correlation", "elements")}
    return ClebschGordanContraction(case["irreps_in"], case["irreps_out"], **sizes)


def many_body(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row G3, on the sphere or, as variant, with couplings as in row C."""
    return contraction(case, inputs) if case["variant"] == "coupled" else ours_gaunt.contraction(case, inputs)


def many_body_basis(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """The basis of either."""
    coupled = case["variant"] == "coupled"
    return contraction_basis(case, inputs) if coupled else ours_gaunt.contraction_basis(case, inputs)


def decomposition(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """Row E. Factors that are not shipped are random: time does not depend on them, and to fit them takes minutes."""
    types = [Irreps(case[name]) for name in ("irreps_in1", "irreps_in2", "irreps_out")]
    draw = torch.Generator().manual_seed(0)
    drawn = Factors(*(torch.randn(case["rank"], irreps.dim, generator=draw).double() for irreps in types))
    return one_channel(CP(*types, rank="exact" if case["shipped"] else drawn), inputs)


def limits(case: dict, inputs: dict[str, Tensor]) -> Passes:
    """A large GEMM and a large copy."""
    size, length = case["size"], case["length"]
    a, b = torch.randn(size, size), torch.randn(size, size)
    c, source, target = torch.empty(size, size), torch.zeros(length), torch.zeros(length)
    return {
        "gemm": (lambda: torch.mm(a, b, out=c), lambda found: {}),
        "copy": (lambda: target.copy_(source), lambda found: {}),
    }


BUILDERS = {
    "A": full_product,
    "A'": gaunt_product,
    "B": convolution,
    "B'": layer,
    "C": contraction,
    "C basis": contraction_basis,
    "D": ours_models.potential,
    "D'": ours_models.potential,
    "D''": ours_models.potential,
    "E": decomposition,
    "G1": ours_gaunt.interaction,
    "G2": ours_gaunt.edge_convolution,
    "G3": many_body,
    "G3 basis": many_body_basis,
    "limits": limits,
}
