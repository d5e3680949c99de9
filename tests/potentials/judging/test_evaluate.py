"""Errors of a potential, set by set, against a loop over structures."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.data import atomic_numbers
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.judging.evaluate import compare, evaluate
from intertwine.potentials.models.potential import NonFiniteError, Potential
from intertwine.potentials.models.predict import batches_of_edges, predictions
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect

REFERENCES = {1: -13.6, 6: -1029.5, 8: -2041.8}


def potential(dtype: torch.dtype = torch.float64) -> Potential:
    choices = dict(species=list(REFERENCES), cutoff=3.0, channels=4, edge_degree=1, correlation=2, radial_hidden=[8])
    return build_potential("mace", choices, REFERENCES, seed=0).to(dtype)


def frames() -> list[Graph]:
    """Seven labelled molecules in three sets, one of which has no name, in mixed order."""
    generator, graphs = np.random.default_rng(0), []
    for index, (name, group) in enumerate(
        [("H2O", "hot"), ("CO2", ""), ("CH4", "hot"), ("H2O", "cold"), ("CH3OH", ""), ("CO", "cold"), ("H2", "hot")]
    ):
        atoms = molecule(name)
        atoms.rattle(0.05, seed=index)
        graph = from_atoms(atoms)
        total = sum(REFERENCES[number] for number in atoms.numbers.tolist())
        graphs.append(
            replace(
                graph,
                energy=torch.from_numpy(total + generator.standard_normal(1)),
                forces=torch.from_numpy(generator.standard_normal((len(atoms), 3))),
                groups=(group,) if group else (),
            )
        )
    return graphs


def test_each_set_equals_a_loop_over_its_structures():
    judged, results = potential(), {result.name: result for result in evaluate(potential(), frames(), batch_edges=30)}
    assert list(results) == ["hot", "all", "cold"]
    for name, result in results.items():
        members = [graph for graph in frames() if ("".join(graph.groups) or "all") == name]
        energy, predicted_energy, forces, predicted_forces = [], [], [], []
        for graph in members:
            prediction = judged(connect(graph, 3.0))
            reference = sum(REFERENCES[number] for number in graph.numbers.tolist())
            energy.append((graph.energy.item() - reference) / graph.node_count)
            predicted_energy.append((prediction.energy.item() - reference) / graph.node_count)
            forces.append(graph.forces.numpy())
            predicted_forces.append(prediction.forces.detach().numpy())
        np.testing.assert_allclose(result.energy.label, energy, rtol=0, atol=1e-10)
        np.testing.assert_allclose(result.energy.predicted, predicted_energy, rtol=0, atol=1e-10)
        np.testing.assert_array_equal(result.forces.label, np.concatenate(forces))
        np.testing.assert_allclose(result.forces.predicted, np.concatenate(predicted_forces), rtol=0, atol=1e-12)
        assert result.numbers.tolist() == [number for graph in members for number in graph.numbers.tolist()]
        difference = np.concatenate(predicted_forces) - np.concatenate(forces)
        assert result.metrics["force_rmse"] == pytest.approx(1000 * np.sqrt((difference**2).mean()), rel=1e-10)
        assert result.metrics["energy_mae"] == pytest.approx(
            1000 * np.abs(np.subtract(predicted_energy, energy)).mean(), rel=1e-6
        )


def test_the_predict_mean_baseline_takes_the_mean_it_is_given():
    own, given = evaluate(potential(), frames()[:1]), evaluate(potential(), frames()[:1], mean_energy=0.25)
    assert own[0].metrics["energy_rmse_predict_mean"] == 0
    assert given[0].metrics["energy_rmse_predict_mean"] == pytest.approx(1000 * abs(own[0].energy.label[0] - 0.25))


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("batch_edges", [1, 50, 10_000])
def test_the_size_of_batches_changes_nothing_beyond_rounding(dtype, allowed, batch_edges):
    graphs = [graph.to(dtype=dtype) for graph in frames()]
    expected, found = (evaluate(potential(dtype), graphs, batch_edges=size) for size in (20, batch_edges))
    for a, b in zip(expected, found, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(a.forces.predicted, b.forces.predicted, rtol=0, atol=allowed)
        np.testing.assert_allclose(a.energy.predicted, b.energy.predicted, rtol=0, atol=max(allowed, 1e-9))


def test_batches_of_structures_and_single_ones_with_or_without_edges_are_the_same_to_it():
    expected = evaluate(potential(), frames())
    connected = evaluate(potential(), [connect(graph, 3.0) for graph in frames()])
    longer = evaluate(potential(), [connect(graph, 3.5) for graph in frames()])
    named = [replace(graph, groups=graph.groups or ("all",)) for graph in frames()]
    batched = evaluate(potential(), [collate(named[:4]), collate(named[4:])])
    for other in (connected, longer, batched):
        assert [each.name for each in other] == [each.name for each in expected]
        for a, b in zip(expected, other, strict=True):
            np.testing.assert_array_equal(a.forces.predicted, b.forces.predicted)


def test_batches_hold_as_many_structures_as_the_limit_of_atoms_and_edges_allows():
    def cost(graphs: list[Graph]) -> int:
        return sum(graph.node_count + len(graph.senders) for graph in graphs)

    batches = list(batches_of_edges(frames(), 3.0, 40))
    assert [len(batch) for batch in batches] != [1] * 7 and sum(map(len, batches)) == 7
    for batch, following in pairwise(batches):
        assert len(batch) == 1 or cost(batch) <= 40
        assert cost(batch) + cost(following[:1]) > 40
    assert [len(batch) for batch in batches_of_edges(frames(), 3.0, 1)] == [1] * 7


def test_progress_counts_structures_up_to_all_of_them():
    seen = []
    evaluate(potential(), frames(), batch_edges=1, progress=lambda done, count: seen.append((done, count)))
    assert seen == [(done, 7) for done in range(1, 8)]


def test_predictions_come_without_autograd_in_the_order_of_the_structures():
    batches = list(predictions(potential(), frames(), batch_edges=40))
    assert len(batches) > 1
    numbers = torch.cat([batch.numbers for batch, _, _ in batches])
    assert torch.equal(numbers, torch.cat([graph.numbers for graph in frames()]))
    assert not any(answer.energy.requires_grad or answer.forces.requires_grad for _, answer, _ in batches)


def refusal(graphs: list[Graph], kind: type[Exception] = GraphError, judged: Potential | None = None) -> str:
    with pytest.raises(kind) as caught:
        evaluate(judged or potential(), graphs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("label", ["energy", "forces"])
def test_a_frame_without_a_label_is_skipped_for_it_and_counted(label):
    graphs = frames()
    graphs[4] = replace(graphs[4], **{label: None})  # of the set "all", whose other structure is graphs[1]
    expected = {each.name: each for each in evaluate(potential(), [graphs[1]])}["all"]
    found = {each.name: each for each in evaluate(potential(), graphs)}["all"]
    other = "forces" if label == "energy" else "energy"
    assert found.structures == 2 and found.labelled == {"energy": 2, "forces": 2, "stress": 0} | {label: 1}
    assert found.errors[label].rmse == pytest.approx(expected.errors[label].rmse, rel=1e-9)
    assert found.errors[label].count == expected.errors[label].count
    assert found.errors[other].count > expected.errors[other].count
    assert (label in found.errors, "stress" in found.errors) == (True, False)


def test_no_label_at_all_is_refused_unless_predictions_are_wanted():
    bare = [replace(graph, energy=None, forces=None) for graph in frames()]
    assert "has energy, forces or stress" in refusal(bare)
    found = compare(potential(), bare, unlabelled=True)
    full = compare(potential(), frames())
    assert [answer.energy.item() for answer in found.predicted] == [answer.energy.item() for answer in full.predicted]
    assert found.total().errors == {}


def crystals() -> list[Graph]:
    """Two argon crystals with a stress, a force and an energy label, and a pair of atoms without cell or stress."""
    found = []
    for seed in (1, 2):
        atoms = bulk("Ar", "fcc", a=5.2, cubic=True)
        atoms.rattle(0.1, seed=seed)
        graph = connect(from_atoms(atoms), 6.0)
        with torch.no_grad():
            answer = argon()(graph, stress=True)
        shifted = answer.stress + 0.001 * seed * torch.eye(3, dtype=torch.float64)
        found.append(replace(graph, energy=answer.energy, forces=answer.forces, stress=shifted))
    pair = connect(from_atoms(Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]])), 6.0)
    return [found[0], replace(pair, energy=torch.zeros(1, dtype=torch.float64)), found[1]]


def test_stress_is_judged_where_there_is_a_label_among_molecules_without_cell():
    (result,) = evaluate(argon(), crystals())
    assert result.labelled == {"energy": 3, "forces": 2, "stress": 2}
    error = 1000 * np.array([0.001, 0.002])  # on three of nine components
    assert result.metrics["stress_rmse"] == pytest.approx(np.sqrt((error**2).mean() / 3), rel=1e-6)
    assert result.metrics["stress_max"] == pytest.approx(2.0)
    assert result.metrics["stress_rmse_GPa"] == pytest.approx(result.metrics["stress_rmse"] * 0.001 / units.GPa)
    assert result.metrics["force_rmse"] < 1e-9
    reversed_order = evaluate(argon(), crystals()[::-1])[0]
    assert reversed_order.metrics["stress_rmse"] == pytest.approx(result.metrics["stress_rmse"])


def test_an_unknown_species_is_named_before_anything_is_computed():
    graphs = frames()
    ammonia = from_atoms(molecule("NH3"))
    graphs.append(
        replace(ammonia, energy=torch.zeros(1, dtype=torch.float64), forces=torch.zeros_like(graphs[2].forces[:4]))
    )
    seen = []
    with pytest.raises(GraphError) as caught:
        evaluate(potential(), graphs, progress=lambda *done: seen.append(done))
    assert f"species N ({atomic_numbers['N']}) is unknown" in str(caught.value) and "\n" not in str(caught.value)
    assert seen == []


def test_an_empty_list_is_refused():
    assert "there are no structures" in refusal([])


def test_a_prediction_that_is_not_finite_is_refused():
    broken = potential()
    with torch.no_grad():
        broken.model.embedding.weight.fill_(torch.nan)
    assert "energy of" in refusal(frames(), NonFiniteError, broken)


def test_isolated_atoms_are_judged_only_where_there_is_nothing_else():
    atom = replace(
        from_atoms(Atoms("O")),
        energy=torch.tensor([REFERENCES[8] + 0.5], dtype=torch.float64),
        forces=torch.zeros(1, 3, dtype=torch.float64),
    )
    (result,) = evaluate(potential(), [atom])
    assert result.energy.label.tolist() == pytest.approx([0.5]) and result.energy.predicted.tolist() == [0]
    found = compare(potential(), [atom, *frames()])
    assert found.total().structures == 7 and len(found.predicted) == 8


def test_sets_are_made_of_any_names():
    found = compare(potential(), frames())
    odd, even = found.sets(["odd", "even"] * 3 + ["odd"])
    assert (odd.structures, even.structures) == (4, 3)
    total = found.total()
    squares = [each.errors["forces"].count * each.errors["forces"].rmse ** 2 for each in (odd, even)]
    assert sum(squares) == pytest.approx(total.errors["forces"].count * total.errors["forces"].rmse ** 2)


def test_a_potential_without_any_parameter_is_judged_too():
    pair = from_atoms(Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]]))
    with torch.no_grad():
        answer = argon()(connect(pair, 6.0))
    (result,) = evaluate(argon(), [replace(pair, energy=answer.energy, forces=answer.forces)])
    assert (
        result.metrics["force_rmse"] == result.metrics["energy_rmse"] == 0 < result.metrics["force_rmse_predict_zero"]
    )
