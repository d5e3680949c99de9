"""Windows of recorded bodies in motion, or thrown points in their place; turns about the vertical, y, act on `dim`."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.experiments.data_folder import require
from intertwine.experiments.experiment import ExperimentError
from intertwine.geometry.array_file import read_arrays

RECORDINGS = Path("cmu_mocap") / "positions_30hz.npz"
PAST, AHEAD = 5, 10
"""Frames, of a thirtieth of a second."""
JOINTS = ("root", "head", "lradius", "rradius", "ltibia", "rtibia", "lfoot", "rfoot")
TESTED = 4
"""Every so many-th recording is for tests, the one after it for validation."""
GRAVITY = 9.81

Pairs = tuple[Float[Tensor, "seed sample 3 channel_in"], Float[Tensor, "seed sample 3 channel_out"]]


def describe(data: Path | None) -> str:
    """What is used, for the first line of the output.

    Raises:
        DataFolderError: a folder without the file.
    """
    if data is None:
        return (
            "Stand-in data: simulated inertia and cosine tasks as in the paper, and thrown points in place of recorded "
            "bodies (the paper's Waymo set may not be passed on); --data FOLDER takes CMU motion capture."
        )
    folder = _file(data).parent
    return f"Data: simulated inertia and cosine tasks as in the paper, and CMU motion capture from {folder}."


def windows(data: Path | None, *, seeds: int, samples: int, generator: torch.Generator) -> list[Pairs]:
    """Training, validation and test pairs, [seed, sample, 3, channel]: vectors now, displacements later, of size one.

    Raises:
        DataFolderError: a folder without the file.
        ExperimentError: a file without the recordings.
        ArrayFileError: one that cannot be read.
    """
    if data is None:
        sets = [[thrown_points(samples, generator) for _ in range(seeds)] for _ in range(3)]
        pairs = [(torch.stack([x for x, _ in each]), torch.stack([y for _, y in each])) for each in sets]
    else:
        pairs = []
        for x, y in _recorded(_file(data)):
            chosen = torch.stack([torch.randperm(len(x), generator=generator)[:samples] for _ in range(seeds)])
            pairs.append((x[chosen], y[chosen]))
    x_size, y_size = (part.square().mean(dim=(0, 1, 2)).sqrt() for part in pairs[0])
    return [(x / x_size, y / y_size.square().mean().sqrt()) for x, y in pairs]


def thrown_points(samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points tied to the origin by a spring, that fall: displacement after a third of a second."""
    x, v = torch.randn(2, samples, 3, 4, generator=generator)
    start, up, step = x, torch.tensor([0.0, 1.0, 0.0])[:, None], AHEAD / 30 / 20
    begun = v
    for _ in range(20):
        v = v - step * (GRAVITY * up + 4.0 * x * x.norm(dim=-2, keepdim=True))
        x = x + step * v
    return torch.cat([start, begun], -1), x - start


def _file(data: Path) -> Path:
    return require(data, RECORDINGS, without="thrown points")


def _recorded(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Vectors from the root to joints, their steps, and where they are later; sets have no recording in common."""
    found = read_arrays(path)
    try:
        names = [str(name) for name in found["joint_names"]]
        joints = [names.index(name) for name in JOINTS]
        trials = [torch.from_numpy(found[key]) for key in sorted(found) if found[key].ndim == 3]
    except (ValueError, KeyError) as error:
        raise ExperimentError(f"soft-equivariance: {path} does not hold joint positions: {error}.") from None
    trials = [trial[:, joints] for trial in trials if len(trial) > PAST + AHEAD]
    turn = [number % TESTED for number in range(len(trials))]
    parts = [
        [t for t, k in zip(trials, turn) if k >= 2],
        *([t for t, k in zip(trials, turn) if k == i] for i in (1, 0)),
    ]
    if not all(parts):
        raise ExperimentError(
            f"soft-equivariance: expected at least {TESTED} recordings in {path}, came {len(trials)}."
        )
    cuts = [[_cut(trial) for trial in part] for part in parts]
    return [(torch.cat([x for x, _ in part]), torch.cat([y for _, y in part])) for part in cuts]


def _cut(trial: Float[Tensor, "time joint 3"]) -> tuple[Tensor, Tensor]:
    now = trial[PAST:-AHEAD]
    root = now[:, :1]
    x = torch.cat([now[:, 1:] - root, now - trial[: -AHEAD - PAST]], 1)
    y = trial[PAST + AHEAD :] - now
    return x.mT.contiguous(), y.mT.contiguous()
