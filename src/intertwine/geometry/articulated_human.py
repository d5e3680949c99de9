"""People made of a skinned mesh, read from a file: near-rigid limbs that SE(3) moves one by one around their joints."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.geometry.array_file import read_arrays
from intertwine.geometry.articulated import Clouds, turns
from intertwine.groups.actions import Points
from intertwine.groups.euclidean import SE, homogeneous

LIMBS: tuple[tuple[str, str, str, int], ...] = (
    ("torso", "torso", "root", -1),
    ("head", "head", "neck01", 0),
    ("left upper arm", "upper arm", "upperarm01.L", 0),
    ("right upper arm", "upper arm", "upperarm01.R", 0),
    ("left forearm", "forearm", "lowerarm01.L", 2),
    ("right forearm", "forearm", "lowerarm01.R", 3),
    ("left hand", "hand", "wrist.L", 4),
    ("right hand", "hand", "wrist.R", 5),
    ("left thigh", "thigh", "upperleg01.L", 0),
    ("right thigh", "thigh", "upperleg01.R", 0),
    ("left shin", "shin", "lowerleg01.L", 8),
    ("right shin", "shin", "lowerleg01.R", 9),
    ("left foot", "foot", "foot.L", 10),
    ("right foot", "foot", "foot.R", 11),
)
"""Limb, its kind, the bone that begins it, and the limb it hangs on. Left and right are of one kind."""
KINDS = tuple(dict.fromkeys(kind for _, kind, _, _ in LIMBS))
MOCAP: dict[int, tuple[str, str]] = {
    2: ("lhumerus", "lradius"),
    3: ("rhumerus", "rradius"),
    4: ("lradius", "lwrist"),
    5: ("rradius", "rwrist"),
    8: ("lfemur", "ltibia"),
    9: ("rfemur", "rtibia"),
    10: ("ltibia", "lfoot"),
    11: ("rtibia", "rfoot"),
}
"""Limbs whose direction motion capture gives: from the end of a joint's parent bone to its own end."""


class HumanError(ValueError):
    """A file that holds no mesh with bones, or no motion, as its README describes."""


@dataclass(frozen=True)
class Human:
    """The body of the mesh at rest, with its bones gathered into limbs; Y up, metres."""

    vertices: Float[Tensor, "vertex 3"]
    triangles: Int[Tensor, "triangle 3"]
    weights: Float[Tensor, "vertex limb"]
    """How far a vertex follows each limb; rows sum to one."""
    joints: Float[Tensor, "limb 3"]
    """Where each limb begins."""
    tips: Float[Tensor, "limb 3"]
    """Where the first limb that hangs on it begins, or the joint itself."""
    shapes: Float[Tensor, "shape vertex 3"]
    """Offsets that make other people: age, gender, muscle, weight."""
    joint_shapes: Float[Tensor, "shape limb 3"]
    """What the same people's joints move by."""


def load_human(file: Path | str) -> Human:
    """Read `base_human.npz`.

    Raises HumanError for a file without what its README names, ArrayFileError for one that cannot be read.

    Example:
        >>> human = load_human("makehuman/base_human.npz")  # doctest: +SKIP
    """
    data = read_arrays(file)
    try:
        names = [str(name) for name in data["bone_names"]]
        quads = data["quads"][data["face_group"] == list(data["group_names"]).index("body")]
        parent, weight = data["bone_parent"], data["weight"]
        bone, vertex, heads = data["weight_bone"], data["weight_vertex"], data["bone_head"]
        all_vertices, pointer = data["vertices"], data["target_ptr"]
        at, delta = data["target_vertex"], data["target_delta"]
        groups = [str(name) for name in data["group_names"]]
        cubes = [np.unique(data["quads"][data["face_group"] == i]) for i, g in enumerate(groups) if g[:6] == "joint-"]
    except (KeyError, ValueError) as error:
        raise HumanError(
            f"{file}: expected the makehuman mesh base_human.npz with its bones and targets: {error}"
        ) from error
    begins = {names.index(first): limb for limb, (_, _, first, _) in enumerate(LIMBS)}
    limb_of = [0] * len(names)
    for number in range(len(names)):
        up = number
        while up not in begins and parent[up] >= 0:
            up = int(parent[up])
        limb_of[number] = begins.get(up, 0)
    used, renamed = np.unique(quads, return_inverse=True)
    weights = np.zeros((len(all_vertices), len(LIMBS)))
    np.add.at(weights, (vertex, np.array(limb_of)[bone]), weight)
    weights = weights[used] / np.maximum(weights[used].sum(1, keepdims=True), 1e-9)
    shapes = np.zeros((len(pointer) - 1, *all_vertices.shape), np.float32)
    for shape, (start, stop) in enumerate(pairwise(pointer)):
        shapes[shape, at[start:stop]] = delta[start:stop]
    quads = renamed.reshape(quads.shape)
    begin = np.stack([heads[names.index(first)] for _, _, first, _ in LIMBS])
    joint_shapes = np.zeros((len(shapes), len(LIMBS), 3), np.float32)
    for limb in range(1, len(LIMBS)):  # the torso's joint turns the whole body, about whatever point
        about = [cube for cube in cubes if np.allclose(all_vertices[cube].mean(0), begin[limb], atol=1e-3)]
        if not about:
            raise HumanError(f"{file}: expected a cube joint-* about the {LIMBS[limb][0]}'s joint, came none.")
        joint_shapes[:, limb] = shapes[:, about[0]].mean(1)
    joints = torch.tensor(begin / 10, dtype=torch.float32)
    parents = [above for _, _, _, above in LIMBS]
    tips = torch.stack([joints[parents.index(i) if i in parents else i] for i in range(len(LIMBS))])
    return Human(
        vertices=torch.tensor(all_vertices[used] / 10, dtype=torch.float32),
        triangles=torch.tensor(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), dtype=torch.int64),
        weights=torch.tensor(weights, dtype=torch.float32),
        joints=joints,
        tips=tips,
        shapes=torch.tensor(shapes[:, used] / 10, dtype=torch.float32),
        joint_shapes=torch.tensor(joint_shapes / 10, dtype=torch.float32),
    )


