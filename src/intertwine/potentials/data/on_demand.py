"""Sets too large for memory: what would be a list is made item by item when asked for. No group acts here."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from intertwine.potentials.data.frame_store import FrameStore
from intertwine.potentials.data.hdf5_trajectory import is_trajectory
from intertwine.potentials.data.prepared import Prepared
from intertwine.potentials.data.readers import STORES, read
from intertwine.potentials.structures.graph import Graph

Item = TypeVar("Item")
Made = TypeVar("Made")
LARGE = 1_000_000
"""Atoms of a store from which on its frames are read when they are needed; with edges so many take about 3 GB."""


def frames_of_file(path: Path | str, keys: Mapping[str, str | None]) -> Sequence[Graph]:
    """The frames of a file: a list, or of a large store a `FrameStore`.

    Args:
        keys: names of labels, for `read`; a store that is read by them is read whole.
    """
    if Path(path).suffix.lower() in STORES and not any(keys.values()) and not is_trajectory(Path(path)):
        store = FrameStore(path)
        if int(store.atom_counts.sum()) >= LARGE:
            return store
    return read(path, **{f"{name}_key": key for name, key in keys.items()})  # pyright: ignore[reportArgumentType]


def comes_on_demand(items: Sequence[Any]) -> bool:
    """Whether a sequence makes each item when it is asked for: a store, or what the functions below make of one."""
    return isinstance(items, FrameStore | Prepared)


def mapped(items: Sequence[Item], function: Callable[[Item], Made]) -> Sequence[Made]:
    """The items after a function, as a list where they were no sequence on demand.

    Example:
        >>> mapped([1, 2], str), mapped(Prepared(range(1, 3), int), str)[1]
        (['1', '2'], '2')
    """
    return Prepared(items, function) if comes_on_demand(items) else [function(item) for item in items]


def chosen(items: Sequence[Item], places: Sequence[int]) -> Sequence[Item]:
    """Some of the items, as a list where they were no sequence on demand.

    Example:
        >>> chosen("abcd", [3, 0])
        ['d', 'a']
    """
    return Prepared(places, items.__getitem__) if comes_on_demand(items) else [items[place] for place in places]


def joined(parts: Sequence[Sequence[Item]]) -> Sequence[Item]:
    """All items of several sequences, as a list where none of them comes on demand.

    Example:
        >>> joined([[1, 2], [3]]), joined([Prepared("56", int), [3]])[1]
        ([1, 2, 3], 6)
    """
    if not any(comes_on_demand(part) for part in parts):
        return [item for part in parts for item in part]
    places = [(which, place) for which, part in enumerate(parts) for place in range(len(part))]

    def item(where: tuple[int, int]) -> Any:
        return parts[where[0]][where[1]]

    return Prepared(places, item)
