from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from intertwine.experiments import rotated_classes, shape_sets
from intertwine.experiments.data_folder import DataFolderError
from intertwine.experiments.experiment import Budget
from intertwine.experiments.rotated_classes import ClassesSize, Classified
from intertwine.experiments.tinvnn import paper as tinvnn
from intertwine.experiments.tinvnn import tours as tinvnn_tours
from intertwine.experiments.tinvnn.tours import CHANGES, ToursSize
from intertwine.experiments.verdict import Verdict
from intertwine.geometry.array_file import ArrayFileError
from intertwine.geometry.meshes import MeshError

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
TINY = tinvnn.Size(
    ClassesSize(24, 24, 24, tinvnn.plan(1, 12), widths=(8, 16)),
    ToursSize(16, 16, 5, tinvnn.plan(1, 8), width=8, layers=1),
)
EXPERIMENT = replace(tinvnn.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY)})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return EXPERIMENT.run("tiny", out=tmp_path_factory.mktemp("tinvnn"))


def test_it_runs_from_end_to_end_and_a_single_seed_decides_nothing(outcome):
    assert outcome.data.startswith("Stand-in data") and outcome.verdict is OPEN
    classes, tours = outcome.measured.tables
    assert [row.name for row in classes.ours] == [method.name for method in tinvnn.METHODS]
    assert all(0 <= cell.value <= 100 for row in classes.ours for cell in row.cells[:3])
    assert len(tours.ours) == 4 and all(cell.value >= -1e-4 for row in tours.ours for cell in row.cells)


def test_even_untrained_methods_are_invariant_and_bare_networks_are_not(outcome):
    classes, tours = outcome.measured.tables
    errors = {row.name: (row.cells[3].value, row.cells[4].value) for row in classes.ours}
    for name in (rotated_classes.EMBEDDED, rotated_classes.AVERAGED):
        assert errors[name][0] < 2.0 and errors[name][1] < 1e-3, name
    assert errors[rotated_classes.BARE][0] > 1e3 < errors[rotated_classes.TURNED][0]
    gaps = {row.name: {round(cell.value, 4) for cell in row.cells} for row in tours.ours}
    assert len(gaps[tinvnn_tours.EMBEDDED]) == len(gaps[tinvnn_tours.AVERAGED]) == 1 < len(gaps[tinvnn_tours.BARE])


def test_shortest_tours_are_those_of_brute_force():
    instances = tinvnn_tours.draw_instances(6, 6, torch.Generator().manual_seed(0))
    for x, length in zip(instances.cities, instances.length, strict=True):
        d = torch.cdist(x, x)
        tours = torch.tensor([(0, *rest) for rest in permutations(range(1, 6))])
        assert float(length) == pytest.approx(float(d[tours, tours.roll(-1, 1)].sum(1).min()), rel=1e-5)
    assert torch.equal(instances.edges.sum(-1), torch.full((6, 6), 2))


class Known(torch.nn.Module):
    """Knows the shortest tours."""

    def __init__(self, edges):
        super().__init__()
        self.edges = edges

    def forward(self, x):
        return self.edges.float()


def test_decoded_tours_visit_every_city_and_perfect_scores_are_perfect():
    instances = tinvnn_tours.draw_instances(10, 7, torch.Generator().manual_seed(1))
    assert tinvnn_tours.gap(Known(instances.edges), instances, instances.cities) == pytest.approx(0, abs=1e-6)
    edges = tinvnn_tours.tours_from(torch.randn(10, 7, 7))
    for tour in edges.tolist():
        near = {city: [b if a == city else a for a, b in tour if city in (a, b)] for city in range(7)}
        assert all(len(each) == 2 for each in near.values())
        seen, here = [0], near[0][0]
        while here != 0:
            before, here = here, next(city for city in near[here] if city != seen[-1])
            seen.append(before)
        assert len(seen) == 7


def classified(accuracy, error=1e-7):
    return Classified({"I": 1.0, "z": 1.0, "SO(3)": accuracy}, error, 1e-12)


def test_numbers_decide_the_findings():
    def verdicts(embedded=0.95, averaged=0.96, augmented=0.8, error=1e-7):
        run = {
            rotated_classes.EMBEDDED: classified(embedded, error),
            rotated_classes.AVERAGED: classified(averaged),
            rotated_classes.TURNED: classified(augmented),
        }
        findings = (
            rotated_classes.invariance([run] * 2, rotated_classes.EMBEDDED),
            rotated_classes.as_accurate([run] * 2),
            rotated_classes.above_augmented([run] * 2, rotated_classes.EMBEDDED),
        )
        return [finding.verdict for finding in findings]

    assert verdicts() == [YES, YES, YES]
    assert verdicts(error=1e-5) == [NO, YES, YES]
    assert verdicts(averaged=0.99) == [YES, NO, YES]
    assert verdicts(augmented=0.9) == [YES, YES, NO]
    same = dict.fromkeys(CHANGES, 0.02)
    run = {tinvnn_tours.BARE: {**same, "turned": 0.05}, tinvnn_tours.EMBEDDED: same}
    assert [each.verdict for each in tinvnn_tours.findings([run] * 2)] == [YES, YES]
    run = {tinvnn_tours.BARE: same, tinvnn_tours.EMBEDDED: {**same, "shifted": 0.021}}
    assert [each.verdict for each in tinvnn_tours.findings([run] * 2)] == [NO, NO]


def test_a_folder_without_furniture_is_told_in_one_line_before_anything_is_trained(tmp_path):
    with pytest.raises(DataFolderError, match="kenney_furniture") as caught:
        EXPERIMENT.opening("tiny", data=tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "furniture").mkdir()
    (tmp_path / shape_sets.FURNITURE).write_bytes(b"nothing")
    with pytest.raises(ArrayFileError, match="kenney_furniture"):
        shape_sets.load_shapes(tmp_path, 8, 8, 8)
    np.savez(tmp_path / shape_sets.FURNITURE, other=np.zeros(3))
    with pytest.raises(MeshError, match="READMEs"):
        shape_sets.load_shapes(tmp_path, 8, 8, 8)
