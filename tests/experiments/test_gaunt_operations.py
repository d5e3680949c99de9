from dataclasses import replace

from intertwine.experiments.bench.measure import Spread
from intertwine.experiments.bench.operations import OPERATIONS
from intertwine.experiments.bench.result import Entry, Memory, RowResult
from intertwine.experiments.bench.row import NAME
from intertwine.experiments.gaunt import operations as gaunt_operations
from intertwine.experiments.verdict import Verdict


def result(speed: list[float], memory: list[int], note: str = "") -> RowResult:
    row = OPERATIONS[0]
    entries = [
        Entry(
            f"L = {L}", "", L, "forward+backward", 1, "cpu", 2, 3, {NAME: Spread(1e-3, 1e-5)}, {},
            {"e3nn": Spread(times, 0.1)} if times else {}, {"e3nn": note} if note else {}, {}, None, None, None,
        )
        for L, times in enumerate(speed, 1)
    ]  # fmt: skip
    bytes_ = [{NAME: 2**20} | ({"e3nn": size} if size else {}) for size in memory]
    return RowResult(
        row.key, row.title, row.counted, "", {}, "", 1.0, {}, {}, {}, entries,
        [Memory(f"L = {L}", L, each, {}) for L, each in enumerate(bytes_, 1)],
    )  # fmt: skip


def verdicts(*arguments) -> list[Verdict]:
    return [finding.verdict for finding in gaunt_operations.findings([result(*arguments)])]


def test_tables_hold_every_side_and_keep_the_notebook_apart():
    table = gaunt_operations.table(result([5.0, 10.0], [2**22, 2**23]))
    names = [column.name for column in table.columns]
    first = dict(zip(zip(names, [column.unit for column in table.columns]), table.ours[0].cells, strict=True))
    assert first[NAME, "ms"].value == 1.0 and first["e3nn", "times ours"].value == 5.0
    assert first["memory", "MiB"].value == 1.0 and first["e3nn", "times our memory"].value == 4.0
    assert first["Clebsch-Gordan, ours", "times ours"] is None
    assert {row.source for row in table.ours} == {"this run"}
    assert {row.source for row in table.paper} == {"authors' notebook"} and "not the same ratio" in table.note


def test_numbers_decide_the_findings():
    yes, no, unclear = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
    assert verdicts([5.0, 10.0], [2**22, 2**23]) == [yes, yes]
    assert verdicts([0.5, 0.6], [2**19, 2**19]) == [no, no]
    assert verdicts([0.5, 2.0], [2**19, 2**22]) == [unclear, unclear]
    assert verdicts([0.0, 0.0], [0, 0], "not installed") == [unclear, unclear]
    (faster, _) = gaunt_operations.findings([result([0.0], [0], "not installed")])
    assert faster.evidence == "no number: not installed."


def test_products_alone_run_without_any_peer(monkeypatch):
    alone = replace(OPERATIONS[0], weighed=False, sides=OPERATIONS[0].sides[:2])
    monkeypatch.setattr(gaunt_operations, "OPERATIONS", (alone,))
    stages = []
    (found,) = gaunt_operations.measure(1, 3, lambda *stage: stages.append(stage))
    assert stages[-1] == ("operations", 1, 1)
    assert [entry.which for entry in found.entries] == ["forward+backward"]
    assert set(found.entries[0].ratios) == {"Clebsch-Gordan, ours"}
