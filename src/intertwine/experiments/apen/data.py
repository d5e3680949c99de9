"""What the APEN experiment reads: bodies in narrow and wide poses, rooms, scans; SE(3) moves every part by itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from intertwine.experiments.data_folder import DataFolderError, locate
from intertwine.geometry.articulated import MANNEQUIN, Clouds, mannequins, proportions, scattered
from intertwine.geometry.articulated_human import (
    KINDS,
    captured_joints,
    load_human,
    people,
    random_joints,
)
from intertwine.geometry.rooms import PIECES, Furniture, load_furniture, load_scans, rooms

NARROW, WIDE = math.radians(20), math.radians(120)
"""Largest turns of a joint in training and in the wide test."""
FILES = {
    "people": "makehuman/base_human.npz",
    "rooms": "furniture/kenney_furniture.npz",
    "scans": "mosd/mosd_4096.npz",
}
MOTION = "cmu_mocap/positions_30hz.npz"
LEARNT_TRIALS = ["02_01", "02_03", "02_05", "03_01", "01_02"]
CHOSEN_TRIALS = ["02_02", "02_07", "03_02", "01_05"]
TESTED_TRIALS = ["02_04", "02_06", "02_08", "03_03", "01_07"]
CHOSEN_SCANS = 10
"""Scans to learn from that are kept for choosing."""


Kind = Literal["parts", "subjects"]


@dataclass(frozen=True)
class Task:
    """Clouds to learn from, to choose lengths and networks on, and to be tested on.

    To name parts, each has bodies and captured poses of its own.
    """

    name: str
    kind: Kind
    """"parts": label every point; "subjects": say whose body it is."""
    classes: int
    train: Clouds
    validation: dict[str, Clouds]
    """"narrow" and "wide": all that was looked at when the experiment was tuned."""
    tests: dict[str, Clouds]
    """"narrow" as in training, "wide", and "apart": wide, with every part moved on its own besides."""
    part_length: float
    """Typical size of a part, metres: the unit in which networks read positions within parts."""
    cloud_length: float
    """The same for whole clouds."""


def describe(data: Path | None) -> str:
    """What will be used.

    Raises:
        DataFolderError: a folder without any of the sets.
    """
    if data is None:
        return (
            "Data: a stand-in. Bodies of six boxes and capsules made by a formula, not the paper's scans of people "
            "(SMPL, DFAUST) and rooms (DynLab). Give --data a folder with makehuman, cmu_mocap, furniture and mosd."
        )
    found = [name for name, file in FILES.items() if locate(data, file).is_file()]
    if not found:
        sets = [Path(file).parts[0] for file in FILES.values()]
        raise DataFolderError(data, " or ".join(FILES.values()), name=" or ".join(sets), without="mannequins")
    poses = "motion capture and random joints" if locate(data, MOTION).is_file() else "random joints"
    words = {"people": f"skinned meshes of people (makehuman) posed by {poses}", "rooms": "rooms of furniture meshes",
             "scans": "table-top scans (mOSD)"}  # fmt: skip
    return (
        f"Data: {'; '.join(words[name] for name in found)}, from {data}. A stand-in for the paper's scans of people "
        "(SMPL, DFAUST) and rooms (DynLab), which are not free to pass on."
    )


def names(data: Path | None) -> tuple[str, ...]:
    """Tasks, in the order of their tables."""
    if data is None:
        return ("mannequins, parts", "mannequins, subjects")
    known = {"people": ("people, parts", "people, subjects"), "rooms": ("rooms, pieces",), "scans": ("scans, objects",)}
    return tuple(task for name, tasks in known.items() if locate(data, FILES[name]).is_file() for task in tasks)


def load(name: str, data: Path | None, *, train: int, test: int, points: int, subjects: int) -> Task:
    """Make the clouds of a task; the same for every method and seed."""
    draw = torch.Generator().manual_seed(1)
    if data is None:
        return _mannequins(name, train, test, points, subjects, draw)
    if name.startswith("people"):
        return _people(name, data, train, test, points, subjects, draw)
    if name.startswith("rooms"):
        return _rooms(name, data, train, test, points, draw)
    return _scans(name, data, train, points, draw)


def _apart(tests: dict[str, Clouds], draw: torch.Generator) -> dict[str, Clouds]:
    return {**tests, "apart": scattered(tests["wide"], angle=math.pi, shift=0.5, generator=draw)[0]}


def _mannequins(name: str, train: int, test: int, points: int, subjects: int, draw: torch.Generator) -> Task:
    by_subject = name.endswith("subjects")
    bodies = proportions(MANNEQUIN, subjects, 0.2, generator=draw)

    def make(count: int, angle: float) -> Clouds:
        if not by_subject:
            half = proportions(MANNEQUIN, count, 0.1, generator=draw)
            return mannequins(half, points=points, angle=angle, generator=draw)
        who = torch.arange(count) % subjects
        clouds = mannequins(bodies[who], points=points, angle=angle, generator=draw)
        return Clouds(clouds.points, clouds.part, clouds.label, who)

    learnt = make(train, NARROW)
    validation, tests = ({"narrow": make(n, NARROW), "wide": make(n, WIDE)} for n in (test // 2, test))
    kind, classes = ("subjects", subjects) if by_subject else ("parts", len(MANNEQUIN))
    return Task(name, kind, classes, learnt, validation, _apart(tests, draw), 0.15, 0.3)


def _people(name: str, data: Path, train: int, test: int, points: int, subjects: int, draw: torch.Generator) -> Task:
    human = load_human(locate(data, FILES["people"]))
    by_subject, captured = name.endswith("subjects"), locate(data, MOTION).is_file()
    amount = torch.rand(3, subjects, len(human.shapes), generator=draw)
    shapes = torch.where(torch.rand(amount.shape, generator=draw) < 2 / len(human.shapes), amount, 0.0)
    first, second, third = shapes[[0, 0, 0]] if by_subject else shapes

    def make(count: int, angle: float, trials: list[str], bodies: torch.Tensor) -> Clouds:
        local = random_joints(count, angle, generator=draw)
        if captured and angle == NARROW:  # every second pose
            poses = captured_joints(locate(data, MOTION), human, trials, every=10)
            local[::2] = poses[torch.randint(len(poses), (len(local[::2]),), generator=draw)]
        who = torch.arange(count) % subjects
        return _together(
            [
                people(human, local[rows], who[rows], bodies, points=points, generator=draw)
                for rows in torch.arange(count).split(100)
            ]
        )

    learnt = make(train, NARROW, LEARNT_TRIALS, first)
    validation, tests = (
        {"narrow": make(n, NARROW, trials, bodies), "wide": make(n, WIDE, trials, bodies)}
        for n, trials, bodies in ((test // 2, CHOSEN_TRIALS, second), (test, TESTED_TRIALS, third))
    )
    kind, classes = ("subjects", subjects) if by_subject else ("parts", len(KINDS))
    return Task(name, kind, classes, learnt, validation, _apart(tests, draw), 0.12, 0.3)


def _rooms(name: str, data: Path, train: int, test: int, points: int, draw: torch.Generator) -> Task:
    furniture: Furniture = load_furniture(locate(data, FILES["rooms"]))

    def make(count: int, angle: float) -> Clouds:
        turn = angle if angle == NARROW else math.pi
        return rooms(furniture, count, pieces=4, points=points, turn=turn, generator=draw)

    learnt = make(train, NARROW)
    validation, tests = ({"narrow": make(n, NARROW), "wide": make(n, WIDE)} for n in (test // 2, test))
    return Task(name, "parts", len(PIECES) + 1, learnt, validation, _apart(tests, draw), 0.3, 0.6)


def _scans(name: str, data: Path, train: int, points: int, draw: torch.Generator) -> Task:
    file = locate(data, FILES["scans"])
    known, tested = load_scans(file, points=points, generator=draw)
    ours = torch.arange(len(known) - CHOSEN_SCANS)
    learnt = [known.take(ours)]
    while len(ours) * len(learnt) < train:  # the same scans, thinned to other points
        learnt.append(load_scans(file, points=points, generator=draw)[0].take(ours))

    def both(scans: Clouds) -> dict[str, Clouds]:
        """A scan cannot be posed: "wide" turns each object about its own centre and leaves the table."""
        return {"narrow": scans, "wide": scattered(scans, angle=WIDE, shift=0.05, still=0, generator=draw)[0]}

    validation = both(known.take(torch.arange(len(ours), len(known))))
    return Task(name, "parts", 2, _together(learnt), validation, _apart(both(tested), draw), 0.05, 0.15)


def _together(clouds: Sequence[Clouds]) -> Clouds:
    return Clouds(*(torch.cat(each) for each in zip(*((c.points, c.part, c.label, c.subject) for c in clouds))))
