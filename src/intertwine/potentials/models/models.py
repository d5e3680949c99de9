"""The models a potential can hold, by the names that configuration files and checkpoints use."""

from typing import Literal

from torch import nn

from intertwine.potentials.models.escn import ESCN
from intertwine.potentials.models.facet import Facet
from intertwine.potentials.models.mace import MACE
from intertwine.potentials.models.nequip import NequIP
from intertwine.potentials.models.tdn import TDN

ModelName = Literal["mace", "nequip", "facet", "tdn", "escn"]

MODELS: dict[ModelName, type[nn.Module]] = {"mace": MACE, "nequip": NequIP, "facet": Facet, "tdn": TDN, "escn": ESCN}
"""Constructors; their keyword arguments are the hyperparameters, all of them plain JSON values."""
