import pytest

from intertwine.experiments.verdict import Verdict, stays_below, together

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.9, 1.0], YES), ([1.1, 1.2], NO), ([0.9, 1.1], OPEN), ([0.5], OPEN), ([2.0], OPEN), ([], OPEN)],
)
def test_repeated_measurements_decide_only_when_they_agree(values, verdict):
    assert stays_below(1.0, values) is verdict


def test_one_part_that_fails_refutes_the_whole():
    assert together([YES, OPEN, NO]) is NO
    assert together([YES, OPEN]) is OPEN
    assert together([YES, YES]) is YES
    assert together([]) is OPEN
