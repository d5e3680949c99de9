"""Errors of a potential, set by set, against a loop over structures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_numbers
from lennard_jones import argon

from intertwine.potentials.batching import collate
from intertwine.potentials.evaluate import evaluate, predictions
from intertwine.potentials.graph import Graph, GraphError
from intertwine.potentials.neighbors import connect
from intertwine.potentials.potential import NonFiniteError, Potential
from intertwine.potentials.readers import from_atoms
from intertwine.potentials.saved import build_potential

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
    judged, results = potential(), {result.name: result for result in evaluate(potential(), frames(), batch_size=2)}
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
        np.testing.assert_allclose(result.energy, energy, rtol=0, atol=1e-10)
        np.testing.assert_allclose(result.predicted_energy, predicted_energy, rtol=0, atol=1e-10)
        np.testing.assert_array_equal(result.forces, np.concatenate(forces))
        np.testing.assert_allclose(result.predicted_forces, np.concatenate(predicted_forces), rtol=0, atol=1e-12)
        assert result.numbers.tolist() == [number for graph in members for number in graph.numbers.tolist()]
        difference = np.concatenate(predicted_forces) - np.concatenate(forces)
        assert result.metrics["force_rmse"] == pytest.approx(1000 * np.sqrt((difference**2).mean()), rel=1e-10)
        assert result.metrics["energy_mae"] == pytest.approx(
            1000 * np.abs(np.subtract(predicted_energy, energy)).mean(), rel=1e-6
        )


def test_the_predict_mean_baseline_takes_the_mean_it_is_given():
    own, given = evaluate(potential(), frames()[:1]), evaluate(potential(), frames()[:1], mean_energy=0.25)
    assert own[0].metrics["energy_rmse_predict_mean"] == 0
    assert given[0].metrics["energy_rmse_predict_mean"] == pytest.approx(1000 * abs(own[0].energy[0] - 0.25))


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_changes_nothing_beyond_rounding(dtype, allowed, batch_size):
    graphs = [graph.to(dtype=dtype) for graph in frames()]
    expected, found = (evaluate(potential(dtype), graphs, batch_size=size) for size in (2, batch_size))
    for a, b in zip(expected, found, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(a.predicted_forces, b.predicted_forces, rtol=0, atol=allowed)
        np.testing.assert_allclose(a.predicted_energy, b.predicted_energy, rtol=0, atol=max(allowed, 1e-9))


def test_batches_of_structures_and_single_ones_with_or_without_edges_are_the_same_to_it():
    expected = evaluate(potential(), frames())
    connected = evaluate(potential(), [connect(graph, 3.0) for graph in frames()])
    longer = evaluate(potential(), [connect(graph, 3.5) for graph in frames()])
    named = [replace(graph, groups=graph.groups or ("all",)) for graph in frames()]
    batched = evaluate(potential(), [collate(named[:4]), collate(named[4:])])
    for other in (connected, longer, batched):
        assert [each.name for each in other] == [each.name for each in expected]
        for a, b in zip(expected, other, strict=True):
            np.testing.assert_array_equal(a.predicted_forces, b.predicted_forces)


def test_progress_counts_structures_up_to_all_of_them():
    seen = []
    evaluate(potential(), frames(), batch_size=2, progress=lambda done, count: seen.append((done, count)))
    assert seen == [(2, 7), (3, 7), (5, 7), (7, 7)]


def test_predictions_come_without_autograd_in_the_order_of_the_structures():
    batches = list(predictions(potential(), frames(), batch_size=3))
    assert [batch.graph_count for batch, _ in batches] == [3, 3, 1]
    numbers = torch.cat([batch.numbers for batch, _ in batches])
    assert torch.equal(numbers, torch.cat([graph.numbers for graph in frames()]))
    assert not any(prediction.energy.requires_grad or prediction.forces.requires_grad for _, prediction in batches)


def refusal(graphs: list[Graph], kind: type[Exception] = GraphError, judged: Potential | None = None) -> str:
    with pytest.raises(kind) as caught:
        evaluate(judged or potential(), graphs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("label", ["energy", "forces"])
def test_a_missing_label_is_named_with_its_frame(label):
    graphs = frames()
    graphs[4] = replace(graphs[4], **{label: None})
    assert f"{graphs[4].place(0)}: {label} is missing" in refusal(graphs)


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


def test_isolated_atoms_are_judged_by_their_references():
    atom = replace(
        from_atoms(Atoms("O")),
        energy=torch.tensor([REFERENCES[8] + 0.5], dtype=torch.float64),
        forces=torch.zeros(1, 3, dtype=torch.float64),
    )
    (result,) = evaluate(potential(), [atom])
    assert result.energy.tolist() == pytest.approx([0.5]) and result.predicted_energy.tolist() == [0]


def test_a_potential_without_any_parameter_is_judged_too():
    pair = from_atoms(Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]]))
    with torch.no_grad():
        answer = argon()(connect(pair, 6.0))
    (result,) = evaluate(argon(), [replace(pair, energy=answer.energy, forces=answer.forces)])
    assert (
        result.metrics["force_rmse"] == result.metrics["energy_rmse"] == 0 < result.metrics["force_rmse_predict_zero"]
    )
