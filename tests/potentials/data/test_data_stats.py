"""Counts and ranges of a small set, by hand."""

import numpy as np
from formats import varied

from intertwine.potentials.data.data_stats import measure_data, plot_data


def test_numbers_are_those_counted_by_hand():
    graphs = varied()
    result = measure_data(graphs, cutoff=3.0)
    everything = result["all"]
    assert set(result) == {"all", 'a "quoted" \\ name', "slab"}
    assert (everything["frames"], everything["atoms"]) == (5, 15)
    assert everything["elements"] == {"H": 4, "O": 2, "Fe": 1, "Cu": 8}
    assert everything["pbc"] == {"FFF": 2, "TTF": 1, "TTT": 2}
    assert (everything["with_energy"], everything["with_forces"], everything["with_stress"]) == (3, 2, 2)
    forces = np.concatenate([graphs[0].forces, graphs[4].forces])
    assert np.isclose(everything["force_rms"], np.sqrt((forces**2).mean()))
    assert np.isclose(everything["force_largest"], np.linalg.norm(forces, axis=1).max())
    assert everything["energy_per_atom"][0] == min(-14.25 / 3, float(graphs[0].energy) / 4, float(graphs[4].energy) / 4)
    assert everything["neighbours"][0] == 2.0 and result["slab"]["energy_per_atom"] is None


def test_a_plot_needs_no_labels(tmp_path):
    plot_data(tmp_path / "x.png", [varied()[1]])
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
