"""Interatomic potentials: from labelled structures to energies, forces and stresses, and what is done with them."""

from intertwine.potentials.data.readers import from_atoms, read, to_atoms, write
from intertwine.potentials.engines.convert_mace import convert_mace
from intertwine.potentials.engines.export import export_potential
from intertwine.potentials.engines.exported import load_exported
from intertwine.potentials.fitting.config import FitConfig
from intertwine.potentials.fitting.config_file import load_config
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.fitting.training_run import fit_potential
from intertwine.potentials.judging.committee import Committee
from intertwine.potentials.judging.evaluate import compare, evaluate
from intertwine.potentials.judging.last_layer import LastLayer, fit_last_layer
from intertwine.potentials.models.compress import compress
from intertwine.potentials.models.contract import check_potential
from intertwine.potentials.models.escn import ESCN
from intertwine.potentials.models.facet import Facet
from intertwine.potentials.models.mace import MACE
from intertwine.potentials.models.nequip import NequIP
from intertwine.potentials.models.potential import EnergyModel, NonFiniteError, Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.models.tabulate import tabulate
from intertwine.potentials.models.tdn import TDN
from intertwine.potentials.models.zbl import WithRepulsion
from intertwine.potentials.simulation.batched_relax import relax_all
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.dispersion import with_dispersion
from intertwine.potentials.simulation.md import simulate
from intertwine.potentials.simulation.phonons import phonons
from intertwine.potentials.simulation.relax import relax
from intertwine.potentials.structures.batching import collate, split
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.neighbors import connect

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
