"""Irreps: strings, algebra, selection rules, and errors that name the bad term."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertwine.o3.irreps import Irrep, Irreps, IrrepsError

irrep = st.builds(Irrep, st.integers(0, 12), st.sampled_from([1, -1]))
irreps = st.lists(irrep, max_size=8).map(Irreps)


@given(irreps)
def test_printing_and_reading_is_a_round_trip(value):
    assert Irreps(str(value)) == value


@given(irreps, irreps)
def test_sums_concatenate(a, b):
    total = a + b
    assert tuple(total) == (*a, *b)
    assert total.dim == a.dim + b.dim
    assert a + str(b) == total and str(a) + b == total


@given(irreps, st.integers(0, 3))
def test_multiples_repeat_in_order(a, n):
    assert n * a == a * n == sum([a] * n, Irreps())


@given(irreps)
def test_slices_cover_the_dim_axis_in_order(value):
    rows = [row for s in value.slices() for row in range(s.start, s.stop)]
    assert rows == list(range(value.dim))
    assert [s.stop - s.start for s in value.slices()] == [ir.dim for ir in value]


@given(irreps)
def test_sorting_and_filtering_keep_the_entries(value):
    assert sorted(value.sorted()) == sorted(value)
    even = value.filter(lambda ir: ir.p == 1)
    assert len(even) + len(value.filter(lambda ir: ir.p == -1)) == len(value)
    assert value.filter(even) == even
    assert all(value.count(ir) == list(value).count(ir) for ir in value)


@given(irrep, irrep)
def test_product_has_the_dimension_of_the_product(a, b):
    assert sum(ir.dim for ir in a * b) == a.dim * b.dim
    assert all(ir.p == a.p * b.p for ir in a * b)
    assert a * b == b * a


def test_multiplicities_are_entries():
    value = Irreps("2x0e + 1o")
    assert value == (Irrep(0, 1), Irrep(0, 1), Irrep(1, -1))
    assert (str(value), value.dim, value.lmax, value.degrees) == ("2x0e+1o", 5, 1, (0, 0, 1))


def test_equal_neighbours_print_together_and_others_do_not():
    assert str(Irreps("0e+0e+1o+0e")) == "2x0e+1o+0e"
    assert str(Irreps("0e+0e+1o+0e").sorted()) == "3x0e+1o"


def test_selection_rule_of_two_vectors():
    assert Irrep(1, -1) * Irrep(1, -1) == (Irrep(0, 1), Irrep(1, 1), Irrep(2, 1))


def test_spherical_harmonics_have_natural_parity():
    assert str(Irreps.spherical_harmonics(3)) == "0e+1o+2e+3o"
    assert str(Irreps.spherical_harmonics(2, p=1)) == "0e+1e+2e"
    assert Irreps.spherical_harmonics(3).natural and not Irreps("1e").natural
    assert Irreps("0y+1y+2y") == Irreps("0e+1o+2e")


def test_slices_and_entries():
    value = Irreps("2x0e+1o")
    assert isinstance(value[1:], Irreps) and value[1:] == Irreps("0e+1o")
    assert value[2] == Irrep(1, -1)
    assert "1o" in value and Irrep(1, 1) not in value


def test_irreps_are_values():
    assert {Irreps("2x0e"): 1}[Irreps("0e+0e")] == 1
    assert pickle.loads(pickle.dumps(Irreps("2x0e+1o"))) == Irreps("2x0e+1o")  # noqa: S301
    assert Irreps("") == Irreps() == Irreps([]) and Irreps().dim == 0


def test_every_way_to_write_irreps():
    assert Irreps(["2x0e", Irrep(1, -1), "1o + 2e"]) == Irreps("2x0e+2x1o+2e")
    assert Irreps(Irrep(1, -1)) == Irreps("1o")
    assert Irreps(Irreps("1o")) == Irreps("1o")


@pytest.mark.parametrize("text", ["2x0", "0e+1p", "0e++1o", "x0e", "-1e", "1.5e", "2*0e", "0e,1o", "ee", "2x 0e 1o"])
def test_a_bad_term_is_named_with_a_valid_example(text):
    with pytest.raises(IrrepsError, match="2x0e\\+1o\\+2e") as caught:
        Irreps(text)
    bad = {"0e+1p": "1p", "0e++1o": ""}.get(text, text)
    assert f'the term "{bad}"' in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [3, None, [1, 2], [None]])
def test_things_that_are_not_irreps_are_refused(value):
    with pytest.raises(IrrepsError, match="expected"):
        Irreps(value)


def test_impossible_irreps_are_refused():
    for degree, parity in [(-1, 1), (0, 0), (1, 2), (True, 1)]:
        with pytest.raises(IrrepsError, match="expected a"):
            Irrep(degree, parity)
    with pytest.raises(IrrepsError, match="single irrep"):
        Irrep.parse("2x0e")
    with pytest.raises(IrrepsError, match="no irreps"):
        _ = Irreps().lmax
