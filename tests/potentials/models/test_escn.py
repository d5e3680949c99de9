"""The eSCN kind of model: smooth where the frames of edges are not, high degrees, and where gradients arrive."""

from math import cos, sin

import pytest
import torch
from ase import Atoms
from ase.build import molecule

from intertwine.o3.edge_frame import EdgeFrame
from intertwine.o3.irreps import IrrepsError
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.escn import ESCN
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.tabulate import tables_of, tabulate
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors

CUTOFF = 3.0
SPECIES = (1, 6, 8)
REFERENCES = dict.fromkeys(SPECIES, 0.0)


def model(seed: int = 0, **choices) -> ESCN:
    small = dict(species=SPECIES, cutoff=CUTOFF, channels=4, radial_hidden=(8,), layers=2, hidden="0e+1o+2e")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ESCN(**{**small, **choices}).double()


def graph(atoms: Atoms | None = None) -> Graph:
    return connect(from_atoms(molecule("CH3OH") if atoms is None else atoms), CUTOFF)


def energies(escn: ESCN, of: Graph) -> torch.Tensor:
    element = torch.tensor([escn.species.index(number) for number in of.numbers.tolist()])
    return escn(element, edge_vectors(of), of.senders, of.receivers)


@pytest.mark.parametrize("hidden", ["0e", "0e+1o+2e"])
def test_every_parameter_learns_from_energy_and_forces(hidden):
    potential = Potential(model(hidden=hidden), REFERENCES).train()
    prediction = potential(collate([graph(), graph(molecule("CO2")), graph(molecule("H2O"))]))
    (prediction.energy.square().sum() + prediction.forces.square().sum()).backward()
    assert not [name for name, each in potential.named_parameters() if each.grad is None or not each.grad.any()]


PLACES = {"pole": [0.0, 1.0, 0.0], "other pole": [0.0, -1.0, 0.0], "seam": [0.6, 0.0, 0.8]}


def along(direction: list[float], step: float) -> Graph:
    """Three atoms, an edge of which passes a direction, across the polar axis and the seam of the frames."""
    there = 1.2 * torch.tensor(direction, dtype=torch.float64) + step * torch.tensor([0.8, 0.1, -0.6]).double()
    return graph(Atoms("OHC", torch.stack([torch.zeros(3).double(), there, torch.tensor([1.5, 0.3, -0.4])]).numpy()))


@pytest.mark.parametrize("place", PLACES)
def test_energy_and_derivatives_pass_poles_and_seams_of_the_frames_smoothly(place):
    """Forces on both sides meet, and agree at the spot with differences of the energy."""
    potential, h = Potential(model(), REFERENCES).double(), 1e-4

    def at(step: float) -> tuple[float, float]:
        found = potential(along(PLACES[place], step))
        return found.energy.item(), float(found.forces[1].detach() @ torch.tensor([0.8, 0.1, -0.6]).double())

    (before, pull_before), (here, pull), (after, pull_after) = at(-h), at(0.0), at(h)
    assert (before - after) / (2 * h) == pytest.approx(pull, abs=1e-6)
    assert pull_before + pull_after == pytest.approx(2 * pull, abs=1e-5)
    assert abs(pull) > 1e-3 and abs(before + after - 2 * here) < 1e-5


def test_frames_do_jump_at_the_seam_and_what_depends_on_their_turn_would():
    frames = [EdgeFrame(1)(torch.tensor([0.6, side * 1e-9, 0.8], dtype=torch.float64))[1] for side in (1, -1)]
    assert (frames[0] - frames[1]).abs().max() > 0.5


def test_a_turn_of_one_square_of_neighbours_against_another_is_seen_from_degree_4_on():
    """The moments of a square that is turned in its plane change from degree 4 on."""
    corners = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [0, 0, 1.0], [0, 0, -1.0]], dtype=torch.float64)
    changes = {}
    for hidden in ("0e+1o+2e+3o", "0e+1o+2e+3o+4e"):
        found = []
        for angle in (0.0, 0.3):
            c, s = cos(angle), sin(angle)
            turn = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)
            places = torch.cat([torch.zeros(1, 3), 2.9 * corners, 2.4 * corners @ turn])
            of = graph(Atoms("OHHHHCCCC", places.numpy()))
            centre = of.receivers == 0
            escn = model(hidden=hidden, layers=1)
            element = torch.tensor([escn.species.index(number) for number in of.numbers.tolist()])
            edges = edge_vectors(of)[centre], of.senders[centre], of.receivers[centre]
            found.append(escn(element, *edges)[0])
        changes[hidden] = (found[0] - found[1]).abs().item()
    assert changes["0e+1o+2e+3o"] < 1e-12 < 1e-6 < changes["0e+1o+2e+3o+4e"]


def test_a_tabulated_potential_predicts_the_same():
    potential = Potential(model(), REFERENCES)
    fast = tabulate(potential)
    assert len(tables_of(fast)) == 3
    torch.testing.assert_close(fast(graph()).forces, potential(graph()).forces, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("choices", "kind", "words"),
    [
        ({"hidden": "1o+0e"}, IrrepsError, r"ESCN: hidden is 1o\+0e"),
        ({"hidden": "0e+1e"}, IrrepsError, r"hidden holds 1e, which harmonics 0e\+1o of edges do not make"),
        ({"layers": 0}, ValueError, "layers >= 1"),
    ],
)
def test_choices_that_make_no_model_are_refused_in_one_line(choices, kind, words):
    with pytest.raises(kind, match=words) as caught:
        model(**choices)
    assert "\n" not in str(caught.value)
