"""Calibration against Gaussian errors of known size, with wrong deviations as controls."""

from math import erf, sqrt

import numpy as np
import pytest

from intertwine.potentials.judging.calibration import Calibration
from intertwine.potentials.structures.graph import GraphError

RNG = np.random.default_rng(0)
DEVIATION = RNG.uniform(0.2, 2.0, 5000)
ERROR = DEVIATION * RNG.normal(size=5000)


def test_honest_deviations_cover_what_a_gaussian_covers():
    honest = Calibration(ERROR, DEVIATION)
    for count in (0.5, 1.0, 2.0, 3.0):
        share = erf(count / sqrt(2))
        assert abs(honest.within(count) - share) < 4 * sqrt(share * (1 - share) / 5000) + 1e-9
    assert honest.area < 0.01 and honest.scale == pytest.approx(1, abs=0.04) and honest.rank > 0.4


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_deviations_too_small_or_too_large_are_noticed_and_their_factor_is_found(factor):
    honest, wrong = Calibration(ERROR, DEVIATION), Calibration(ERROR, factor * DEVIATION)
    assert wrong.area > 0.15 > honest.area and wrong.nll > honest.nll + 0.3
    assert wrong.scale == pytest.approx(honest.scale / factor)
    assert wrong.rank == pytest.approx(honest.rank)


def test_deviations_that_do_not_belong_to_their_errors_lose_rank_and_likelihood():
    honest, shuffled = (
        Calibration(ERROR, DEVIATION),
        Calibration(ERROR, np.random.default_rng(1).permutation(DEVIATION)),
    )
    assert abs(shuffled.rank) < 0.05 < honest.rank and shuffled.nll > honest.nll + 0.1


def test_nll_is_that_of_the_normal_distribution():
    pair = Calibration(np.array([1.0, -2.0]), np.array([1.0, 4.0]))
    density = [np.exp(-0.5) / sqrt(2 * np.pi), np.exp(-0.125) / (4 * sqrt(2 * np.pi))]
    assert pair.nll == pytest.approx(-np.log(density).mean())


def test_groups_of_equal_number_rise_with_the_deviation():
    deviation, error = Calibration(ERROR, DEVIATION).bins(5)
    assert (np.diff(deviation) > 0).all() and np.allclose(error, deviation, rtol=0.12)
    assert len(Calibration(ERROR[:3], DEVIATION[:3]).bins()[0]) == 3


def test_deviations_must_be_positive():
    with pytest.raises(GraphError, match="positive"):
        Calibration(np.ones(2), np.array([1.0, 0.0]))
    with pytest.raises(GraphError, match="no pair"):
        Calibration(np.zeros(0), np.zeros(0))
    assert Calibration(np.ones(3), np.ones(3)).rank is None
