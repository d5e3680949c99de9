"""Random inputs of a case, the same for every side, in the layout `[..., dim, channel]`; O(3) acts on `dim`."""

import numpy as np
import torch

from intertwine.experiments.bench.cases import CUTOFF, RADIAL_BASIS, Case
from intertwine.experiments.bench.systems import graph_inputs, system
from intertwine.nn.radial import BesselBasis, PolynomialCutoff
from intertwine.o3.gaunt import gaunt_factor
from intertwine.o3.irreps import Irreps
from intertwine.o3.spherical_harmonics import spherical_harmonics

Arrays = dict[str, np.ndarray]


def draw_inputs(row: str, case: Case, *, seed: int = 0) -> Arrays:
    """float32 arrays by name.

    A and A': `x`, `y` and `cotangent` `batch dim`. B: `x` `node dim channel`, `filter` `edge dim`, `weight`
    `edge path channel`, `senders`, `receivers`, `cotangent`. B': `length`, `embedding` `edge basis` and the matrices
    `layer0`, `layer1`, ... of the radial network in place of `weight`. C and G3: `x`, `element`, `cotangent`; the
    weights are matched between the sides, see `matching`. G1: `x` and `y` `node dim channel`, G2: `x` and `edge`
    `edge 3`, `legs` `edge entry channel`, the weights of all legs one after the other; both: `factor` `path`, what
    makes couplings a product of functions, and `cotangent`. D: a batch, see `graph_inputs`.
    """
    draw = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return draw.standard_normal(shape).astype(np.float32)

    data = case.data
    dim_out = Irreps(data["irreps_out"]).dim if "irreps_out" in data else 0
    if row in ("A", "A'", "E"):
        dims = [Irreps(data[name]).dim for name in ("irreps_in1", "irreps_in2", "irreps_out")]
        return dict(zip(("x", "y", "cotangent"), (normal(data["batch"], dim) for dim in dims), strict=True))
    if row in ("G1", "G2"):
        types = [Irreps(data[name]) for name in ("irreps_in1", "irreps_in2", "irreps_out")]
        factors = [gaunt_factor(*(irreps[e].l for irreps, e in zip(types, path))) for path in data["paths"]]
        count, channels = data["nodes" if row == "G1" else "edges"], data["channels"]
        features = {"x": normal(count, types[0].dim, channels), "cotangent": normal(count, dim_out, channels)}
        if row == "G1":
            features["y"] = normal(count, types[1].dim, channels)
        else:
            features |= {"edge": normal(count, 3), "legs": normal(count, sum(map(len, types)), channels)}
        return {**features, "factor": np.array(factors, dtype=np.float32)}
    if row in ("C", "G3"):
        x = normal(data["nodes"], Irreps(data["irreps_in"]).dim, data["channels"])
        element = draw.integers(0, data["elements"], data["nodes"])
        return {"x": x, "element": element, "cotangent": normal(data["nodes"], dim_out, data["channels"])}
    if row.startswith("D"):
        return graph_inputs(system(data, seed))
    if row not in ("B", "B'"):
        return {}
    edges, nodes, channels = data["edges"], data["nodes"], data["channels"]
    vectors = torch.from_numpy(draw.standard_normal((edges, 3)))
    found = {
        "x": normal(nodes, Irreps(data["irreps_in1"]).dim, channels),
        "filter": spherical_harmonics(Irreps(data["irreps_in2"]), vectors, True, "component").float().numpy(),
        "senders": draw.integers(0, nodes, edges),
        "receivers": np.sort(draw.integers(0, nodes, edges)),
        "cotangent": normal(nodes, dim_out, channels),
    }
    if row == "B":
        return {**found, "weight": normal(edges, len(data["paths"]), channels)}
    length = torch.from_numpy(draw.uniform(0.8, 0.98 * CUTOFF, edges))
    basis, envelope = BesselBasis(CUTOFF, count=RADIAL_BASIS).double(), PolynomialCutoff(CUTOFF).double()
    widths = [RADIAL_BASIS, *data["hidden"], len(data["paths"]) * channels]
    return {
        **found,
        "length": length.float().numpy(),
        "embedding": (basis(length) * envelope(length).unsqueeze(-1)).float().numpy(),
        **{f"layer{k}": normal(widths[k], widths[k + 1]) for k in range(len(widths) - 1)},
    }
