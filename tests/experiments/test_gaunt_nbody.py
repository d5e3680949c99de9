import pytest
import torch

from intertwine.experiments.charged_particles import SOFTENING, simulate, stack
from intertwine.experiments.gaunt.nbody import NBody, ParticleNetwork, straight, train_and_test
from intertwine.o3.rotation import random_rotation
from intertwine.training.plan import TrainingPlan


def some_systems(count=3):
    return simulate(count, generator=torch.Generator().manual_seed(0))


def lively(network):
    """Networks begin with straight flight; random weights make them do something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize("product", ["clebsch-gordan", "gaunt"])
def test_network_moves_with_the_particles(product):
    network = lively(ParticleNetwork(product, degree=2, channels=4, layers=2)).double()
    q, x, v = (each.double() for each in some_systems().parts()[:3])
    turn = -random_rotation(generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shift = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    expected = network(q, x, v) @ turn.T + shift
    assert torch.allclose(network(q, x @ turn.T + shift, v @ turn.T), expected, atol=1e-10)
    assert not torch.allclose(network(q, x @ turn.T + shift, v), expected, atol=1e-3)


def test_systems_of_a_batch_do_not_see_each_other():
    network = lively(ParticleNetwork("clebsch-gordan", degree=1, channels=4, layers=2))
    systems = some_systems()
    together = network(systems.charges, systems.positions, systems.velocities)
    alone = network(*systems[1].parts()[:3])
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    assert len(stack([systems[0], systems[2]])) == 2


def test_simulation_agrees_with_one_of_smaller_steps():
    coarse, fine = (
        simulate(50, step=step, generator=torch.Generator().manual_seed(0)).targets for step in (0.01, 0.001)
    )
    assert (coarse - fine).abs().max() < 1e-2


def test_two_like_charges_part_with_the_energy_they_had():
    systems = simulate(200, particles=2, time=30.0, generator=torch.Generator().manual_seed(0))
    alike = systems.charges.prod(dim=1) > 0
    apart = (systems.targets[:, 0] - systems.targets[:, 1]).norm(dim=-1)[alike]
    start = (systems.positions[:, 0] - systems.positions[:, 1]).norm(dim=-1)[alike]
    speed = (systems.velocities[:, 0] - systems.velocities[:, 1]).norm(dim=-1)[alike]
    energy = speed.square() / 4 + (start.square() + SOFTENING).rsqrt()
    final = 2 * energy.sqrt()  # relative speed when all energy is of motion: v^2 / 4 = energy
    assert torch.all(apart < start + 30.0 * final)
    assert torch.median(apart / (30.0 * final)) > 0.9


def test_training_beats_straight_flight():
    size = NBody(
        200,
        100,
        8,
        TrainingPlan(epochs=6, batch_size=20, learning_rate=0.01, schedule="cosine", ema_decay=0.9),
        layers=2,
    )
    assert train_and_test(size, "gaunt", 1, 0, lambda *_: None) < 0.8 * straight(size)
