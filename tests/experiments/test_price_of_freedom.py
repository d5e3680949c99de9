from dataclasses import replace

import pytest
import torch

from intertwine.experiments.experiment import Budget
from intertwine.experiments.price_of_freedom import measures as freedom_measures
from intertwine.experiments.price_of_freedom import paper as price_of_freedom
from intertwine.experiments.price_of_freedom import tetris as freedom_tetris
from intertwine.experiments.price_of_freedom import training as freedom_training
from intertwine.experiments.price_of_freedom.measures import CG, GRID, Measures
from intertwine.experiments.price_of_freedom.tetris import Accuracy, Classifier
from intertwine.experiments.verdict import Verdict
from intertwine.tensor_products.analysis.expressivity import expressivity
from intertwine.tensor_products.clebsch_gordan import ClebschGordan

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
TINY = replace(price_of_freedom.BUDGETS["smoke"].size, degrees=(1, 2), rounds=3, steps=5, batch=1)
EXPERIMENT = replace(price_of_freedom.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY, seeds=2)})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return EXPERIMENT.run("tiny", out=tmp_path_factory.mktemp("freedom"), progress=lambda *stage: None)


def test_it_runs_from_end_to_end_and_keeps_the_paper_apart(outcome):
    spans, costs, slopes, tetris, training = outcome.measured.tables
    assert [row.cells[0].value for row in spans.ours if CG in row.name] == [6, 19]
    assert [row.cells[0].value for row in spans.ours if row.name.endswith(GRID)] == [5, 9]
    assert len(costs.ours) == 2 * len(freedom_measures.PRODUCTS) and not costs.paper
    assert {row.name for row in slopes.ours} == set(freedom_measures.PRODUCTS)
    assert [row.name for row in tetris.ours] == list(freedom_tetris.PRODUCTS)
    assert training.paper[0].cells[1].value == 1.3
    for table in outcome.measured.tables:
        assert {row.source for row in table.ours} == {"this run"} and {row.source for row in table.paper} <= {"paper"}
    assert outcome.measured.findings[0].verdict is YES
    assert [finding.verdict for finding in outcome.measured.findings[1:]] == [OPEN] * 4


def test_only_products_with_odd_paths_see_mirrors():
    seen = {name: Classifier(make, 2).sees_mirrors for name, make in freedom_tetris.PRODUCTS.items()}
    assert seen == {"Clebsch-Gordan": True, "Gaunt": False, "Gaunt and bracket": True}


@pytest.mark.parametrize("name", freedom_tetris.PRODUCTS)
def test_classifiers_are_invariant_and_mirrors_change_what_should(name):
    model = Classifier(freedom_tetris.PRODUCTS[name], 2)
    points = freedom_tetris.shapes()
    here, turned, mirrored = (
        model(points),
        model(freedom_tetris._turned(torch.Generator().manual_seed(1))),
        model(-points),
    )
    assert torch.allclose(here, turned, rtol=1e-3, atol=1e-4)
    assert torch.allclose(here, mirrored, atol=1e-4) is not model.sees_mirrors


def test_the_screws_are_mirror_images_and_no_other_two_shapes_are():
    points = freedom_tetris.shapes()
    spectra = torch.cdist(points, points).flatten(1).sort(1).values
    alike = [(i, j) for i in range(8) for j in range(i) if torch.allclose(spectra[i], spectra[j], atol=1e-5)]
    assert (1, 0) in alike
    left, right = points[0], points[1]
    assert torch.allclose((left * torch.tensor([1.0, -1.0, 1.0])).sort(0).values, right.sort(0).values)


def measures(flops: float = 1.0, dim: int = 0, degrees: tuple[int, ...] = (2, 4)) -> Measures:
    one, dims = expressivity(ClebschGordan("0e", "0e")), {2: dim or 19, 4: dim or 85}
    spans = {
        name: {L: replace(one, dim=dims[L] if name == CG else 4 * L + 1) for L in degrees}
        for name in freedom_measures.PRODUCTS
    }
    seconds = {L: {name: [1.0, 1.0] for name in freedom_measures.PRODUCTS} for L in degrees}
    operations = {L: round(1000 * flops * dims[L]) for L in degrees}
    return Measures(spans, seconds, {CG: operations, GRID: {L: 1000 * (4 * L + 1) for L in degrees}})


def tetris(cg: float = 1.0, gaunt: float = 0.5, runs: int = 2) -> dict[str, list[Accuracy]]:
    return {name: [Accuracy(1.0, gaunt if name == "Gaunt" else cg)] * runs for name in freedom_tetris.PRODUCTS}


def verdicts(found=None, named=None, gain: float = 1.5, wide: bool = True) -> list[Verdict]:
    training = {name: [1.0] * 3 for name in (freedom_training.KERNEL, freedom_training.GRID)}
    training[freedom_training.FOURIER] = [gain] * 3
    findings = price_of_freedom.judge(found or measures(), named or tetris(), training, wide=wide)
    return [finding.verdict for finding in findings]


def test_numbers_decide_the_findings():
    assert verdicts() == [YES] * 5
    assert verdicts(measures(dim=84))[0] is NO
    assert verdicts(measures(flops=5.0))[1] is NO and verdicts(measures(flops=0.2))[1] is NO
    assert verdicts(measures(degrees=(2,)))[:2] == [YES, OPEN]
    assert verdicts(named=tetris(gaunt=1.0))[2] is NO
    assert verdicts(named=tetris(cg=0.5))[2] is OPEN and verdicts(named=tetris(runs=1))[2] is OPEN
    assert verdicts(gain=1.1)[3:] == [NO, NO] and verdicts(gain=1.1, wide=False)[3:] == [OPEN, OPEN]
