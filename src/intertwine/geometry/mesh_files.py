"""Meshes from OBJ, OFF, PLY and npz files. No group acts on a file."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from intertwine.geometry.meshes import Mesh, MeshError

ENDINGS = (".obj", ".off", ".ply", ".npz")
PLY_NUMBERS = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4"},
    **{"double": "f8", "float64": "f8"},
}


def read_mesh(path: Path | str) -> Mesh:
    """Vertices and triangles of a file; polygons are cut into fans, colours and textures passed over.

    OBJ, OFF, PLY (text and binary), and npz with `vertices` and `faces`.

    Raises:
        MeshError: another ending, or a file that is not what its ending says.
        OSError: no such file.

    Example:
        >>> mesh = read_mesh("spot.obj")  # doctest: +SKIP
    """
    path = Path(path)
    readers = {".obj": _read_obj, ".off": _read_off, ".ply": _read_ply, ".npz": _read_npz}
    if path.suffix.lower() not in readers:
        raise MeshError(f"{path}: expected a mesh file ending in {', '.join(ENDINGS)}, came {path.suffix or 'none'!r}.")
    content = path.read_bytes()
    try:
        vertices, polygons = readers[path.suffix.lower()](content, path)
        faces = [(face[0], face[k], face[k + 1]) for face in polygons for k in range(1, len(face) - 1)]
        points = torch.tensor(np.array(vertices, dtype=np.float32).reshape(-1, 3))
        return Mesh(points, torch.tensor(np.array(faces, dtype=np.int64).reshape(-1, 3)))
    except MeshError as error:
        raise MeshError(f"{path}: {error}") from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, EOFError, BadZipFile) as error:
        raise MeshError(
            f"{path}: expected a {path.suffix.lower()} mesh of vertices with three coordinates and faces of vertex "
            f"numbers, came something else ({type(error).__name__}); is the file complete?"
        ) from None


def _read_obj(content: bytes, path: Path) -> tuple[list, list]:
    vertices, faces = [], []
    for line in content.decode("utf-8", "replace").replace("\\\n", " ").splitlines():
        words = line.split("#")[0].split()
        if words and words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words and words[0] == "f":
            corners = [int(word.split("/")[0]) for word in words[1:]]
            # counted from 1, and backwards from the last vertex so far when negative
            faces.append([corner - 1 if corner > 0 else len(vertices) + corner for corner in corners])
    return vertices, faces


def _read_off(content: bytes, path: Path) -> tuple[list, list]:
    lines = [line.split("#")[0].split() for line in content.decode("utf-8", "replace").splitlines()]
    lines = [words for words in lines if words]
    # some files write the counts behind the name, OFF493 926 0, without a line end
    head = lines[0][0].upper()
    if not head.startswith("OFF"):
        raise MeshError(f"expected OFF in the first line, came {lines[0][0][:20]!r}.")
    rest = [lines[0][0][3:], *lines[0][1:]] if len(head) > 3 else lines[0][1:]
    rows = ([rest] if rest else []) + lines[1:]
    vertex_count, face_count = int(rows[0][0]), int(rows[0][1])
    vertices = [[float(word) for word in words[:3]] for words in rows[1 : 1 + vertex_count]]
    faces = rows[1 + vertex_count : 1 + vertex_count + face_count]
    if len(faces) < face_count:
        raise MeshError(f"expected {vertex_count} vertices and {face_count} faces, came {len(rows) - 1} lines.")
    return vertices, [[int(word) for word in words[1 : 1 + int(words[0])]] for words in faces]


def _read_ply(content: bytes, path: Path) -> tuple[list, list]:
    end = content.index(b"end_header")
    body = content.index(b"\n", end) + 1
    form, elements = "", []
    for line in content[:end].decode("ascii", "replace").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append(words[1:])
    words, position, found = content[body:].split() if form == "ascii" else [], body, {}
    order = ">" if "big" in form else "<"
    at = 0
    for name, count, properties in elements:
        rows = []
        for _ in range(count):
            row = {}
            for *kind, label in properties:
                if form == "ascii":
                    length = int(words[at]) if kind[0] == "list" else 1
                    at += kind[0] == "list"
                    values = [float(word) for word in words[at : at + length]]
                    at += length
                else:
                    length = 1
                    if kind[0] == "list":
                        size = np.dtype(order + PLY_NUMBERS[kind[1]])
                        length = int(np.frombuffer(content, size, 1, position)[0])
                        position += size.itemsize
                    number = np.dtype(order + PLY_NUMBERS[kind[-1]])
                    values = np.frombuffer(content, number, length, position).tolist()
                    position += number.itemsize * length
                row[label] = values if kind[0] == "list" else values[0]
            rows.append(row)
        found[name] = rows
    faces = [row.get("vertex_indices", row.get("vertex_index")) for row in found["face"]]
    return [[row["x"], row["y"], row["z"]] for row in found["vertex"]], [[int(v) for v in face] for face in faces]


def _read_npz(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return file["vertices"], file["faces"]
