"""Rows on whole potentials: structures of the size they claim, and passes that do what they say."""

import numpy as np
import pytest
import torch

from intertwine.experiments.bench import ours
from intertwine.experiments.bench.agreement import Disagreement, compare
from intertwine.experiments.bench.cases import Case
from intertwine.experiments.bench.inputs import draw_inputs
from intertwine.experiments.bench.model_passes import model_passes
from intertwine.experiments.bench.potential_rows import POTENTIALS
from intertwine.experiments.bench.systems import MOLECULE, NEIGHBORS, cluster, system, water

SMALL = {"channels": 2, "radial_hidden": [4]}


def small(case: Case) -> Case:
    model = case.data["model"]
    model = {**model, "hyperparameters": {**model["hyperparameters"], **SMALL}}
    size = {"water": 2} if "water" in case.data else {"molecules": 1}
    return Case(case.setting, case.degree, {**case.data, "model": model, **size}, case.name, case.passes)


def test_molecules_have_as_many_edges_as_they_claim():
    edges = [len(system({"molecules": 1}, seed).senders) for seed in range(20)]
    assert np.mean(edges) == pytest.approx(NEIGHBORS * MOLECULE, rel=0.1)
    points = cluster(np.random.default_rng(0)).positions
    assert np.linalg.norm(points[:, None] - points, axis=-1)[~np.eye(len(points), dtype=bool)].min() > 1.0


def test_water_is_as_dense_as_water():
    box = water(6, np.random.default_rng(0))
    assert len(box) == 648 and box.get_masses().sum() / box.get_volume() * 1.66054 == pytest.approx(0.997, rel=0.01)


@pytest.mark.parametrize("row", POTENTIALS, ids=lambda row: row.key)
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_our_side_gives_every_pass_of_its_case(row, degree):
    case = small(row.cases([degree])[0])
    inputs = draw_inputs(row.key, case)
    passes = ours.build(row.key, case.data, inputs)
    assert tuple(passes) == case.passes
    for run, export in passes.values():
        compare({"edges": np.array([len(inputs["senders"])])}, export(run()))


def test_a_side_that_sees_another_graph_is_refused():
    with pytest.raises(Disagreement, match="edges"):
        compare({"edges": np.array([446])}, {"edges": np.array([445])})


def test_a_training_step_moves_the_weights_and_other_passes_do_not():
    weight = torch.nn.Parameter(torch.ones(3))

    def predict(training: bool):
        return weight.sum().unsqueeze(0), weight.unsqueeze(0)

    for train, moved in ((False, False), (True, True)):
        before = weight.detach().clone()
        for run, _ in model_passes(predict, [weight], 2, train=train).values():
            run()
        assert torch.equal(before, weight) != moved


def test_a_result_that_is_not_finite_is_no_result():
    weight = torch.ones(1, requires_grad=True)
    passes = model_passes(lambda training: (weight.log() / 0, torch.zeros(1, 3)), [weight], 2, train=False)
    run, export = passes["energy and forces"]
    with pytest.raises(ArithmeticError, match="not finite"):
        export(run())
