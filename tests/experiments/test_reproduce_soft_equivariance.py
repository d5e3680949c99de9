"""System 4: tasks have the symmetries they claim, recordings are read or refused, verdicts follow numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from intertwine.experiments.data_folder import DataFolderError
from intertwine.experiments.experiment import ExperimentError
from intertwine.experiments.soft_equivariance import mocap
from intertwine.experiments.soft_equivariance.kept import kept
from intertwine.experiments.soft_equivariance.methods import FREE, HARD, LOOSE, OURS, PER, RPP, TRUE, Bench, Fit
from intertwine.experiments.soft_equivariance.paper import (
    EXPERIMENT,
    FULL,
    SMOKE,
    families,
    fits_folder,
    gradient_rule,
    judge,
    run_family,
    strength_table,
)
from intertwine.experiments.soft_equivariance.tasks import AXES, cosines, inertia
from intertwine.experiments.verdict import Verdict
from intertwine.geometry.array_file import ArrayFileError
from intertwine.groups.classical import O
from intertwine.groups.group import Group
from intertwine.groups.linear import Scaling
from intertwine.groups.subgroup import FixedAxis


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def moved(x: torch.Tensor, group: Group) -> tuple[torch.Tensor, torch.Tensor]:
    g = group.sample(generator=seeded())
    return torch.cat([x[..., :-3, :], g @ x[..., -3:, :]], -2), g


@pytest.mark.parametrize(("group", "holds"), [(FixedAxis(3, 1), True), (FixedAxis(3, 0), False), (O(3), False)])
def test_inertia_keeps_only_turns_about_its_axis(monkeypatch, group, holds):
    task = inertia(1, 0.5, seeds=1, samples=20, generator=seeded())
    assert task.true == ("O(2) about y",) and set(task.candidates) == set(AXES)
    x, g = moved(task.train.x, group)
    m, r = x[..., 0, :], x[..., 1:, :]
    whole = (m * r.square().sum(-2)).sum(-1)[..., None, None] * torch.eye(3)
    whole = whole - torch.einsum("snk,snik,snjk->snij", m, r, r)
    whole[..., 1, 1] *= 1.5
    scale = float(task.train.y.square().sum() / _inertia(task).square().sum()) ** 0.5
    turned = g @ task.train.y[..., 0].unflatten(-1, (3, 3)) @ g.mT
    assert torch.allclose(scale * whole, turned, atol=1e-4) == holds


def _inertia(task) -> torch.Tensor:
    m, r = task.train.x[..., 0, :], task.train.x[..., 1:, :]
    whole = (m * r.square().sum(-2)).sum(-1)[..., None, None] * torch.eye(3)
    whole = whole - torch.einsum("snk,snik,snjk->snij", m, r, r)
    whole[..., 1, 1] *= 1.5
    return whole


@pytest.mark.parametrize("kept", [("O(3)", "scaling"), ("O(3)",), ("scaling",), ()])
def test_cosines_keep_what_they_say(monkeypatch, kept):
    """The same draw, moved by each group before the target is made."""
    plain = cosines(kept, 0.5, seeds=1, samples=30, generator=seeded())
    for name, group in {"O(3)": O(3), "scaling": Scaling(3)}.items():
        g, draw = group.sample(generator=seeded()), torch.randn

        def turned(*shape, generator=None, g=g, draw=draw):
            x = draw(*shape, generator=generator)
            return g @ x if shape[-2] == 3 else x

        monkeypatch.setattr(torch, "randn", turned)
        again = cosines(kept, 0.5, seeds=1, samples=30, generator=seeded())
        monkeypatch.undo()
        assert torch.allclose(again.train.y, plain.train.y, atol=1e-4) == (name in kept)


def recording(folder, trials: int = 5, frames: int = 40) -> None:
    arrays = {f"{i:02d}_01": torch.randn(frames, 10, 3).numpy() for i in range(trials)}
    names = np.array([*mocap.JOINTS, "thorax", "lhand"])
    np.savez(folder / mocap.RECORDINGS.name, joint_names=names, parents=np.zeros(10, int), **arrays)


def test_windows_are_differences_and_sets_share_no_recording(tmp_path):
    recording(tmp_path)
    train, valid, test = mocap.windows(tmp_path, seeds=2, samples=20, generator=seeded())
    assert train[0].shape == (2, 20, 3, 15) and train[1].shape == (2, 20, 3, 8)
    flat = [{round(float(v), 5) for v in y[..., 0, 0].flatten()} for _, y in (train, valid, test)]
    assert not flat[0] & flat[1] and not flat[1] & flat[2]
    with np.load(tmp_path / mocap.RECORDINGS.name) as file:
        shifted = {name: file[name] + 7.0 if file[name].ndim == 3 else file[name] for name in file.files}
    np.savez(tmp_path / mocap.RECORDINGS.name, **shifted)
    again = mocap.windows(tmp_path, seeds=2, samples=20, generator=seeded())
    assert torch.allclose(again[0][0], train[0], atol=1e-4) and torch.allclose(again[0][1], train[1], atol=1e-4)


def test_folders_without_recordings_are_refused_in_one_line(tmp_path):
    with pytest.raises(DataFolderError, match=r"positions_30hz.npz"):
        mocap.describe(tmp_path)
    (tmp_path / mocap.RECORDINGS.name).write_bytes(b"no archive")
    with pytest.raises(ArrayFileError, match="positions_30hz"):
        mocap.windows(tmp_path, seeds=1, samples=5, generator=seeded())
    recording(tmp_path, trials=2)
    with pytest.raises(ExperimentError, match="at least 4 recordings"):
        mocap.windows(tmp_path, seeds=1, samples=5, generator=seeded())


def fits(per: float, right: bool) -> list[Fit]:
    shares = ((1.0, 0.1), (0.9, 1.0) if not right else (1.0, 0.2))
    found = [Fit(m, "a task", 1.0, (error, error)) for m, error in ((FREE, 2.0), (RPP, 1.0))]
    more = {"scores": ((0.0, 9.0),) * 2, "candidates": ("x", "y"), "true": ("x",)}
    return found + [Fit(m, "a task", 1.0, (per, 1.1 * per), strengths=shares, **more) for m in (PER, LOOSE, OURS)]


def test_verdicts_follow_the_numbers():
    assert [each.verdict for each in judge(fits(0.5, True), decides=True)] == [Verdict.reproduced] * 3
    low, high, wrong = judge(fits(1.5, False), decides=True)
    assert (low.verdict, high.verdict) == (Verdict.not_reproduced, Verdict.reproduced)
    assert wrong.verdict == Verdict.not_decided and "1 of 2 trainings; by lot, in 1.0" in wrong.evidence
    assert {each.verdict for each in judge(fits(0.5, True), decides=False)} == {Verdict.not_decided}
    assert "0.50, 0.55" in judge(fits(0.5, True), decides=True)[0].evidence


def test_a_table_of_strengths_tells_true_from_broken():
    rows = strength_table(fits(0.5, True)).ours
    assert [row.name for row in rows] == ["a task: x (true)", "a task: y (broken)"]
    assert math.isclose(rows[1].cells[3].value, 9.0)


def test_the_gradient_rule_is_reported_beside_its_control():
    said, ordered = gradient_rule(fits(0.5, True))
    assert "called 2 of 2 broken candidates broken and, as a control, 0 of 2 that hold" in said
    assert "in 2 of 2 trainings" in ordered
    assert "in 1 of 2 trainings" in gradient_rule(fits(0.5, False))[1]


def test_the_full_budget_holds_the_plan_of_the_notes():
    made = families(FULL, None)
    assert list(made) == ["inertia 0.3", "inertia 0.9", "cosines", "bodies"]
    assert [len(each) for each in made.values()] == [3, 3, 3, 1]
    assert FULL.plan.course.steps >= 10_000 and set(FULL.plan.grid.strengths) == {0.01, 1.0, 100.0}


TINY = replace(SMOKE, plan=replace(SMOKE.plan, course=replace(SMOKE.plan.course, steps=3)), axes=(0, 2))


def test_a_smoke_run_tries_every_method_on_tasks_side_by_side(tmp_path):
    said = []
    found = run_family(TINY, "inertia 0.9", None, (0, 1), tmp_path, lambda *stage: said.append(stage))
    methods = [FREE, HARD, TRUE, RPP, PER, LOOSE, OURS]
    assert [fit.method for fit in found] == [method for method in methods for _ in range(2)]
    assert {fit.task for fit in found} == {"inertia x 0.9", "inertia z 0.9"}
    assert all(math.isfinite(error) for fit in found for error in fit.test)
    assert all(len(fit.strengths) == len(fit.scores) == len(fit.ordered) == 2 for fit in found[-6:])
    assert [stage[1:] for stage in said] == [(done, 7) for done in range(7)]


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path, monkeypatch):
    first = run_family(TINY, "inertia 0.9", None, (0, 1), tmp_path, lambda *stage: None)
    (tmp_path / f"inertia 0.9, {OURS}.json").unlink()
    trained, tune = [], Bench.tune_strength

    def watched(self, method, binding):
        trained.append(method)
        return tune(self, method, binding)

    monkeypatch.setattr(Bench, "tune_strength", watched)
    assert run_family(TINY, "inertia 0.9", None, (0, 1), tmp_path, lambda *stage: None) == first
    assert trained == [OURS]


def test_budgets_in_one_folder_leave_each_others_fits_alone(tmp_path):
    own, other = (fits_folder(tmp_path, size, None, (0, 1)) for size in (SMOKE, FULL))
    assert own != other and own == fits_folder(tmp_path, SMOKE, None, [0, 1])
    assert fits_folder(tmp_path, SMOKE, None, (1, 2)) != own != fits_folder(tmp_path, SMOKE, tmp_path, (0, 1))


def test_fits_of_another_plan_and_broken_files_are_made_anew(tmp_path):
    path, fit = tmp_path / "fits.json", Fit(RPP, "a task", 1.0, (0.5,))
    assert kept(path, "ten steps", lambda: [fit]) == kept(path, "ten steps", lambda: []) == [fit]
    assert kept(path, "nine steps", lambda: []) == []
    path.write_text("{")
    assert kept(path, "nine steps", lambda: [fit]) == [fit]


def test_the_opening_says_what_stands_in(tmp_path):
    assert EXPERIMENT.opening("smoke").startswith("Stand-in data:")
    recording(tmp_path)
    assert EXPERIMENT.opening("smoke", tmp_path).startswith("Data: simulated inertia")
    (tmp_path / "sets").mkdir()
    (tmp_path / mocap.RECORDINGS.name).rename(tmp_path / "sets" / mocap.RECORDINGS.name)
    (tmp_path / "sets").rename(tmp_path / "cmu_mocap")
    assert EXPERIMENT.opening("smoke", tmp_path).startswith("Data: simulated inertia")
