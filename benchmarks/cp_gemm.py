"""What share of this machine's GEMM rate does a CP product reach? Prints JSON.

python benchmarks/cp_gemm.py [--rounds 15] [--batch 1000] [--out FILE]

In every round each case and a square GEMM run for some milliseconds, in turns: on one thread by CPU time, on two by
wall time. `fraction` is the rate of a case over the rate of the GEMM in the same round, median and quartiles over the
rounds. Work: 6 rank dim batch channels floating-point operations forward (three matrix products), as many backward.
Degrees 0 to L on all legs, all paths; factors are shipped to L = 4, above they are random numbers of the rank that
counting gives, which time does not notice.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from intertwine.experiments.machine import library_versions, this_machine
from intertwine.experiments.timing import quartiles
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.factors import generic_rank
from intertwine.tensor_products.cp.gauss_newton import Factors

SQUARE = 1024
TURN = 0.01
"""Seconds of one case in one round, at least."""
CLOCKS = {1: time.process_time, 2: time.perf_counter}


class Case:
    """One computation: how to run it, how much work it is."""

    def __init__(self, about: dict, run: Callable[[], object], work: float):
        self.about, self.run, self.work = about, run, work
        self.times = 1

    def warm(self) -> None:
        for _ in range(2):
            begun = time.perf_counter()
            self.run()
            self.times = max(1, round(TURN / (time.perf_counter() - begun)))

    def rate(self, clock: Callable[[], float]) -> float:
        begun = clock()
        for _ in range(self.times):
            self.run()
        return self.work * self.times / (clock() - begun)


def square() -> Case:
    a, b = torch.randn(SQUARE, SQUARE), torch.empty(SQUARE, SQUARE)
    return Case({"what": f"GEMM {SQUARE}"}, lambda: torch.mm(a, a, out=b), 2.0 * SQUARE**3)


def cases(L: int, batch: int, channels: int, rank: int | str) -> list[Case]:
    irreps = Irreps.spherical_harmonics(L, 1)
    if rank == "exact" and L > 4:
        terms = generic_rank((irreps.dim,) * 3)
        product = CP(irreps, irreps, irreps, rank=Factors(*(torch.randn(terms, irreps.dim) for _ in range(3))))
    else:
        product = CP(irreps, irreps, irreps, rank=rank)
    x, y = (torch.randn(batch, irreps.dim, channels, requires_grad=True) for _ in range(2))
    gradient = torch.randn(batch, irreps.dim, channels)
    work = 6.0 * product.rank * irreps.dim * batch * channels

    def forward() -> None:
        with torch.no_grad():
            product(x, y)

    def both() -> None:
        torch.autograd.grad(product(x, y), (x, y), gradient)

    about = {"L": L, "rank": product.rank, "channels": channels, "batch": batch}
    return [
        Case({**about, "what": "forward"}, forward, work),
        Case({**about, "what": "forward + backward"}, both, 2 * work),
    ]


def measure(turns: list[Case], rounds: int, threads: int) -> list[dict]:
    torch.set_num_threads(threads)
    for case in turns:
        case.warm()
    rates = [[case.rate(CLOCKS[threads]) for case in turns] for _ in range(rounds)]
    results = []
    for place, case in enumerate(turns):
        share = quartiles([row[place] / row[0] for row in rates])
        rate = quartiles([row[place] for row in rates])
        results.append(
            {
                **case.about,
                "threads": threads,
                "clock": CLOCKS[threads].__name__,
                "ms": round(1e3 * case.work / rate.median, 4),
                "gflops": round(rate.median / 1e9, 1),
                "fraction": [round(value, 3) for value in (share.low, share.median, share.high)],
            }
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--degrees", type=int, nargs="*", default=[2, 3, 4, 5, 6])
    parser.add_argument("--channels", type=int, nargs="*", default=[1, 32])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    results = []
    for channels in chosen.channels:
        turns = [square()]
        turns += [case for L in chosen.degrees for case in cases(L, chosen.batch, channels, "exact")]
        for threads in chosen.threads:
            results += measure(turns, chosen.rounds, threads)
    text = json.dumps(
        {"machine": str(this_machine()), "versions": library_versions(), "dtype": "float32", "results": results},
        indent=1,
    )
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
