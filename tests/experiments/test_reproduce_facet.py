"""The Facet experiment: it runs, its numbers decide, and what cannot be compared is said."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from intertwine.experiments.bench.peers import Place, find_side, repository
from intertwine.experiments.experiment import Budget
from intertwine.experiments.facet import paper as facet
from intertwine.experiments.facet import relaxation as facet_relaxation
from intertwine.experiments.facet.numbers import OURS, PAPER, Smaller, Trained, judge
from intertwine.experiments.facet.relaxation import MACE, SAME, TABLES, Cells, Relaxed, finding, measure, table
from intertwine.experiments.verdict import Verdict

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
TINY = replace(facet.SMOKE, channels=2, plan=facet.PLAN(epochs=1, batch_size=5), frames=12, test_frames=2)
EXPERIMENT = replace(facet.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY)})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    stages = []
    found = EXPERIMENT.run("tiny", out=tmp_path_factory.mktemp("facet"), progress=lambda *stage: stages.append(stage))
    assert {stage.split()[0] for stage, _, _ in stages} == {"clock", "mace/0", "facet/0"}
    assert all(done <= total for _, done, total in stages)
    return found


def test_it_runs_from_end_to_end_and_keeps_the_paper_apart(outcome):
    compression, accuracy, relaxation = outcome.measured.tables
    assert [row.name.split(" (")[0] for row in compression.ours] == [
        "trained",
        "as many waves as before",
        "as many as it takes",
    ]
    assert [row.name for row in accuracy.ours] == ["mace", "facet"] and relaxation.ours == ()
    for each in outcome.measured.tables:
        assert {row.source for row in each.ours} <= {OURS} and {row.source for row in each.paper} <= {PAPER}
    assert [each.verdict for each in outcome.measured.findings] == [OPEN] * 4
    assert "left out at this budget" in outcome.measured.findings[-1].evidence


def test_more_waves_fit_better_for_fewer_parameters_saved(outcome):
    same, enough = (row.cells for row in outcome.measured.tables[0].ours[1:])
    assert same[0].value < enough[0].value and same[1].value > enough[1].value > 0


def runs(*, r2=0.995, saving=0.3, growth=1.0, ratio=0.9, left=0.1) -> list[Trained]:
    def errors(force: float) -> dict[str, dict[str, float]]:
        return {"300 K": {"force_rmse": force, "force_rmse_predict_zero": force / left, "energy_rmse": 1.0}}

    smaller = Smaller(8, 0.98, saving + 0.1, errors(90.0)), Smaller(24, r2, saving, errors(60.0 * growth))
    mace = [Trained("mace", seed, 100, 5, 9.0, errors(60.0), smaller) for seed in (0, 1)]
    return mace + [Trained("facet", seed, 90, 5, 9.0, errors(60.0 * ratio), ()) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("choices", "verdicts"),
    [
        ({}, [YES, YES, YES]),
        ({"r2": 0.98}, [NO, YES, YES]),
        ({"saving": 0.1}, [YES, NO, YES]),
        ({"growth": 1.1}, [YES, NO, YES]),
        ({"ratio": 1.1}, [YES, YES, NO]),
        ({"left": 0.5}, [OPEN, OPEN, OPEN]),
    ],
)
def test_numbers_decide_the_findings(choices, verdicts):
    found = judge(runs(**choices))
    assert [each.verdict for each in found] == verdicts
    assert "98 %, and force errors 1.5 times as large" in found[0].evidence


def relaxed(ours: float, *, steps: int = 40, energy: float = -1.0) -> dict[str, Relaxed]:
    theirs = Relaxed((4.0, 6.0), (40, 40), (-1.0, -1.0))
    mine = Relaxed((4.0 * ours, 6.0 * ours), (steps, steps), (energy, energy))
    return {MACE: theirs, SAME: mine, TABLES: mine}


def test_a_relaxation_counts_when_all_come_to_the_same_rest():
    assert finding(relaxed(0.4)).verdict is YES
    assert finding(relaxed(0.6)).verdict is NO
    assert finding(relaxed(0.4, steps=facet_relaxation.MOST_STEPS)).verdict is OPEN
    assert finding(relaxed(0.4, energy=-1.1)).verdict is OPEN
    assert [row.cells[2].value for row in table(relaxed(0.25)).ours] == [1.0, 4.0, 4.0]


def test_without_mace_torch_the_relaxation_says_why_it_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(facet_relaxation, "find_side", lambda side, root: "not installed: make bench-peers")
    found = measure(Cells(2), 0, print)
    assert found == "mace-torch is not installed: make bench-peers"
    assert finding(found).verdict is OPEN and table(found).ours == () and found in table(found).note
    (tmp_path / "broken.py").write_text("def start(threads):\n    raise RuntimeError('no such library')\n")
    place = Place(Path(sys.executable), tmp_path / "broken.py")
    monkeypatch.setattr(facet_relaxation, "find_side", lambda side, root: place)
    assert measure(Cells(1, frames=1), 0, print) == "mace-torch failed: RuntimeError: no such library"


@pytest.mark.skipif(
    isinstance(find_side(facet_relaxation.PEER, repository()), str), reason="mace-torch: make bench-peers"
)
def test_mace_torch_and_we_take_the_same_way_downhill(monkeypatch):
    monkeypatch.setattr(facet_relaxation, "MOST_STEPS", 3)
    found = measure(Cells(1, frames=2, channels=4, training_steps=1), 0, print)
    assert not isinstance(found, str), found
    assert {each.steps for each in found.values()} == {(3,)}
    assert abs(found[MACE].energies[0] - found[SAME].energies[0]) < 1e-10
    assert abs(found[MACE].energies[0] - found[TABLES].energies[0]) < 1e-6
