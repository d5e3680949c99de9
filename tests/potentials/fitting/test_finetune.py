"""Fine-tuning learns new labels from where a potential stands, and replay keeps what it knew."""

from dataclasses import replace

import pytest
import torch
from test_fit import ATOM, configuration, frames, isolated
from test_heads import OTHER, of_another_theory

from intertwine.potentials.data.readers import write
from intertwine.potentials.fitting.config import FinetuneConfig
from intertwine.potentials.fitting.config_file import ConfigError
from intertwine.potentials.fitting.finetune import finetune_potential, freeze, refit
from intertwine.potentials.fitting.fit import ready
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.fitting.training_run import fit_potential
from intertwine.potentials.fitting.validation import make_validation
from intertwine.potentials.models.saved import build_potential, load
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.training.progress import Quiet
from intertwine.training.weights import snapshot


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A potential of one level of theory, files of both, and a new one with few frames."""
    folder = tmp_path_factory.mktemp("finetune")
    old = [isolated(18, ATOM), *frames(24)]
    write(folder / "old.extxyz", old)
    write(folder / "new.extxyz", [of_another_theory(graph) for graph in frames(40)[28:]])
    write(folder / "new_test.extxyz", [of_another_theory(graph) for graph in frames(28)[24:]])
    write(folder / "old_test.extxyz", frames(28)[24:])
    config = configuration(folder, old, train={"epochs": 25})
    fit_potential(config, progress=Quiet())
    return folder


def finetuned(folder, out, **changes):
    content = {
        "version": 1,
        "start": str(folder / "run" / "potential"),
        "data": {"train": str(folder / "new.extxyz"), "valid": str(folder / "new_test.extxyz")},
        "train": {"epochs": 15, "batch_size": 6, "learning_rate": 0.01, "ema": 0.9},
        "device": "cpu",
        "out": str(out),
        **changes,
    }
    return finetune_potential(FinetuneConfig.model_validate(content), progress=Quiet())


def force_error(potential, path) -> float:
    from intertwine.potentials.data.readers import read

    return make_validation(ready(read(path), potential), LossWeights(), batch_size=8)(potential)["forces_rmse"]


def test_finetuning_learns_the_new_and_replay_keeps_the_old(start, tmp_path):
    old, new = start / "old_test.extxyz", start / "new_test.extxyz"
    before = load(start / "run" / "potential")
    alone = load(finetuned(start, tmp_path / "alone"))
    assert force_error(alone, new) < 0.5 * force_error(before, new)
    folder = finetuned(start, tmp_path / "replayed", replay={"train": str(start / "old.extxyz"), "valid": 0.2})
    assert force_error(load(folder), new) < 0.5 * force_error(before, new)
    assert force_error(load(folder, head="replay"), old) < 1.2 * force_error(before, old)
    assert force_error(alone, old) > 2 * force_error(before, old)  # without replay it forgets
    assert load(folder, head="replay").reference_energies == before.reference_energies == {18: ATOM}
    # a new level of theory, 2 eV an atom away, is no error: it was taken into the energies of atoms
    assert load(folder).reference_energies[18] + load(folder).shift == pytest.approx(OTHER, abs=1.5)


def test_energies_of_atoms_are_refitted_by_the_shortest_change(start):
    potential = load(start / "run" / "potential")
    graphs = ready([of_another_theory(graph) for graph in frames(6)], potential)

    def left(references, shift) -> torch.Tensor:
        with torch.no_grad():
            predicted = torch.cat([potential(graph, forces=False).energy for graph in graphs])
        moved = references[18] + shift - potential.reference_energies[18] - potential.shift
        return torch.cat([graph.energy for graph in graphs]) - predicted - 4 * moved

    references, shift = refit(potential, graphs, {})
    assert shift == pytest.approx(potential.shift, abs=1e-9)
    assert left(references, shift).mean().item() == pytest.approx(0.0, abs=1e-6)
    references, shift = refit(potential, graphs, {18: OTHER, 79: 3.0})
    assert references == {18: OTHER}
    assert left(references, shift).mean().item() == pytest.approx(0.0, abs=1e-6)
    unlabelled = [replace(graph, energy=None) for graph in graphs]
    assert refit(potential, unlabelled, {}) == (potential.reference_energies, potential.shift)


def test_elements_that_the_new_frames_lack_keep_their_energy():
    potential = build_potential(
        "mace", {"species": [18, 54], "cutoff": 6.0, "channels": 4, "edge_degree": 1}, {18: 0.0, 54: -7.0}, seed=0
    ).double()
    references, _ = refit(potential, ready(frames(3), potential), {})
    assert references[54] == -7.0 and references[18] == pytest.approx(ATOM, abs=1.0)


def test_frozen_parts_stay_as_they_are_and_the_others_do_not(start, tmp_path):
    changes = {"train": {"epochs": 1, "batch_size": 6}, "freeze": ["embedding", "interactions.0.radial"]}
    folder = finetuned(start, tmp_path / "frozen", **changes)
    before, after = snapshot(load(start / "run" / "potential")), snapshot(load(folder))
    same = {name for name in before if torch.equal(before[name], after[name])}
    frozen = {name for name in before if "embedding" in name or "interactions.0.radial" in name}
    assert frozen and frozen <= same
    assert not any("mix_messages" in name or "readout" in name for name in same)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["embeding"], 'the model has no part "embeding". Did you mean "embedding"?'),
        (["zzz"], 'the model has no part "zzz". It has embedding, interactions, readouts.'),
        (["embedding", "interactions", "readouts"], "are all that the model has; leave something to train"),
    ],
)
def test_parts_that_cannot_be_frozen_are_named(names, words):
    potential = build_potential("mace", {"species": [18], "cutoff": 6.0, "channels": 4, "edge_degree": 1}, {18: 0.0})
    with pytest.raises(ConfigError) as caught:
        freeze(potential, names)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_element_that_the_potential_lacks_is_one_line(start, tmp_path):
    def xenon(graph: Graph) -> Graph:
        return replace(graph, numbers=torch.full_like(graph.numbers, 54))

    write(tmp_path / "xenon.extxyz", [xenon(graph) for graph in frames(4)])
    with pytest.raises(GraphError, match=r"xenon.extxyz frame .*: species Xe \(54\) is unknown .* knows Ar") as caught:
        finetuned(start, tmp_path / "out", data={"train": str(tmp_path / "xenon.extxyz")})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
