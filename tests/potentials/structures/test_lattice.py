"""Cell geometry against closed forms."""

import numpy as np
import pytest

from intertwine.potentials.structures.lattice import complete, plane_spacing


def test_spacing_of_a_box_is_its_sides():
    np.testing.assert_allclose(plane_spacing(np.diag([2.0, 3.0, 4.0])), [2, 3, 4])


def test_spacing_is_volume_over_area():
    cell = np.random.default_rng(0).normal(size=(3, 3))
    areas = [np.linalg.norm(np.cross(cell[(i + 1) % 3], cell[(i + 2) % 3])) for i in range(3)]
    np.testing.assert_allclose(plane_spacing(cell), abs(np.linalg.det(cell)) / areas)


def test_spacing_of_a_flat_cell_is_zero():
    assert (plane_spacing(np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 0, 1.0]])) == 0).all()


@pytest.mark.parametrize("pbc", [(True, True, False), (False, True, False), (False, False, False), (True, True, True)])
def test_completion_keeps_periodic_rows_and_adds_orthogonal_units(pbc):
    cell, flags = np.random.default_rng(1).normal(size=(3, 3)), np.array(pbc)
    result = complete(cell, flags)
    np.testing.assert_array_equal(result[flags], cell[flags])
    gram = result @ result.T
    np.testing.assert_allclose(gram[~flags][:, ~flags], np.eye((~flags).sum()), atol=1e-12)
    np.testing.assert_allclose(gram[~flags][:, flags], 0, atol=1e-12)
