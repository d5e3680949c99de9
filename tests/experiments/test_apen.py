"""The APEN experiment at toy size: it runs, keeps the paper apart, and its verdicts follow from its numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from intertwine.experiments.apen import data as apen_data
from intertwine.experiments.apen import paper as apen
from intertwine.experiments.apen.bound import Bounded, Exactness
from intertwine.experiments.apen.methods import ALONE, FOUND, GLOBAL, METHODS, TRUE, Reader, mean_iou, objective
from intertwine.experiments.apen.numbers import Trained, judge
from intertwine.experiments.data_folder import DataFolderError
from intertwine.experiments.experiment import Budget
from intertwine.experiments.verdict import Verdict
from intertwine.geometry.piecewise.network import Grouping

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
TINY = replace(apen.SMOKE, train=16, test=4, points=40, plan=replace(apen.PLAN, epochs=1), cells=8, motions=(1.0,))
EXPERIMENT = replace(apen.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY)})


@pytest.fixture(scope="module")
def trained() -> list[Trained]:
    return apen.train_all(TINY, "mannequins, parts", None, 0, lambda *stage: None)


def test_every_method_is_trained_and_tested_in_every_kind_of_pose(trained):
    assert [run.method for run in trained] == list(METHODS)
    kinds = {"narrow", "wide", "apart", "validation, narrow", "validation, wide"}
    assert all(set(run.scores) == kinds for run in trained)
    assert len({run.weights for run in trained if run.method != ALONE}) == 1


def test_on_the_true_partition_it_is_exact_and_the_bound_of_the_other_holds(trained):
    (exact,) = (run.exact for run in trained if run.exact is not None)
    assert exact.double < 1e-12 and exact.single < 1e-5 and exact.without_frames > 1e-3
    both = [run.bounded for run in trained if run.bounded is not None]
    assert len(both) == 2
    for found in both:
        assert found.violations == 0 and len(found.bound) == 4 and max(found.bound) > 0


def test_tables_keep_the_paper_apart(trained):
    table = apen.task_table(trained)
    assert {row.source for row in table.ours} == {"this run"}
    assert all("Atzmon" in row.source for row in table.paper)
    assert apen.exact_table(trained).ours and apen.bound_table(trained).ours


def test_a_picture_of_the_bound_is_drawn(trained, tmp_path):
    found = trained[-1].bounded
    assert found is not None and apen.apen_bound.draw(found, tmp_path / "bound.png").stat().st_size > 1000


def run(method, wide: float, seed: int, **changes) -> Trained:
    scores = {"narrow": 90.0, "wide": wide, "apart": 0.0}
    good = Exactness(1e-14, 1e-7, 0.5) if method == TRUE else None
    bounded = Bounded((0.1,), (0.2,), (0.5,), (0.3, 0.2)) if method == FOUND else None
    return replace(Trained("t", "parts", method, seed, 1, scores, good, bounded), **changes)


def all_runs(found: float, **changes) -> list[Trained]:
    return [
        run(method, found if method == FOUND else 50.0, seed, **(changes if method == FOUND else {}))
        for method in METHODS
        for seed in (0, 1)
    ]


def test_findings_follow_from_the_numbers():
    exact, gain, subjects, bound = judge(all_runs(61.0), decided=True)
    assert (exact.verdict, gain.verdict, subjects.verdict, bound.verdict) == (YES, YES, OPEN, YES)
    assert judge(all_runs(59.0), decided=True)[1].verdict is NO
    assert judge(all_runs(61.0), decided=False)[1].verdict is OPEN
    broken = Bounded((0.3,), (0.2,), (0.5,), (0.3, 0.2))
    assert judge(all_runs(61.0, bounded=broken), decided=True)[3].verdict is NO
    inexact = [replace(r, exact=Exactness(1e-9, 1e-7, 0.5)) if r.exact else r for r in all_runs(61.0)]
    assert judge(inexact, decided=True)[0].verdict is NO
    blind = [replace(r, exact=Exactness(0.0, 0.0, 0.0)) if r.exact else r for r in all_runs(61.0)]
    assert judge(blind, decided=True)[0].verdict is OPEN  # a control that sees nothing proves nothing


def test_votes_are_only_taught_where_a_partition_is_to_be_found():
    task = apen_data.load("mannequins, parts", None, train=4, test=2, points=40, subjects=2)
    losses = {}
    for method in (GLOBAL, FOUND):
        torch.manual_seed(0)
        reader = Reader(method, "parts", 6, channels=(4, 2), hidden=8, grouping=Grouping(cells=6), length=0.1, rounds=1)
        torch.manual_seed(0)
        losses[method.name] = [float(objective(weight)(reader, task.train)["loss"].detach()) for weight in (0.0, 1.0)]
    assert losses[FOUND.name][1] > losses[FOUND.name][0] + 0.01
    assert abs(losses[GLOBAL.name][1] - losses[GLOBAL.name][0]) < 0.5  # other frames were drawn, no votes


def test_mean_iou_counts_labels_that_occur():
    label = torch.tensor([[0, 0, 0, 1]])
    assert mean_iou(label, label, 5) == 100.0
    assert mean_iou(torch.tensor([[0, 0, 1, 1]]), label, 2) == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)


def test_data_are_named_and_a_folder_without_them_is_refused(tmp_path: Path):
    assert "stand-in" in EXPERIMENT.opening("tiny").splitlines()[0]
    with pytest.raises(DataFolderError, match="makehuman"):
        EXPERIMENT.opening("tiny", data=tmp_path)
