"""MACE's own symmetric contraction, rows C and G3, as a script for `serve.py`."""

from importlib.metadata import version

import torch
from e3nn import o3
from mace.modules.symmetric_contraction import SymmetricContraction
from torch_passes import torch_passes


def start(threads):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return {"mace-torch": version("mace-torch"), "e3nn": version("e3nn"), "torch": torch.__version__}


def build(row, case, inputs):
    inputs = {name: torch.from_numpy(values) for name, values in inputs.items()}
    return {
        "C": contraction,
        "C basis": contraction_basis,
        "G3": contraction,
        "G3 basis": contraction_basis,
    }[row](case, inputs)


def contraction(case, inputs):
    """x is `node channel dim` there, elements are one-hot, and every order and irrep has weights of its own."""
    module = _contraction(case).to(inputs["x"].device)
    parameters = _parameters(module)
    if "weight" in inputs:
        for parameter, values in zip(parameters, inputs["weight"].split([p.shape[1] for p in parameters], dim=1)):
            parameter.data = values.contiguous()
    x = inputs["x"].mT.contiguous()
    element = torch.nn.functional.one_hot(inputs["element"], case["elements"]).to(x.dtype)
    leaves = {"x": x, **{f"weight {index}": parameter for index, parameter in enumerate(parameters)}}
    exports = {"z": lambda z: from_e3nn(z, case["irreps_out"]), "x": lambda x: x.mT}
    cotangent = to_e3nn(inputs["cotangent"], case["irreps_out"])
    passes = torch_passes(lambda: module(x, element), leaves, cotangent, force="x", exports=exports)
    return {name: (run, _joined(export, len(parameters))) for name, (run, export) in passes.items()}


def contraction_basis(case, inputs):
    small = _contraction({**case, "channels": 1, "elements": 1})
    count = sum(parameter.shape[1] for parameter in _parameters(small))
    torch.set_default_dtype(torch.float64)
    module = _contraction({**case, "channels": count, "elements": 1}).double()
    torch.set_default_dtype(torch.float32)
    start = 0
    for parameter in _parameters(module):
        rows = parameter.shape[1]
        parameter.data = torch.eye(count, dtype=torch.float64)[None, start : start + rows].contiguous()
        start += rows
    samples = inputs["samples"].double()

    def run():
        x = samples.unsqueeze(1).expand(-1, count, -1).contiguous()
        with torch.no_grad():
            return module(x, torch.ones(len(samples), 1, dtype=torch.float64))

    return {"basis": (run, lambda z: {"basis": from_e3nn(z, case["irreps_out"]).permute(2, 0, 1).contiguous().numpy()})}


def _contraction(case):
    irreps_in, irreps_out = (
        o3.Irreps([(case["channels"], ir) for _, ir in o3.Irreps(case[name])]) for name in ("irreps_in", "irreps_out")
    )
    return SymmetricContraction(irreps_in, irreps_out, correlation=case["correlation"], num_elements=case["elements"])


def _parameters(module):
    """Of every irrep of the result, the highest order first."""
    found = []
    for contraction in module.contractions:
        found += [contraction.weights_max, *contraction.weights]
    return [parameter for parameter in found if parameter.requires_grad]


def _joined(export, count):
    def joined(found):
        arrays = export(found)
        parts = [arrays.pop(f"gradient of weight {index}") for index in range(count) if f"weight {index}" in found]
        if parts:
            arrays["gradient of weight"] = torch.cat([torch.from_numpy(part) for part in parts], dim=1).numpy()
        return arrays

    return joined


def to_e3nn(x, irreps):
    blocks = x.split([ir.dim for _, ir in o3.Irreps(irreps)], dim=-2)
    return torch.cat([block.mT.flatten(-2) for block in blocks], dim=-1)


def from_e3nn(x, irreps):
    dims = [ir.dim for _, ir in o3.Irreps(irreps)]
    channels = x.shape[-1] // sum(dims)
    blocks = x.split([channels * dim for dim in dims], dim=-1)
    return torch.cat([block.unflatten(-1, (channels, -1)).mT for block in blocks], dim=-2)
