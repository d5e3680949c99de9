"""What the strict parser accepts; what it refuses stands in tests/hostile."""

import pytest

from intertwine.potentials.data.extxyz import Frame, parse

ATOM = "H 0.5 -.25 1e-1\n"


def one(text: str) -> Frame:
    (frame,) = parse(text, "text")
    return frame


def test_plain_xyz_has_free_text():
    frame = one("1\nit's water, made by hand\n" + ATOM)
    assert frame.info == {} and frame.positions.tolist() == [[0.5, -0.25, 0.1]] and frame.numbers.tolist() == [1]


def test_blank_lines_between_frames_and_at_the_end_are_skipped():
    assert len(list(parse(f"1\n\n{ATOM}\n\n1\n\n{ATOM}\n \n", "text"))) == 2


@pytest.mark.parametrize(
    ("comment", "value"),
    [
        ("key=bare", "bare"),
        ("key=a=b,c:d", "a=b,c:d"),
        ('key="two words"', "two words"),
        ("key='two words'", "two words"),
        ("key={two words}", "two words"),
        ("key=[two, words]", "two, words"),
        ("key=[[1, 2], [3, 4]]", "[1, 2], [3, 4]"),
        (r'key="a \"quote\" \\"', 'a "quote" \\'),
        ("key = spaced", "spaced"),
        ('"key"=quoted', "quoted"),
        ("before key=1 after", "1"),
        ("\tkey=1\t", "1"),
        ('key=""', ""),
        ('key="_JSON {\\"a\\": [1, 2]}"', '_JSON {"a": [1, 2]}'),
    ],
)
def test_values_are_quoted_in_many_ways(comment, value):
    assert one(f"1\n{comment}\n{ATOM}").info["key"] == value


@pytest.mark.parametrize("flags", ['"T T F"', '"True True False"', "[T, T, F]", '"1 1 0"'])
def test_periodicity_is_spelt_in_many_ways(flags):
    assert one(f'1\nLattice="4 0 0 0 4 0 0 0 4" pbc={flags}\n{ATOM}').pbc.tolist() == [True, True, False]


def test_atomic_numbers_may_stand_for_symbols():
    assert one("2\nProperties=Z:I:1:pos:R:3\n1 0 0 0\n8 0 0 1\n").numbers.tolist() == [1, 8]
    assert one("1\nProperties=species:S:1:Z:I:1:pos:R:3\nO 8 0 0 0\n").numbers.tolist() == [8]


def test_columns_are_read_only_when_wanted():
    frame = one("1\nProperties=species:S:1:pos:R:3:magmom:R:1:tags:I:1:free:L:1\nH 0 0 0 nan 3 T\n")
    assert frame.columns["tags"]().tolist() == [[3.0]]
    with pytest.raises(ValueError, match="magmom is 'nan'"):
        frame.columns["magmom"]()


def test_lines_are_counted_from_one():
    first, second = parse(f"1\n\n{ATOM}1\n\n{ATOM}", "text")
    assert str(first.source) == "text frame 0, line 2"
    assert second.source.at(0) == "text frame 1, line 6, atom 0"


def test_pathological_quoting_does_not_take_long():
    with pytest.raises(ValueError, match="key=value"):
        one('1\nkey="' + '\\"' * 50_000 + "\n" + ATOM)
    with pytest.raises(ValueError, match="key=value"):
        one("1\nkey=" + "[" * 50_000 + "\n" + ATOM)
