"""The models a potential can hold, by the names that configuration files and checkpoints use."""

from typing import Literal

from torch import nn

from intertwine.potentials.mace import MACE
from intertwine.potentials.nequip import NequIP

ModelName = Literal["mace", "nequip"]

MODELS: dict[ModelName, type[nn.Module]] = {"mace": MACE, "nequip": NequIP}
"""Constructors; their keyword arguments are the hyperparameters, all of them plain JSON values."""
