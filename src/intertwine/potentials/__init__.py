"""Interatomic potentials: from labelled structures to energies, forces and stresses, and what is done with them."""

from intertwine.potentials.batched_relax import relax_all
from intertwine.potentials.batching import collate, split
from intertwine.potentials.calculator import Calculator
from intertwine.potentials.committee import Committee
from intertwine.potentials.compress import compress
from intertwine.potentials.config import FitConfig
from intertwine.potentials.config_file import load_config
from intertwine.potentials.contract import check_potential
from intertwine.potentials.convert_mace import convert_mace
from intertwine.potentials.dispersion import with_dispersion
from intertwine.potentials.escn import ESCN
from intertwine.potentials.evaluate import compare, evaluate
from intertwine.potentials.export import export_potential
from intertwine.potentials.exported import load_exported
from intertwine.potentials.facet import Facet
from intertwine.potentials.graph import Graph, GraphError, Prediction
from intertwine.potentials.last_layer import LastLayer, fit_last_layer
from intertwine.potentials.mace import MACE
from intertwine.potentials.md import simulate
from intertwine.potentials.neighbors import connect
from intertwine.potentials.nequip import NequIP
from intertwine.potentials.objective import LossWeights
from intertwine.potentials.phonons import phonons
from intertwine.potentials.potential import EnergyModel, NonFiniteError, Potential
from intertwine.potentials.readers import from_atoms, read, to_atoms, write
from intertwine.potentials.relax import relax
from intertwine.potentials.saved import build_potential, load, save_potential
from intertwine.potentials.tabulate import tabulate
from intertwine.potentials.tdn import TDN
from intertwine.potentials.training_run import fit_potential
from intertwine.potentials.zbl import WithRepulsion

__all__ = [
    "ESCN",
    "MACE",
    "TDN",
    "Calculator",
    "Committee",
    "EnergyModel",
    "Facet",
    "FitConfig",
    "Graph",
    "GraphError",
    "LastLayer",
    "LossWeights",
    "NequIP",
    "NonFiniteError",
    "Potential",
    "Prediction",
    "WithRepulsion",
    "build_potential",
    "check_potential",
    "collate",
    "compare",
    "compress",
    "connect",
    "convert_mace",
    "evaluate",
    "export_potential",
    "fit_last_layer",
    "fit_potential",
    "from_atoms",
    "load",
    "load_config",
    "load_exported",
    "phonons",
    "read",
    "relax",
    "relax_all",
    "save_potential",
    "simulate",
    "split",
    "tabulate",
    "to_atoms",
    "with_dispersion",
    "write",
]
