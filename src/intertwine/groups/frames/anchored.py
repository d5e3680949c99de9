"""Frames of symmetric clouds, built on their outermost points where axes are not determined; O(d) acts on points."""

import itertools

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LIMIT = 512
"""Most elements of one cloud. The vertices of a dodecahedron take 240, a ring of n points in the plane takes 2 n."""


def anchored_elements(
    cloud: Float[Tensor, "*batch point d"],
    axes: Float[Tensor, "*batch d d"],
    joined: Bool[Tensor, "*batch pairs"],
    tie: Float[Tensor, "*batch"],
    elements: Float[Tensor, "*batch frame d d"],
    special: bool,
) -> tuple[Float[Tensor, "*batch larger d d"], Float[Tensor, "*batch larger"], Bool[Tensor, "*batch"]]:
    """Replace the elements of every cloud with joined axes; returns elements, weights, and where they are exact.

    Args:
        joined: whether axis i and axis i + 1 have the same non-zero eigenvalue.
        tie: relative difference of two radii up to which both points count as outermost.
        elements: those of all clouds so far; kept, at equal weights, where nothing is joined.
    """
    batch, d = axes.shape[:-2], axes.shape[-1]
    exact = torch.ones(batch, dtype=torch.bool, device=axes.device)
    found: dict[tuple[int, ...], Tensor] = {}
    for where in map(tuple, joined.any(-1).nonzero().tolist()):
        found[where], complete = elements_of(cloud[where], axes[where], joined[where], float(tie[where]), special)
        exact[where] = complete
    count = max(elements.shape[-3], *(len(each) for each in found.values()))
    # smaller sets are filled up with copies of their first element at weight zero
    fill = elements[..., :1, :, :].expand(*batch, count - elements.shape[-3], d, d)
    larger = torch.cat([elements, fill], -3)
    weights = larger.new_zeros(*batch, count)
    weights[..., : elements.shape[-3]] = 1 / elements.shape[-3]
    for where, each in found.items():
        larger[where] = torch.cat([each, each[:1].expand(count - len(each), d, d)])
        weights[where] = 0.0
        weights[(*where, slice(len(each)))] = 1 / len(each)
    return larger, weights, exact


def elements_of(
    points: Float[Tensor, "point d"],
    axes: Float[Tensor, "d d"],
    joined: Bool[Tensor, "pairs"],
    tie: float,
    special: bool,
) -> tuple[Float[Tensor, "frame d d"], bool]:
    """Elements of one cloud, and whether all that the rule asks for are there.

    Example:
        >>> square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> elements, complete = elements_of(square, torch.eye(2), torch.tensor([True]), 1e-5, special=False)
        >>> elements.shape, complete
        (torch.Size([8, 2, 2]), True)
    """
    d, complete = len(axes), True
    choices: list[Tensor] = []
    for block in blocks_of(joined.tolist()):
        inside = axes[:, block]
        if len(block) == 1:
            anchored = torch.ones(1, 1, 1).to(axes)
        else:
            anchored, whole = anchored_bases(points @ inside, tie)
            complete = complete and whole
        last = anchored[..., -1:]
        both = torch.cat([anchored, torch.cat([anchored[..., :-1], -last], -1)])  # the last axis has no direction
        choices.append(inside @ both)
    elements = axes.new_zeros(1, d, 0)
    for each in choices:
        pairs = list(itertools.product(range(len(elements)), range(len(each))))
        if len(pairs) > 4 * LIMIT:
            pairs, complete = pairs[:: len(pairs) // (2 * LIMIT)], False
        left, right = torch.tensor(pairs, device=axes.device).T
        elements = torch.cat([elements[left], each[right]], -1)
    if special:
        elements = elements[torch.linalg.det(elements) > 0]
    kept = evenly(elements, LIMIT)
    return kept, complete and len(kept) == len(elements)


def anchored_bases(c: Float[Tensor, "point m"], tie: float) -> tuple[Float[Tensor, "basis m m"], bool]:
    """Orthonormal bases of the space that the points span, with axes towards outermost points; all that tie.

    Axis 1 points to the outermost point, axis k to the one farthest from the span of the axes before; among those
    equally far, to the one that lies farthest along axis 1. The last axis is what remains, its sign is arbitrary.
    """
    m, complete = c.shape[-1], True
    bases = c.new_zeros(1, m, 0)
    for _ in range(m - 1):
        along = c @ bases
        rest = c - along @ bases.mT
        radius = rest.norm(dim=-1)
        best = radius >= radius.max() - tie * c.norm(dim=-1).max()
        if bases.shape[-1]:
            first = along[..., 0].masked_fill(~best, -torch.inf)
            best = first >= first.max() - tie * c.norm(dim=-1).max()
        basis, point = best.nonzero(as_tuple=True)
        axis = rest[basis, point] / radius[basis, point][:, None]
        longer = distinct(torch.cat([bases[basis], axis[..., None]], -1), tie)
        bases = evenly(longer, LIMIT)
        complete = complete and len(bases) == len(longer)
    remaining = torch.linalg.qr(bases, mode="complete").Q[..., -1:]
    return torch.cat([bases, remaining], -1), complete


def blocks_of(joined: list[bool]) -> list[list[int]]:
    """Indices of axes, those that belong together in one list.

    Example:
        >>> blocks_of([True, False])
        [[0, 1], [2]]
    """
    blocks = [[0]]
    for place, together in enumerate(joined, start=1):
        if together:
            blocks[-1].append(place)
        else:
            blocks.append([place])
    return blocks


def distinct(bases: Float[Tensor, "basis d m"], tie: float) -> Float[Tensor, "fewer d m"]:
    """One of each: points that stand in one place, or behind each other, say the same. As they are where very many."""
    if len(bases) > 2 * LIMIT:
        return bases
    flat = bases.flatten(1)
    same = (flat[:, None] - flat[None]).abs().amax(-1) <= 10 * tie
    return bases[~same.tril(-1).any(-1)]


def evenly(elements: Float[Tensor, "frame d m"], count: int) -> Float[Tensor, "fewer d m"]:
    """At most `count` of the elements, in even steps."""
    if len(elements) <= count:
        return elements
    return elements[torch.linspace(0, len(elements) - 1, count, device=elements.device).long()]
