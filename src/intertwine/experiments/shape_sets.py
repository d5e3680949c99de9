"""Classes of point clouds: solids made by rule, or furniture and people that a user has. E(3) acts on the points."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.experiments.data_folder import locate, require
from intertwine.geometry.array_file import ArrayFileError, read_arrays
from intertwine.geometry.meshes import Mesh, MeshError, sample_surface
from intertwine.geometry.solids import SOLIDS, solid_clouds

FURNITURE = Path("furniture") / "kenney_furniture.npz"
PEOPLE = Path("makehuman") / "base_human.npz"
FEWEST = 10
"""Models of a class of furniture that is used."""


@dataclass(frozen=True)
class Clouds:
    """Clouds about the origin, upright along z, with root mean square distance 1 from it."""

    points: Float[Tensor, "cloud point 3"]
    labels: Int[Tensor, "cloud"]
    classes: tuple[str, ...]


def describe_shapes(data: Path | None) -> str:
    """What is used, for the first line of the output.

    Raises:
        DataFolderError: a folder without furniture.
    """
    if data is None:
        return f"Stand-in data: {len(SOLIDS)} classes of solids made by rule take the place of ModelNet40."
    require(data, FURNITURE, without="solids made by rule")
    people = " and MakeHuman bodies" if locate(data, PEOPLE).is_file() else ""
    return f"Stand-in data: Kenney furniture{people} from {data} take the place of ModelNet40; test models are unseen."


def load_shapes(data: Path | None, train: int, test: int, points: int) -> tuple[Clouds, Clouds]:
    """Clouds to learn from and to be tested on, the same for every method and seed.

    Furniture: every third model of a class is for the test only. A cloud is a model stretched by 0.8 to 1.25 along its
    axes and sampled anew.

    Raises:
        MeshError: files that hold something else.
        ArrayFileError: files that cannot be read.
    """
    draw = torch.Generator().manual_seed(1)
    if data is None:
        drawn = [solid_clouds(count, points, generator=draw) for count in (train, test)]
        sets = [(each, labels) for each, _, labels in drawn]
        classes = tuple(SOLIDS)
    else:
        try:
            members = _members(data)
        except ArrayFileError:
            raise
        except (KeyError, ValueError, IndexError) as error:
            raise MeshError(f"{data}: expected the files that their READMEs describe; {error}.") from None
        classes = tuple(members[0])
        sets = [_clouds(part, count, points, draw) for part, count in zip(members, (train, test), strict=True)]
    return Clouds(unit(sets[0][0]), sets[0][1], classes), Clouds(unit(sets[1][0]), sets[1][1], classes)


def unit(points: Float[Tensor, "cloud point 3"]) -> Float[Tensor, "cloud point 3"]:
    """Centred, at root mean square distance 1."""
    points = points - points.mean(1, keepdim=True)
    return points / points.square().sum(-1).mean(1).sqrt()[:, None, None]


Model = Callable[[torch.Generator], Mesh]


def _clouds(members: dict[str, list[Model]], count: int, points: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.arange(count) % len(members)
    names, drawn = list(members), []
    for k in range(count):
        models = members[names[k % len(names)]]
        mesh = models[k // len(names) % len(models)](draw)
        stretch = 0.8 + 0.45 * torch.rand(3, generator=draw)
        drawn.append(sample_surface(Mesh(mesh.vertices * stretch, mesh.faces), points, generator=draw)[0])
    return torch.stack(drawn), labels


def _members(data: Path) -> tuple[dict[str, list[Model]], dict[str, list[Model]]]:
    """Models of every class, for training and for the test."""
    found = read_arrays(locate(data, FURNITURE))
    train: dict[str, list[Model]] = {}
    test: dict[str, list[Model]] = {}
    for label, name in enumerate(found["class_names"].tolist()):
        rows = np.flatnonzero(found["label"] == label).tolist()
        if name != "other" and len(rows) >= FEWEST:
            models = [_fixed(_furniture(found, row)) for row in rows]
            test[name] = models[::3]
            train[name] = [model for k, model in enumerate(models) if k % 3]
    if locate(data, PEOPLE).is_file():
        train["person"] = test["person"] = [_person(locate(data, PEOPLE))]
    return train, test


def _furniture(found: dict[str, np.ndarray], row: int) -> Mesh:
    vertices = found["vertices"][slice(*found["vertex_ptr"][row : row + 2])]
    faces = found["faces"][slice(*found["face_ptr"][row : row + 2])]
    return Mesh(torch.tensor(vertices[:, [0, 2, 1]] * [1, -1, 1]).float(), torch.tensor(faces).long())


def _fixed(mesh: Mesh) -> Model:
    return lambda draw: mesh


def _person(path: Path) -> Model:
    """A body that is a mixture of two of the shapes of the file, another one every time."""
    found = read_arrays(path)
    quads = found["quads"][found["face_group"] == found["group_names"].tolist().index("body")]
    faces = torch.tensor(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])).long()
    vertices = torch.tensor(found["vertices"]).float()

    def person(draw: torch.Generator) -> Mesh:
        shaped = vertices.clone()
        for shape in torch.randint(len(found["target_names"]), (2,), generator=draw).tolist():
            part = slice(*found["target_ptr"][shape : shape + 2])
            weight = 0.8 * float(torch.rand((), generator=draw))
            shaped[found["target_vertex"][part]] += weight * torch.tensor(found["target_delta"][part])
        return Mesh(shaped[:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0]), faces)

    return person
