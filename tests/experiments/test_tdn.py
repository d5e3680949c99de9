from dataclasses import replace

import pytest

from intertwine.experiments.experiment import Budget
from intertwine.experiments.tdn import clock as tdn_clock
from intertwine.experiments.tdn import paper as tdn
from intertwine.experiments.tdn import ranks as tdn_ranks
from intertwine.experiments.verdict import Verdict
from intertwine.tensor_products.cp.error import ErrorBound

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
TINY = tdn.Size(ranks=(4, 28, 30), degrees=(1, 2), clocked=(1, 2), batch=8, channels=2, rounds=3)
EXPERIMENT = replace(tdn.EXPERIMENT, budgets={"tiny": Budget(0.1, "for tests", TINY, seeds=2)})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    stages = []
    found = EXPERIMENT.run("tiny", out=tmp_path_factory.mktemp("tdn"), progress=lambda *stage: stages.append(stage))
    assert all(done <= total for _, done, total in stages) and {stage.split()[0] for stage, _, _ in stages} == {
        "rank",
        "clock",
    }
    return found


def bound(typical: float) -> list[ErrorBound]:
    return [ErrorBound(28, typical / 2, 20 * typical, 5 * typical, typical, 10.0)] * 2


def verdicts(typical: float = 0.02, other: float = 0.02, short: float = 0.1, kernel: float = 1.0, channels: int = 64):
    seconds = {
        2: {
            tdn_clock.TWIN: [1.0] * 3,
            tdn_clock.KERNEL: [kernel] * 3,
            tdn_clock.SHORT: [short] * 3,
            tdn_clock.LONG: [short] * 3,
        }
    }
    paper, exact = {2: bound(typical), 3: bound(other)}, {2: bound(1e-14)}
    return [finding.verdict for finding in tdn.judge(paper, exact, seconds, channels=channels)]


def test_it_runs_from_end_to_end_and_keeps_the_paper_apart(outcome):
    ranks, degrees, speed = outcome.measured.tables
    assert [row.name for row in ranks.ours] == ["4 terms", "28 terms", "30 terms"]
    assert {row.name: row.cells[1].value for row in ranks.paper}["28 terms"] == 0.02
    assert [row.cells[0].value for row in degrees.ours] == [8, 30]
    assert [row.cells[4].value for row in speed.paper] == [4.0, 4.8]
    for table in outcome.measured.tables:
        assert {row.source for row in table.ours} == {tdn_ranks.OURS} and {row.source for row in table.paper} == {
            tdn_ranks.PAPER
        }
    assert "not the same ratio" in speed.note and "own Clebsch-Gordan" in speed.note


def test_errors_fall_with_the_rank_and_end_at_rounding(outcome):
    rows = [[cell.value for cell in row.cells] for row in outcome.measured.tables[0].ours]
    for column in range(4):
        values = [row[column] for row in rows]
        assert values == sorted(values, reverse=True) and values[0] > 0.1 > 1e-10 > values[-1]
    assert all(row[1] < row[2] < row[3] for row in rows)


def test_what_was_clocked_is_the_same_product(monkeypatch):
    monkeypatch.setattr(tdn_clock, "EXACT_RANK", {("all", 1): 7})  # seven terms are not exact
    with pytest.raises(RuntimeError, match="differ by"):
        tdn_clock.products(1, batch=50, channels=2)


def test_small_widths_decide_nothing_about_speed(outcome):
    assert [finding.verdict for finding in outcome.measured.findings][-2:] == [OPEN, OPEN]


def test_numbers_decide_the_findings():
    assert verdicts() == [YES, YES, YES, YES, YES]
    assert verdicts(other=0.2) == [YES, NO, YES, YES, YES]
    assert verdicts(typical=0.1)[0] is NO
    assert verdicts(short=0.5, kernel=0.2)[3:] == [YES, NO]
    assert verdicts(channels=8)[3:] == [OPEN, OPEN]
