"""The Clebsch-Gordan product: every coupling of two irreps by its 3j tensor; O(3) acts on `dim`."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import TensorProduct, Weights, check_choice
from intertwine.tensor_products.filter_form import Coupling, FilterForm
from intertwine.tensor_products.kernels.couple import couple, takes
from intertwine.tensor_products.kernels.coupling_table import coupling_table


class Path(NamedTuple):
    """One coupling: entry `in1` of the first type with entry `in2` of the second gives entry `out` of the result.

    Example:
        >>> allowed_paths(Irreps("1o"), Irreps("1o"), Irreps("0e+1e"))
        [Path(in1=0, in2=0, out=0), Path(in1=0, in2=0, out=1)]
    """

    in1: int
    in2: int
    out: int


class ClebschGordan(TensorProduct):
    r"""Product of two features through Clebsch-Gordan coefficients, one term a path.

        z[out] = sum over paths (in1, in2, out) of   weight[path] * norm * C(l1, l2, l3) x[in1] y[in2]

    C is `wigner_3j`; norm makes every output component have unit variance for independent unit-variance x, y and
    weights: sqrt(2 l3 + 1) / sqrt(number of paths that end in `out`).

    The most expressive product of the family and the most expensive one: O(L^5) per channel over all paths.
    Also known as: full or channel-wise ("uuu", "uvu") tensor product.

    Args:
        irreps_in1, irreps_in2: types of the two features; entries may repeat.
        irreps_out: type of the result. Left out, each path gets an entry of its own, sorted by degree: all paths.
        paths: couplings to keep; left out, all that the selection rules allow.
        normalization: "component" as above; "none" leaves the bare 3j tensors.

    Shapes: as in `TensorProduct`; `weight_count` is the number of paths.

    Raises:
        IrrepsError: a path breaks a selection rule or comes twice, or an entry of irreps_out is reached by no path.

    Example:
        >>> import torch
        >>> from intertwine.o3 import Irreps
        >>> product = ClebschGordan(Irreps("0e+1o"), Irreps("0e+1o"))
        >>> product.irreps_out
        2x0e+2x1o+1e+2e
        >>> product(torch.randn(5, 4, 8), torch.randn(5, 4, 8)).shape
        torch.Size([5, 16, 8])

    Reference: Thomas et al., 2018, arXiv:1802.08219, section 3.1.
    """

    structure: Tensor

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        paths: Sequence[tuple[int, int, int]] | None = None,
        weights: Weights = "none",
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
    ):
        check_choice("ClebschGordan", "normalization", normalization, ("component", "none"))
        irreps_in1, irreps_in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        if irreps_out is None:
            irreps_out, all_paths = full_paths(irreps_in1, irreps_in2)
        else:
            irreps_out = Irreps(irreps_out)
            all_paths = allowed_paths(irreps_in1, irreps_in2, irreps_out)
        self.paths = all_paths if paths is None else [Path(*path) for path in paths]
        _check_paths(self.paths, all_paths, irreps_in1, irreps_in2, irreps_out)
        super().__init__(
            irreps_in1, irreps_in2, irreps_out, weight_count=len(self.paths), weights=weights, channels=channels
        )

        arrivals = Counter(path.out for path in self.paths)
        self.couplings = []
        for index, path in enumerate(self.paths):
            l1, l2, l3 = irreps_in1[path.in1].l, irreps_in2[path.in2].l, irreps_out[path.out].l
            norm = sqrt((2 * l3 + 1) / arrivals[path.out]) if normalization == "component" else 1.0
            self.couplings.append(Coupling(*path, weight=index, coefficients=norm * wigner_3j(l1, l2, l3)))

        compiled = coupling_table((irreps_in1, irreps_in2, irreps_out), self.couplings)
        slices1, slices2, slices3 = irreps_in1.slices(), irreps_in2.slices(), irreps_out.slices()
        self.pairs: list[tuple[slice, slice]] = []
        row_path, row_out, tables = [], [], {}
        for pair in sorted({(path.in1, path.in2) for path in self.paths}):
            members = [coupling for coupling in self.couplings if (coupling.in1, coupling.in2) == pair]
            rows = torch.cat([member.coefficients.permute(2, 0, 1).flatten(1) for member in members])
            tables[f"pair{len(self.pairs)}"] = rows
            self.pairs.append((slices1[pair[0]], slices2[pair[1]]))
            for member in members:
                row_path += [member.weight] * irreps_out[member.out].dim
                row_out += range(slices3[member.out].start, slices3[member.out].stop)
        self.tables = Constants(compiled=compiled.coefficients, **tables)
        self.dim_out, self.rows = irreps_out.dim, (irreps_in1.dim, irreps_in2.dim, len(self.paths))
        self.register_buffer("structure", compiled.structure, persistent=False)
        self.register_buffer("row_path", torch.tensor(row_path), persistent=False)
        self.register_buffer("row_out", torch.tensor(row_out), persistent=False)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Couple all pairs of entries: in the compiled kernel where there is one, else as `readable` does."""
        weight = self.effective_weight(weight)
        return self.compiled(x, y, weight) if takes(x, y, weight, self.rows) else self.readable(x, y, weight)

    def compiled(self, x: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        """The fast path: one pass over the data, derivatives included."""
        batch = x.shape[:-2] if x.shape[:-2] == y.shape[:-2] else torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = _one_batch(x, batch), _one_batch(y, batch)
        if weight is not None:
            shared = weight.shape[:-2].numel() == 1
            weight = weight.reshape(1, *weight.shape[-2:]) if shared else _one_batch(weight, batch)
        z = couple(x, y, weight, self.structure, self.tables.like(x, "compiled"), self.dim_out)
        return z if len(batch) == 1 else z.reshape(*batch, *z.shape[1:])

    def readable(self, x: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        """Couple every pair of entries to all degrees at once, weight the paths, and add up those that meet."""
        rows = []
        for pair, (one, two) in enumerate(self.pairs):
            outer = (x[..., one, :].unsqueeze(-2) * y[..., two, :].unsqueeze(-3)).flatten(-3, -2)
            rows.append(self.tables.like(x, f"pair{pair}") @ outer)
        z = torch.cat(rows, dim=-2)
        if weight is not None:
            z = z * weight.index_select(-2, self.get_buffer("row_path"))
        found = z.new_zeros(*z.shape[:-2], self.irreps_out.dim, z.shape[-1])
        return found.index_add(-2, self.get_buffer("row_out"), z)

    def filter_form(self) -> FilterForm:
        """The same map for a `y` of one channel, weights outside."""
        irreps = (self.irreps_in1, self.irreps_in2, self.irreps_out)
        return FilterForm(irreps, self.couplings, weighted=self.weighted_outside())


def _one_batch(x: Tensor, batch: torch.Size) -> Tensor:
    """All samples along one axis."""
    if len(batch) == 1 and x.shape[:-2] == batch:
        return x
    return x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:])


