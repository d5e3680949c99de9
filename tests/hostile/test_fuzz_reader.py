"""Random damage to a good file gives sound graphs or one line of error, and nothing else."""

from pathlib import Path

from corpus import COPPER, REQUIRED, WATER
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from intertwine.potentials.data.extxyz import parse
from intertwine.potentials.data.label_keys import to_graph
from intertwine.potentials.data.readers import read
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.soundness import check

GOOD = WATER + COPPER
TOKENS = [
    "nan",
    "inf",
    "-1",
    "1e999",
    "\t",
    " ",
    "\n",
    '"',
    "'",
    "{",
    "[",
    "]",
    "\\",
    "=",
    ":",
    "٣",
    "_",
    "D",
    "\0",
    "\r",
    "H",
    "",
]
EDITS = st.lists(
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, 8), st.sampled_from(TOKENS) | st.text(max_size=3)),
    min_size=1,
    max_size=4,
)


def outcome(run) -> None:
    try:
        graphs = run()
    except GraphError as error:
        assert str(error).isprintable()
    else:
        assert graphs
        for graph in graphs:
            assert graph.positions.isfinite().all() and graph.numbers.min() >= 1
            for label in (graph.energy, graph.forces):
                assert label is None or label.isfinite().all()


@given(EDITS)
@examples(400)
def test_edited_text_is_read_soundly_or_refused(edits):
    text = GOOD
    for start, length, token in edits:
        text = text[:start] + token + text[start + length :]
    outcome(lambda: [check(to_graph(frame)) for frame in parse(text, "fuzz.extxyz")])


@given(
    st.binary(max_size=300), st.sampled_from([".extxyz", ".extxyz.gz", ".extxyz.xz", ".h5", ".aselmdb", ".db", ".json"])
)
@examples(100)
def test_random_bytes_are_refused(tmp_path: Path, data, suffix):
    path = tmp_path / f"random{suffix}"
    path.write_bytes(data)
    outcome(lambda: read(path, require=REQUIRED))
