"""L-BFGS for many structures side by side: rows belong to structures, and E(3) acts on each structure's rows."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class BatchedLBFGS:
    r"""Limited-memory BFGS of each structure by itself, in a few operations for all of them.

        s_k = step,   y_k = change of the gradient,   rho_k = 1 / <s_k, y_k>
        step = - H gradient,   H from the last `memory` pairs by the two loops; its longest row is shortened to `reach`

    Scalar products run over the rows of one structure. A pair without positive curvature is left out. Where a step ran
    past the minimum of its line so far that the slope there is as steep as it was at its start, the structure forgets
    all but the newest pair and halves its reach; a good step lets the reach grow again. There is no line search: every
    step costs one evaluation.

    Args:
        memory: pairs kept.
        stiffness: curvature that is assumed before there is a pair, eV/A^2.
        reach: longest step of a row, Angstrom.

    Reference: Nocedal, 1980, Math. Comput. 35, 773.
    """

    def __init__(self, *, memory: int = 20, stiffness: float = 70.0, reach: float = 0.2):
        self.memory, self.stiffness, self.most = memory, stiffness, reach
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        """s, y and rho, the oldest first; rho is 0 for structures that the pair says nothing about."""
        self.owner = torch.empty(0, dtype=torch.long)
        self.step_before = self.gradient_before = torch.empty(0, 3, dtype=torch.float64)
        self.fresh = torch.empty(0, dtype=torch.bool)
        self.softness = self.reach = torch.empty(0, dtype=torch.float64)

    def add(self, counts: Int[Tensor, "new"]) -> None:
        """Take structures with so many rows behind those that are there."""
        device, new = counts.device, len(counts)
        rows = torch.repeat_interleave(torch.arange(new, device=device), counts) + len(self.fresh)
        blank = torch.zeros(len(rows), 3, dtype=torch.float64, device=device)
        none = torch.zeros(new, dtype=torch.float64, device=device)
        self.owner = torch.cat([self.owner.to(device), rows])
        self.step_before = torch.cat([self.step_before.to(device), blank])
        self.gradient_before = torch.cat([self.gradient_before.to(device), blank])
        self.fresh = torch.cat([self.fresh.to(device), none == 0])
        self.softness = torch.cat([self.softness.to(device), none + 1 / self.stiffness])
        self.reach = torch.cat([self.reach.to(device), none + self.most])
        self.pairs = [
            (torch.cat([s, blank]), torch.cat([y, blank]), torch.cat([rho, none])) for s, y, rho in self.pairs
        ]

    def keep(self, chosen: Bool[Tensor, "structure"]) -> None:
        """Let the structures go that are not chosen."""
        rows, renumbered = chosen[self.owner], torch.cumsum(chosen, 0) - 1
        self.owner = renumbered[self.owner[rows]]
        self.step_before, self.gradient_before = self.step_before[rows], self.gradient_before[rows]
        self.fresh, self.softness, self.reach = self.fresh[chosen], self.softness[chosen], self.reach[chosen]
        self.pairs = [(s[rows], y[rows], rho[chosen]) for s, y, rho in self.pairs]

    def step(self, gradient: Float[Tensor, "row 3"]) -> Float[Tensor, "row 3"]:
        """Where to go from here; the next call takes the gradient there."""
        self._learn(gradient)
        direction = -self._solve(gradient)
        uphill = self._dot(direction, gradient) >= 0
        direction = torch.where(uphill[self.owner, None], -gradient / self.stiffness, direction)
        longest = self._zeros().scatter_reduce(0, self.owner, direction.norm(dim=1), "amax")
        shorten = (self.reach / longest.clamp_min(1e-300)).clamp_max(1.0)
        step = direction * shorten[self.owner, None]
        self.step_before, self.gradient_before, self.fresh = step, gradient, torch.zeros_like(self.fresh)
        return step

    def _learn(self, gradient: Tensor) -> None:
        if bool(self.fresh.all()):
            return
        s, y = self.step_before, gradient - self.gradient_before
        y = torch.where(self.fresh[self.owner, None], 0.0, y)
        curvature, square = self._dot(s, y), self._dot(y, y)
        known = curvature > (1e-12 * square).clamp_min(1e-100)
        rho = torch.where(known, 1 / curvature.where(known, 1.0), 0.0)
        self.softness = torch.where(known, curvature / square.where(known, 1.0), self.softness)
        begun, arrived = self._dot(s, self.gradient_before), self._dot(s, gradient)
        past = ~self.fresh & (arrived > -0.9 * begun)
        self.reach = torch.where(past, 0.5 * self.reach, 1.2 * self.reach).clamp(0.05 * self.most, self.most)
        pairs = [*((s_, y_, torch.where(past, 0.0, rho_)) for s_, y_, rho_ in self.pairs), (s, y, rho)]
        self.pairs = pairs[-self.memory :]

    def _solve(self, gradient: Tensor) -> Tensor:
        """H gradient."""
        q, weights = gradient, []
        for s, y, rho in reversed(self.pairs):
            weight = rho * self._dot(s, q)
            weights.append(weight)
            q = q - weight[self.owner, None] * y
        q = q * self.softness[self.owner, None]
        for (s, y, rho), weight in zip(self.pairs, reversed(weights)):
            q = q + (weight - rho * self._dot(y, q))[self.owner, None] * s
        return q

    def _dot(self, a: Tensor, b: Tensor) -> Tensor:
        """<a, b> of every structure."""
        return self._zeros().index_add(0, self.owner, (a * b).sum(dim=1))

    def _zeros(self) -> Tensor:
        return torch.zeros_like(self.reach)
