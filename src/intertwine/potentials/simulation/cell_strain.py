"""How a lattice may relax: strains, symmetric matrices on which O(3) acts by turning both sides."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

CellFreedom = Literal["none", "full", "shape", "volume"]
"""none: the lattice stays; full: all of it relaxes; shape: at constant volume; volume: all lengths by one factor."""


def strain_gradient(
    stress: Float[Tensor, "graph 3 3"], cell: Float[Tensor, "graph 3 3"], pressure: float, freedom: CellFreedom
) -> Float[Tensor, "graph 3 3"]:
    r"""Derivative of the enthalpy E + p V by a strain e that takes x to x exp(e) and the cell h to h exp(e), eV.

        dH/de = V (stress + p 1),   of "shape" without its trace, of "volume" the trace alone

    A step against it, taken by the exponential, keeps the volume exactly for "shape", for det exp(e) = exp(tr e).
    """
    one = torch.eye(3, dtype=stress.dtype, device=stress.device)
    gradient = torch.linalg.det(cell).abs()[:, None, None] * (stress + pressure * one)
    mean = gradient.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] * one
    return {"full": gradient, "shape": gradient - mean, "volume": mean, "none": torch.zeros_like(gradient)}[freedom]
