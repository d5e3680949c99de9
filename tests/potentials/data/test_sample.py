"""Sampling a molecule from its SMILES: what is asked for, again the same, and never a broken molecule."""

from importlib.util import find_spec

import numpy as np
import pytest
from ase import Atoms

from intertwine.potentials.data.molecule import Molecule, relaxed_molecule
from intertwine.potentials.data.readers import read
from intertwine.potentials.data.sample import Trajectory, label_molecule, langevin, plan, sample, schedule, summarise
from intertwine.potentials.structures.graph import GraphError

needs_extra = pytest.mark.skipif(
    find_spec("tblite") is None or find_spec("rdkit") is None,
    reason='tblite or rdkit is not installed, so nothing can be sampled: pip install "intertwine[label]"',
)
SHORT = {"train_frames": 3, "test_frames": 2, "walkers": 2, "spacing": 5.0, "equilibration": 10.0, "gap": 20.0}


def hydrogen(length: float = 0.74) -> Molecule:
    return Molecule(Atoms("H2", [[0, 0, 0], [0, 0, length]]), np.array([[0, 1]]), charge=0)


@needs_extra
def test_short_seeded_run_reproduces_itself_in_another_process(tmp_path):
    seen = []
    sets = label_molecule(
        "CO",
        tmp_path / "a.extxyz",
        temperatures=(300.0, 900.0),
        **SHORT,
        seed=3,
        workers=2,
        progress=lambda *c: seen.append(c),
    )
    graphs = read(tmp_path / "a.extxyz", require=("energy", "forces"))
    names = ["isolated_atom"] * 3 + ["train_300K"] * 3 + ["test_300K"] * 2 + ["test_900K"] * 2
    assert [graph.groups[0] for graph in graphs] == names
    assert [(s.name, s.frames) for s in sets] == [("train_300K", 3), ("test_300K", 2), ("test_900K", 2)]
    assert ("relax", 2, 2) in seen and ("300 K, walker 1", 90, 90) in seen and ("900 K, walker 2", 30, 30) in seen
    molecules = [relaxed_molecule("CO", seed=3 + walker) for walker in range(2)]
    again: dict[str, list[Atoms]] = {}
    for trajectory in plan((300.0, 900.0), **SHORT, seed=3):
        for name, frames in sample(molecules[trajectory.walker], trajectory, lambda *_: None).items():
            again.setdefault(name, []).extend(frames)
    for graph, frame in zip(graphs[3:], [frame for frames in again.values() for frame in frames], strict=True):
        assert np.array_equal(graph.positions.numpy(), frame.positions)
        assert np.array_equal(graph.forces.numpy(), frame.get_forces())


def test_walkers_share_the_frames_and_walk_apart():
    runs = plan((300.0, 900.0), **{**SHORT, "train_frames": 5, "test_frames": 3}, seed=3)
    assert [run.sets for run in runs[:2]] == [
        (("train_300K", 3), ("test_300K", 2)),
        (("train_300K", 2), ("test_300K", 1)),
    ]
    assert [run.sets for run in runs[2:]] == [(("test_900K", 2),), (("test_900K", 1),)]
    assert len({(run.temperature, run.walker) for run in runs}) == 4
    assert len(plan((300.0,), **{**SHORT, "train_frames": 1, "test_frames": 0}, seed=3)) == 1


@needs_extra
def test_another_seed_gives_other_frames_and_the_centre_of_mass_rests():
    molecule, ends = relaxed_molecule("O", seed=0), []
    for seed in (0, 1):
        for step, atoms in enumerate(langevin(molecule, 300.0, seed)):
            if step == 20:
                ends.append(atoms.copy())
                break
    assert np.abs(ends[0].positions - ends[1].positions).max() > 1e-3
    assert all(np.abs(atoms.get_center_of_mass()).max() < 1e-6 for atoms in ends)


@needs_extra
def test_relaxed_molecule_is_a_minimum_and_not_a_symmetric_saddle():
    molecule = relaxed_molecule("Nc1ncccc1", seed=0)  # its amine, embedded flat or upright, would stay so
    from intertwine.potentials.data.label import single_point

    energy = single_point(molecule.atoms).get_potential_energy()
    assert np.abs(single_point(molecule.atoms).get_forces()).max() < 0.011
    rng = np.random.default_rng(0)
    for _ in range(4):
        moved = molecule.atoms.copy()
        moved.positions += 0.02 * rng.standard_normal(moved.positions.shape)
        assert single_point(moved).get_potential_energy() > energy
    assert molecule.stretch(molecule.atoms.positions) == pytest.approx(np.ones(len(molecule.bonds)))


@needs_extra
@pytest.mark.parametrize(
    ("smiles", "words"), [("C1CC(", "cannot read"), ("", "cannot read"), ("C.C", "fragments"), ("*C", "H to Rn")]
)
def test_smiles_that_is_no_molecule_is_refused(smiles, words):
    with pytest.raises(GraphError, match=words):
        relaxed_molecule(smiles)


def test_schedule_leaves_equilibration_gap_and_spacing():
    run = Trajectory(300.0, 0, 0, (("train", 3), ("test", 2)), spacing=40.0, equilibration=1000.0, gap=2000.0)
    steps = schedule(run)
    assert [step / 2 for step in steps] == [1040, 1080, 1120, 3160, 3200]
    assert list(steps.values()) == ["train"] * 3 + ["test"] * 2


@pytest.mark.parametrize(
    "change",
    [{"temperatures": ()}, {"temperatures": (300.0, 300.2)}, {"temperatures": (-1.0,)}, {"train_frames": 0}]
    + [
        {"walkers": 0},
        {"test_frames": -1},
        {"spacing": 0.1},
        {"gap": -1.0},
        {"spacing": float("nan")},
        {"temperatures": (float("inf"),)},
    ],
)
def test_plan_that_cannot_be_carried_out_is_refused_before_the_work(change):
    with pytest.raises(GraphError, match="expected"):
        plan(**{"temperatures": (300.0,), **SHORT, "seed": 0} | change)


def test_broken_bond_stops_the_run_and_a_long_one_does_not():
    molecule = hydrogen()
    molecule.refuse_broken(np.array([[0, 0, 0], [0, 0, 1.4 * 0.74]]), "here")
    with pytest.raises(GraphError, match=r"900 K, step 3: bond H0-H1 is 1\.60 times"):
        molecule.refuse_broken(np.array([[0, 0, 0], [0, 0, 1.6 * 0.74]]), "900 K, step 3")


@needs_extra
def test_summary_of_known_frames():
    from intertwine.potentials.data.label import single_point

    frames = [single_point(hydrogen(length).atoms) for length in (0.7, 0.8)]
    numbers = summarise(hydrogen(), "test", frames)
    forces = [frame.get_forces()[0, 2] for frame in frames]
    assert numbers.force_rms == pytest.approx(np.sqrt((forces[0] ** 2 + forces[1] ** 2) / 6))
    assert numbers.largest_stretch == pytest.approx(0.8 / 0.74) and numbers.stretched_bond == "H0-H1"
    assert numbers.energy_mean == pytest.approx(np.mean([frame.get_potential_energy() for frame in frames]))
