"""Keys and values of an LMDB file, read page by page with every offset checked; no group acts.

The C library maps the file and trusts it: a cut or damaged one ends the process with a signal. Here it is an error.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from intertwine.potentials.structures.graph import GraphError, one_line

MAGIC, VERSION = 0xBEEFC0DE, 1
HEADER = 16
"""Bytes before the content of a page: number u64, pad u16, flags u16, end of its node table u16, begin of nodes u16."""
BRANCH, LEAF, OVERFLOW = 1, 2, 4
BIG, SUBTREE, REPEATED = 1, 2, 4
DEEPEST = 32


@dataclass(frozen=True)
class Meta:
    """The newest of the two descriptions of a file."""

    page_size: int
    entries: int
    root: int
    transaction: int


def lmdb_entries(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Every key of the main table and its value, in the order of the file.

    Raises:
        GraphError: no LMDB file, or one that is cut or damaged.

    Reference: the file format is that of LMDB 0.9, `mdb.c` of OpenLDAP.
    """
    with open(path, "rb") as file:
        if path.stat().st_size < 2 * HEADER:
            raise GraphError(f"{one_line(path)}: has {path.stat().st_size} bytes, which is no LMDB file.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                meta = max(_metas(data), key=lambda meta: meta.transaction, default=None)
                if meta is None:
                    raise GraphError(
                        f"{one_line(path)}: is no LMDB file of a 64-bit little-endian machine; convert it."
                    )
                if meta.root == 2**64 - 1:
                    return
                count = 0
                for entry in _walk(data, meta, meta.root, 0):
                    count += 1
                    if count > meta.entries:
                        raise ValueError("more entries than it declares")
                    yield entry
                if count != meta.entries:
                    raise ValueError(f"{count} entries of {meta.entries}")
            except (struct.error, ValueError) as error:
                if isinstance(error, GraphError):
                    raise
                raise GraphError(
                    f"{one_line(path)}: damaged or truncated LMDB file ({error}); copy or download it again."
                ) from error


def _metas(data: mmap.mmap) -> Iterator[Meta]:
    first = _meta(data, 0)
    if first is not None:
        yield first
    for size in [first.page_size] if first else (4096, 16384, 65536):
        second = _meta(data, size) if size + 200 < len(data) else None
        if second is not None and second.page_size == size:
            yield second


def _meta(data: mmap.mmap, begin: int) -> Meta | None:
    magic, version = struct.unpack_from("<II", data, begin + HEADER)
    if (magic, version) != (MAGIC, VERSION):
        return None
    (page_size,) = struct.unpack_from("<I", data, begin + HEADER + 24)
    entries, root = struct.unpack_from("<QQ", data, begin + HEADER + 24 + 48 + 32)
    last, transaction = struct.unpack_from("<QQ", data, begin + HEADER + 24 + 96)
    if page_size not in (1 << power for power in range(9, 17)):
        raise ValueError(f"pages of {page_size} bytes")
    if (last + 1) * page_size > len(data):
        raise ValueError(f"{len(data)} bytes of {(last + 1) * page_size}")
    return Meta(page_size, entries, root, transaction)


def _walk(data: mmap.mmap, meta: Meta, page: int, depth: int) -> Iterator[tuple[bytes, bytes]]:
    begin = _page(data, meta, page, BRANCH | LEAF)
    flags, end = struct.unpack_from("<HH", data, begin + 10)
    if depth > DEEPEST:
        raise ValueError("a tree without end")
    if not HEADER <= end <= meta.page_size:
        raise ValueError(f"page {page} has no node table")
    for (offset,) in struct.iter_unpack("<H", data[begin + HEADER : begin + end]):
        if offset + 8 > meta.page_size:
            raise ValueError(f"page {page} has a node outside itself")
        node = begin + offset
        low, high, kind, key_size = struct.unpack_from("<HHHH", data, node)
        size = low | high << 16
        if flags & BRANCH:
            yield from _walk(data, meta, size | kind << 32, depth + 1)
            continue
        if kind & (SUBTREE | REPEATED):
            raise ValueError("named tables, which no set of structures has")
        if offset + 8 + key_size > meta.page_size:
            raise ValueError(f"page {page} has a key outside itself")
        value = node + 8 + key_size
        limit = begin + meta.page_size
        if kind & BIG:
            (first,) = struct.unpack_from("<Q", data, value)
            value = _page(data, meta, first, OVERFLOW) + HEADER
            limit = len(data)
        if value + size > limit:
            raise ValueError(f"page {page} has a value outside itself")
        yield data[node + 8 : node + 8 + key_size], data[value : value + size]


def _page(data: mmap.mmap, meta: Meta, page: int, kinds: int) -> int:
    """Where a page begins, which must be there, know its number and be of one of these kinds."""
    begin = page * meta.page_size
    if begin + meta.page_size > len(data):
        raise ValueError(f"page {page} is beyond its end")
    number, _, flags = struct.unpack_from("<QHH", data, begin)
    if number != page or not flags & kinds:
        raise ValueError(f"page {page} is overwritten")
    return begin
