"""Whole text files in memory, plain, .gz or .xz, read with care; any file written at one stroke. No group acts."""

import gzip
import lzma
import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intertwine.potentials.structures.graph import GraphError, one_line

COMPRESSED = (".gz", ".xz")
BOMB_RATIO, BOMB_FLOOR = (
    200,
    1 << 26,
)  # text shrinks about 4 times; a file that grows 200 times, past 64 MiB, is no text
XZ_MEMORY = 1 << 29  # a damaged header may ask for more than the machine has


def read_text(path: Path) -> str:
    """The text of a file, decompressed by its suffix, with line ends as newlines.

    Raises:
        GraphError: no such file, a folder or device, a damaged archive, bytes that are not UTF-8, or a last line
            without line end, which is what a cut file looks like.
    """
    require_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GraphError(f"{one_line(path)}: cannot be read ({error.strerror}); check its permissions.") from error
    if path.suffix.lower() in COMPRESSED:
        data = _decompress(data, path)
    return _decode(data, path)


def require_file(path: Path) -> None:
    """Refuse a path that is not there, or is a folder or device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GraphError(f"{one_line(path)}: no such file ({reason}); check spelling and folder.") from error
    if not stat.S_ISREG(mode):
        raise GraphError(f"{one_line(path)}: expected a file, but this is a folder or a device; name one file inside.")


def write_text(path: Path, text: str) -> None:
    """Write a file so that readers see the old one or the new one, never a part; the same text gives the same bytes."""
    data = text.encode()
    if path.suffix.lower() == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix.lower() == ".xz":
        data = lzma.compress(data, preset=6 | lzma.PRESET_EXTREME)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there at the end takes the place of `path`, unless an error came.

    Raises:
        GraphError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise GraphError(
            f"{one_line(path)}: cannot be written ({error.strerror or error}); check folder and free space."
        ) from error


def _decompress(data: bytes, path: Path) -> bytes:
    limit = max(BOMB_FLOOR, BOMB_RATIO * len(data))
    parts, size, rest = [], 0, data
    try:
        while rest or not parts:
            if path.suffix.lower() == ".gz":
                stream = zlib.decompressobj(wbits=31)
                part, rest = stream.decompress(rest, limit - size + 1), b""
            else:
                stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
                part = stream.decompress(rest, limit - size + 1)
            size += len(part)
            if size > limit:
                raise GraphError(
                    f"{one_line(path)}: grows more than {BOMB_RATIO} times when decompressed, unlike any structures; "
                    "decompress it by hand if you trust it."
                )
            if not stream.eof:
                raise EOFError("it ends too early")
            parts.append(part)
            rest = stream.unused_data.lstrip(b"\0")
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        kind = path.suffix[1:].lower()
        raise GraphError(f"{one_line(path)}: damaged .{kind} archive ({error}); copy or download it again.") from error
    return b"".join(parts)


def _decode(data: bytes, path: Path) -> str:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise GraphError(f"{one_line(path)}: begins with a byte-order mark; save it as UTF-8 without BOM.")
    if data.startswith((b"\x1f\x8b", b"\xfd7zXZ")):
        raise GraphError(f"{one_line(path)}: is compressed; give its name the ending .gz or .xz.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise GraphError(
            f"{one_line(path)}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8."
        ) from error
    if text.strip() and not text.endswith("\n"):
        raise GraphError(
            f"{one_line(path)}, line {text.count(chr(10)) + 1}: the last line has no line end, so the file may be "
            "truncated in the middle of a number; if it is whole, add a line end."
        )
    return text.replace("\r\n", "\n")