def allowed_paths(irreps_in1: Irreps, irreps_in2: Irreps, irreps_out: Irreps) -> list[Path]:
    """Every path that the selection rules |l1 - l2| <= l3 <= l1 + l2 and p3 = p1 p2 allow, ordered by in1, in2, out."""
    return [
        Path(in1, in2, out)
        for in1, ir1 in enumerate(irreps_in1)
        for in2, ir2 in enumerate(irreps_in2)
        for out, ir3 in enumerate(irreps_out)
        if ir3 in ir1 * ir2
    ]


def full_paths(irreps_in1: Irreps, irreps_in2: Irreps) -> tuple[Irreps, list[Path]]:
    """The type of the full product, one entry a path, sorted by degree, and its paths."""
    pairs = [(in1, in2) for in1 in range(len(irreps_in1)) for in2 in range(len(irreps_in2))]
    found = [(ir3, in1, in2) for in1, in2 in pairs for ir3 in irreps_in1[in1] * irreps_in2[in2]]
    found.sort(key=lambda path: path[0])
    return Irreps([ir3 for ir3, _, _ in found]), [Path(in1, in2, out) for out, (_, in1, in2) in enumerate(found)]


def _check_paths(paths: list[Path], allowed: list[Path], in1: Irreps, in2: Irreps, out: Irreps) -> None:
    legal = set(allowed)
    for path, times in Counter(paths).items():
        if path not in legal:
            raise IrrepsError(
                f"ClebschGordan: path {tuple(path)} is not allowed between entries of {in1}, {in2} and {out}. "
                f"Choose entries with |l1 - l2| <= l3 <= l1 + l2 and p3 = p1 p2."
            )
        if times > 1:
            raise IrrepsError(f"ClebschGordan: path {tuple(path)} comes {times} times in paths. Give each path once.")
    reached = {path.out for path in paths}
    for entry, ir in enumerate(out):
        if entry not in reached:
            raise IrrepsError(
                f"ClebschGordan: irreps_out asks for {ir}, entry {entry}, but no path from {in1} and {in2} reaches it. "
                f"Drop the entry, add a path to it, or raise the degrees of the inputs."
            )
    if not paths:
        raise IrrepsError(f'ClebschGordan: expected at least one path, came irreps "{in1}", "{in2}" and "{out}".')
