"""A small problem that uses every kind of state a run can have: dropout, running statistics, numpy and python noise."""

import random

import numpy as np
import torch
from torch import nn

from intertwine.training.plan import TrainingPlan


def toy_model(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)
        ).double()


def toy_items(count: int = 23) -> list[torch.Tensor]:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return list(torch.cat([points, points.prod(dim=1, keepdim=True).sin()], dim=1))


def toy_collate(items: list[torch.Tensor]) -> torch.Tensor:
    batch = torch.stack(items)
    return batch + 0.01 * torch.from_numpy(np.random.standard_normal(batch.shape))


def toy_collate_with_python_noise(items: list[torch.Tensor]) -> torch.Tensor:
    # Not for tests that run inside pytest: beartype draws from `random` to choose what it checks.
    return toy_collate(items) + 0.001 * random.gauss(0, 1)


def toy_objective(model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    difference = model(batch[:, :3]) - batch[:, 3:]
    return {"loss": difference.square().mean(), "absolute": difference.abs().mean()}


def toy_validate(model: nn.Module) -> dict[str, float]:
    with torch.no_grad():
        batch = torch.stack(toy_items(12))
        return {"loss": (model(batch[:, :3]) - batch[:, 3:]).square().mean().item()}


TOY_PLAN = TrainingPlan(
    epochs=6,
    batch_size=5,
    learning_rate=0.02,
    optimizer="adamw",
    amsgrad=True,
    weight_decay=0.01,
    schedule="plateau",
    plateau_patience=0,
    warmup_steps=7,
    ema_decay=0.9,
    clip_norm=0.5,
    seed=3,
    validate_every=2,
    checkpoint_every=1,
)
