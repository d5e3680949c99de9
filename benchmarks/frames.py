"""What does exact symmetry cost? A net in a frame over the bare net, forward and backward, in turns in one process.

    python benchmarks/frames.py [--quick] [--device cuda] [--peers FOLDER] --out benchmarks/results

PointNet (64-64-128, head 64) on clouds of 1 000 points in float32. The goal, one element by rule, beside the bare net:
1 000 clouds, in chunks of 125. All sides, 25 clouds each, so that all ends in one to two minutes on one core: ours
with all elements, with one drawn in training, with one by rule, with a learned one; equiadapt's method (written anew in
peers/canonicaliser.py); and frame-averaging-pytorch itself, where FOLDER has it:

    pip install --no-deps --target FOLDER frame-averaging-pytorch einops

Each side is also asked how far it is from commuting with rotations, on clouds and on a cube.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.machine import library_versions, this_machine
from intertwine.experiments.timing import in_turns, quartiles, ratio
from intertwine.geometry.point_network import PointNet
from intertwine.groups.actions import Points
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import SE, E
from intertwine.groups.frames.pca import PCAFrame
from intertwine.nn.frame_average import FrameAverage
from intertwine.nn.learned_frame import LearnedFrame

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from canonicaliser import VectorNeuronFrame

BARE, GOAL = "bare net", "canonical, E(3)"
ALLOWED = 2.0
"""Times the bare net, for one element by rule."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50 clouds of 100 points")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peers", type=Path, help="folder with frame-averaging-pytorch and einops")
    parser.add_argument("--out", type=Path, help="folder for the result")
    options = parser.parse_args()
    clouds, few, points = (50, 25, 100) if options.quick else (1000, 25, 1000)
    torch.manual_seed(0)
    x = torch.randn(clouds, points, 3, device=options.device) * torch.tensor([3.0, 2.0, 1.0], device=options.device)
    sides = {name: side.to(options.device) for name, side in framed_nets(options.peers).items()}

    whole = in_turns({name: passes(sides[name], x) for name in (BARE, GOAL)}, rounds=3, warmup=1)
    part = in_turns({name: passes(side, x[:few]) for name, side in sides.items()}, rounds=3, warmup=1)
    reached = ratio(whole, GOAL, BARE)
    machine = asdict(this_machine())
    found: dict[str, Any] = {
        "command": "python benchmarks/frames.py" + " --quick" * options.quick + " --peers FOLDER" * bool(options.peers),
        "machine": machine,
        "versions": library_versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch_threads": torch.get_num_threads(),
        "device": options.device,
        "clouds": {"goal": clouds, "all sides": few},
        "points": points,
        "goal": {"side": GOAL, "at most": ALLOWED, "over the bare net": asdict(reached)},
        "milliseconds": {name: asdict(quartiles([1e3 * each for each in part[name]])) for name in sides},
        "over the bare net": {name: asdict(ratio(part, name, BARE)) for name in sides},
        "rotation error": {name: errors(side, x) for name, side in sides.items()},
    }
    found["goal"]["met"] = reached.median <= ALLOWED
    print(f"{GOAL}, {clouds} clouds of {points}: {reached.median:.2f} x the {BARE} (at most {ALLOWED:g})")
    for name in sides:
        error = "  ".join(f"{what} {value:.1e}" for what, value in found["rotation error"][name].items())
        print(f"{name:32} {found['over the bare net'][name]['median']:6.2f} x   rotation error: {error}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"frames-{machine_slug(machine)}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(f"written {path}")
    return 0


def framed_nets(peers: Path | None) -> dict[str, nn.Module]:
    """All sides around one net."""
    net = PointNet(3, 10)
    motions, rotations = [Points(E(3))], [Points(SE(3))]
    sides: dict[str, nn.Module] = {
        BARE: net,
        GOAL: FrameAverage(net, PCAFrame("E"), motions, None, "canonical"),
        "stochastic, E(3)": FrameAverage(net, PCAFrame("E"), motions, None, "stochastic"),
        "full, E(3)": FrameAverage(net, PCAFrame("E"), motions, None),
        "full, SE(3)": FrameAverage(net, PCAFrame("SE"), rotations, None),
        "learned, SE(3)": FrameAverage(net, LearnedFrame("SE"), rotations, None),
        "equiadapt's method": FrameAverage(net, VectorNeuronFrame(), rotations, None),
    }
    if peers is not None:
        sys.path.append(str(peers))
        from frame_averaging_pytorch import FrameAverage as Public  # type: ignore[import-not-found]

        sides["frame-averaging-pytorch, full"] = Public(net, dim=3, invariant_output=True)
        sides["frame-averaging-pytorch, random"] = Public(net, dim=3, invariant_output=True, stochastic=True)
    return sides


def passes(side: nn.Module, x: Tensor) -> Callable[[], None]:
    """Forward and backward over all clouds, in chunks that bound the memory."""

    def run() -> None:
        side.zero_grad(set_to_none=True)
        for chunk in x.split(125):
            side(chunk).square().mean().backward()

    return run


@torch.no_grad()
def errors(side: nn.Module, x: Tensor) -> dict[str, float]:
    """Largest relative change of the output when clouds turn, in evaluation."""
    side.eval()
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], device=x.device)] * 3)[None]
    cube = cube.repeat(1, 3, 1)  # 24 points: some methods look for 20 neighbours
    seed = torch.Generator().manual_seed(0)
    at = Points(SE(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            name: equivariance_error(side, [each], [at], None, SE(3), samples=4, generator=seed)
            for name, each in (("clouds", x[:10]), ("cube", cube))
        }
    side.train()
    return found


if __name__ == "__main__":
    sys.exit(main())
