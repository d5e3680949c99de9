import pytest
import torch

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.cp.coupling import SummedCoupling, rows_of_once
from intertwine.tensor_products.cp.factors import fit, generic_rank, seconds, smallest, trivial, trivial_rank
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.cp.shipped import EXACT_RANK, TABLES, Table, load, save

EXACT_TABLES = TABLES[: len(EXACT_RANK)]


def coupling(*irreps: str, component: bool = False) -> SummedCoupling:
    one, two, three = (Irreps(each) for each in irreps)
    return SummedCoupling.of((one, two, three), component=component)


def random_factors(rank: int, *sides: int) -> Factors:
    generator = torch.Generator().manual_seed(1)
    return Factors(*(torch.randn(rank, side, generator=generator, dtype=torch.float64) for side in sides))


def test_factors_make_the_sum_of_products_of_their_rows():
    factors = random_factors(3, 2, 4, 5)
    expected = sum(torch.einsum("i,j,k->ijk", *(factor[r] for factor in factors)) for r in range(3))
    assert torch.allclose(factors.tensor(), expected)
    assert torch.allclose(factors.balanced().tensor(), expected)
    lengths = [factor.norm(dim=1) for factor in factors.balanced()]
    assert torch.allclose(lengths[0], lengths[1]) and torch.allclose(lengths[1], lengths[2])


def test_a_tensor_of_known_rank_is_found_again():
    tensor = random_factors(4, 5, 6, 7).tensor()
    assert fit(tensor, 4).error(tensor) < 1e-12
    assert fit(tensor, 3).error(tensor) > 1e-2
    assert smallest(tensor, 1e-10).rank == 4


def test_the_cross_product_has_rank_five():
    cross = wigner_3j(1, 1, 1)
    assert smallest(cross).rank == 5


def test_a_fit_is_deterministic_for_a_seed_and_seeds_differ():
    tensor = coupling("0e+1o", "0e+1o", "0e+1o").tensor()
    one, same, other = (fit(tensor, 4, seed=seed, restarts=1) for seed in (3, 3, 5))
    assert all(torch.equal(a, b) for a, b in zip(one, same))
    assert not torch.equal(one.in1, other.in1)


def test_the_error_falls_with_the_number_of_terms():
    tensor = coupling("0e+1e", "0e+1e", "0e+1e").tensor()
    errors = [fit(tensor, rank, restarts=2).error(tensor) for rank in (1, 2, 4, 6, 8)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 0.5 and errors[-1] < 1e-12


def test_terms_do_not_grow_against_each_other_where_no_best_approximation_exists():
    tensor = coupling("0e+1e", "0e+1e", "0e+1e").tensor()
    assert fit(tensor, 7).amplification() < 100


def test_the_trivial_form_is_exact_and_ends_every_search():
    tensor = random_factors(40, 2, 3, 7).tensor()
    assert trivial(tensor).error(tensor) < 1e-14 and trivial(tensor).rank == trivial_rank((2, 3, 7)) == 6
    assert smallest(tensor).rank <= 6


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_trivial_form_spares_the_longest_leg_wherever_it_is(order):
    tensor = random_factors(40, 2, 3, 7).tensor().permute(order)
    assert trivial(tensor).rank == 6 and trivial(tensor).error(tensor) < 1e-14


def test_more_terms_than_pairs_of_components_are_no_trouble():
    tensor = random_factors(40, 2, 3, 7).tensor()
    assert fit(tensor, 25, restarts=1).error(tensor) < 1e-9


def test_generic_ranks_count_free_numbers():
    assert [generic_rank(((L + 1) ** 2,) * 3) for L in (0, 1, 2, 3, 4)] == [1, 7, 30, 90, 215]
    assert generic_rank((1, 1, 9)) == 1 and generic_rank((2, 2, 100)) == 4
    assert seconds((9, 9, 9), 30) < seconds((25, 25, 25), 215)


@pytest.mark.parametrize("bad", [{"rank": 0}, {"rank": 2, "restarts": 0}])
def test_a_fit_of_nothing_is_refused(bad):
    with pytest.raises(IrrepsError, match="at least 1"):
        fit(torch.ones(2, 2, 2).double(), **bad)
    with pytest.raises(IrrepsError, match="norm 0"):
        fit(torch.zeros(2, 2, 2).double(), 1)


@pytest.mark.parametrize("table", EXACT_TABLES, ids=lambda table: table.file)
def test_shipped_exact_factors_are_exact(table):
    factors, tensor = load(table), table.coupling().tensor()
    assert factors.rank == table.rank and factors.error(tensor) < 1e-13
    assert factors.amplification() < 30


@pytest.mark.parametrize("table", TABLES[len(EXACT_RANK) :], ids=lambda table: table.file)
def test_shipped_factors_of_the_papers_rank_are_approximate_and_tame(table):
    factors, tensor = load(table), table.coupling().tensor()
    assert factors.rank == table.rank == 7 * table.L**2
    assert 1e-4 < factors.error(tensor) < 0.2 and factors.amplification() <= 100


def test_the_command_that_made_the_tables_makes_a_small_one_again(tmp_path, monkeypatch, capsys):
    import intertwine.tensor_products.cp.shipped as shipped

    table = Table("all", 1, 8)
    monkeypatch.setattr("sys.argv", ["cp_shipped", "--to", str(tmp_path), "--only", table.file])
    shipped.main()
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path)
    (tmp_path / "tables").symlink_to(tmp_path)
    again, tensor = load(table), table.coupling().tensor()
    assert "all-L1-rank8.npz: relative error" in capsys.readouterr().out
    assert again.rank == 8 and again.error(tensor) < 1e-13
    assert [path.name for path in tmp_path.glob("*.npz")] == [table.file]


def test_a_table_comes_back_bit_for_bit_and_holds_no_pickle(tmp_path):
    import numpy as np

    table = Table("natural", 1, 6)
    save(table, load(table), tmp_path)
    with np.load(tmp_path / table.file, allow_pickle=False) as numbers:
        assert sorted(numbers.files) == ["in1", "in2", "out"]
        assert all(numbers[leg].dtype == np.float64 for leg in numbers.files)
        assert (numbers["in1"] == load(table).in1.numpy()).all()


def test_couplings_with_the_same_paths_are_one_and_the_same():
    assert coupling("0e+1o+2e", "0e+1o+2e", "0e+1o+2e") == Table("natural", 2, 18).coupling()
    assert coupling("2e+0e+1o+1o", "1o+2e+0e", "0e+1o+2e") == Table("natural", 2, 18).coupling()
    assert coupling("0o+1e+2o", "0o+1e+2o", "0e+1o+2e") == Table("natural", 2, 18).coupling()
    assert coupling("0e+1e", "0e+1e", "0e+1e") != coupling("0e+1o", "0e+1o", "0e+1o")


def test_rows_of_repeated_irreps_are_copies():
    assert rows_of_once(Irreps("1o+0e+1o")) == [1, 2, 3, 0, 1, 2, 3]
