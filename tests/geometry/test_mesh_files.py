import struct

import numpy as np
import pytest
import torch

from intertwine.geometry.mesh_files import read_mesh
from intertwine.geometry.meshes import MeshError

CORNERS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.5)]
OBJ = "# a square\nmtllib none.mtl\n" + "".join(f"v {x} {y} {z} 0.5 0.5 0.5\n" for x, y, z in CORNERS)
OBJ += "vt 0 0\nvn 0 0 1\nusemtl red\nf 1/1/1 2//1 3/1 \\\n 4\n"
BACKWARDS = OBJ.replace("f 1/1/1 2//1 3/1 \\\n 4", "f -4 -3 -2 -1")
OFF = "OFF\n# square\n4 1 0\n" + "".join(f"{x} {y} {z}\n" for x, y, z in CORNERS) + "4 0 1 2 3 255 0 0\n"
GLUED = OFF.replace("OFF\n# square\n", "OFF")
HEADER = (
    "ply\nformat {} 1.0\ncomment square\nelement vertex 4\nproperty float x\nproperty float y\nproperty double z\n"
    "property uchar red\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
)
PLY = HEADER.format("ascii") + "".join(f"{x} {y} {z} 7\n" for x, y, z in CORNERS) + "4 0 1 2 3\n"


def binary(order):
    rows = b"".join(struct.pack(f"{order}ffdB", *corner, 7) for corner in CORNERS)
    name = "binary_little_endian" if order == "<" else "binary_big_endian"
    return HEADER.format(name).encode() + rows + struct.pack(f"{order}B4i", 4, 0, 1, 2, 3)


FILES = {
    "a.obj": OBJ.encode(),
    "b.OBJ": BACKWARDS.encode(),
    "a.off": OFF.encode(),
    "b.off": GLUED.encode(),
    "a.ply": PLY.encode(),
    "b.ply": binary("<"),
    "c.ply": binary(">"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_square(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    mesh = read_mesh(path)
    assert torch.allclose(mesh.vertices, torch.tensor(CORNERS))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_arrays_are_read_too(tmp_path):
    np.savez(tmp_path / "a.npz", vertices=np.array(CORNERS, np.float32), faces=np.array([[0, 1, 2, 3]], np.int32))
    assert read_mesh(tmp_path / "a.npz").faces.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.obj", OBJ.replace("4\n", "9\n")),
        ("b.obj", OBJ.replace("0.5 0.5 0.5", "")[:-30] + "\nv 1 x 2\n"),
        ("c.obj", OBJ.replace("v 0.0 0.0 0.0", "v nan 0.0 0.0")),
        ("a.off", OFF[:-30]),
        ("b.off", "solid\n" + OFF),
        ("c.off", ""),
        ("a.ply", PLY[:-12]),
        ("b.ply", PLY.replace("end_header", "end")),
        ("c.ply", PLY.replace("property float x", "property float u")),
        ("d.ply", HEADER.format("ascii").replace("vertex 4", "vertex 99999999999")),
        ("a.npz", "not an archive"),
        ("b.npz", ""),
        ("a.stl", "solid"),
    ],
)
def test_broken_files_are_told_in_one_line_that_names_them(name, content, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MeshError, match=name) as caught:
        read_mesh(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_keeps_its_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_mesh(tmp_path / "a.obj")