def limb_motions(
    joints: Float[Tensor, "body limb 3"], local: Float[Tensor, "body limb 3 3"]
) -> Float[Tensor, "body limb 4 4"]:
    """g_limb = g_parent (about the joint, turned by local): where the limbs of every body go from rest."""
    motions: list[Tensor] = []
    for limb, (_, _, _, above) in enumerate(LIMBS):
        turn, joint = local[:, limb], joints[:, limb]
        about = homogeneous(turn, joint - (turn @ joint.unsqueeze(-1)).squeeze(-1))
        motions.append(about if above < 0 else motions[above] @ about)
    return torch.stack(motions, 1)


def people(
    human: Human,
    local: Float[Tensor, "body limb 3 3"],
    subject: Int[Tensor, "body"],
    shapes: Float[Tensor, "subject shape"],
    *,
    points: int,
    generator: torch.Generator,
) -> Clouds:
    r"""Clouds of posed people, evenly over their skin: x = sum_limb weight_limb g_limb (rest + sum_s a_s shape_s).

    Joints move with the shape: each is the centre of a small cube of the mesh. A point belongs to the limb it follows
    most; close to a joint the skin bends, so that a cloud is only nearly rigid there: see `Clouds.moved` for exact
    motions.
    """
    rest = human.vertices + torch.einsum("bs,svi->bvi", shapes, human.shapes)
    a, b, c = (rest[:, human.triangles[:, i]] for i in range(3))
    area = torch.linalg.cross(b - a, c - a).norm(dim=-1)[subject]
    corners = human.triangles[torch.multinomial(area, points, replacement=True, generator=generator)]
    u = torch.rand(len(subject), points, 2, generator=generator)
    u = torch.where(u.sum(-1, keepdim=True) > 1, 1 - u, u)
    mix = torch.cat([1 - u.sum(-1, keepdim=True), u], -1).unsqueeze(-1)
    follows = human.weights[corners]
    joints = human.joints + torch.einsum("bs,sli->bli", shapes, human.joint_shapes)
    motions = limb_motions(joints[subject], local)
    blend = torch.einsum("bpcl,blij->bpcij", follows, motions)  # of the corners alone: the mesh has many vertices more
    skin = Points(SE(3)).act(blend, rest[subject[:, None, None], corners].unsqueeze(-2)).squeeze(-2)
    cloud = (mix * skin).sum(-2)
    part = (mix * follows).sum(-2).argmax(-1)
    kind = torch.tensor([KINDS.index(name) for _, name, _, _ in LIMBS])[part]
    centred = cloud - cloud.mean(1, keepdim=True)
    return Clouds(centred, part, kind, subject)


def random_joints(bodies: int, angle: float, *, generator: torch.Generator) -> Float[Tensor, "body limb 3 3"]:
    """Every joint turned by up to `angle` radians, the whole body too."""
    return turns(bodies, len(LIMBS), angle=angle, generator=generator).float()


def captured_joints(file: Path | str, human: Human, trials: list[str], every: int) -> Float[Tensor, "body limb 3 3"]:
    """Joints of the poses of motion capture, every so many frames: limbs take the direction of the captured ones.

    Only directions are recorded, so the twist of a limb about its own axis is the smallest possible.

    Raises HumanError for a trial that is not there, ArrayFileError for a file that cannot be read.
    """
    data = read_arrays(file)
    try:
        names = [str(name) for name in data["joint_names"]]
        frames = np.concatenate([data[trial][::every] for trial in trials])
    except (KeyError, ValueError) as error:
        raise HumanError(f"{file}: expected positions_30hz.npz of cmu_mocap with trials {trials}: {error}") from error
    parents, places = data["parents"], torch.tensor(frames, dtype=torch.float32)
    absolute = torch.eye(3).expand(len(places), len(LIMBS), 3, 3).clone()
    for limb, (joint, _) in MOCAP.items():
        end = names.index(joint)
        direction = places[:, end] - places[:, int(parents[end])]
        absolute[:, limb] = between((human.tips[limb] - human.joints[limb]).expand_as(direction), direction)
    for limb in (6, 7, 12, 13):  # hands and feet go with the limb above
        absolute[:, limb] = absolute[:, LIMBS[limb][3]]
    above = torch.tensor([max(up, 0) for _, _, _, up in LIMBS])
    local = absolute[:, above].mT @ absolute
    local[:, 0] = absolute[:, 0]
    return local


def between(a: Float[Tensor, "*batch 3"], b: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The smallest rotation that brings the direction of a to that of b; opposite directions are nudged apart.

    Example:
        >>> q = between(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0]))
        >>> torch.allclose(q @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)
        True
    """
    a, b = (v / v.norm(dim=-1, keepdim=True) for v in (a, b))
    b = torch.where((a * b).sum(-1, keepdim=True) < -0.9999, b + torch.tensor([0.01, 0.02, 0.03]), b)
    b = b / b.norm(dim=-1, keepdim=True)
    x, y, z = torch.linalg.cross(a, b).unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    cosine = (a * b).sum(-1)[..., None, None]
    return torch.eye(3) + skew + skew @ skew / (1 + cosine)
