"""A small labelled set, a configuration and a trained potential, made once through the command line itself."""

from pathlib import Path

import ase.calculators.lj
import pytest
from ase.build import bulk
from ase.io import write
from calling import call

CONFIG = """\
version: 1
data: {train: DATA, valid: 0.25}
model: {cutoff: 4.5, channels: 2, hidden: 0e+1o, edge_degree: 1, correlation: 2, radial_count: 3, radial_hidden: [4]}
train: {epochs: 2, batch_size: 2}
device: cpu
out: OUT
"""


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with data.extxyz, config.yaml and a trained run."""
    folder = tmp_path_factory.mktemp("cli")
    frames = []
    for seed in range(8):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = ase.calculators.lj.LennardJones(epsilon=0.0104, sigma=3.4, rc=5.0, ro=4.0, smooth=True)
        atoms.get_forces()
        atoms.info["config_type"] = ["cold", "hot"][seed % 2]
        frames.append(atoms)
    write(folder / "data.extxyz", frames)
    (folder / "config.yaml").write_text(
        CONFIG.replace("DATA", str(folder / "data.extxyz")).replace("OUT", str(folder / "run"))
    )
    result = call("train", folder / "config.yaml", "--quiet")
    assert result.exit_code == 0, (result.output, result.exception)
    return folder
