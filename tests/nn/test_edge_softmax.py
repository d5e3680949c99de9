"""Attention weights of edges: the formula, neighbours that leave smoothly, and logits of any size."""

import numpy as np
import torch

from intertwine.nn.edge_softmax import edge_softmax
from intertwine.nn.radial import PolynomialCutoff

RECEIVERS = torch.tensor([0, 2, 0, 2, 2, 3])


def random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_every_receiver_has_the_softmax_of_its_edges_and_nothing():
    logit, envelope = 4 * random(6, 2) - 2, random(6)
    found = edge_softmax(logit, envelope, RECEIVERS, 4).numpy()
    for edge, receiver in enumerate(RECEIVERS.tolist()):
        share = envelope.numpy()[:, None] * np.exp(logit.numpy())
        total = 1 + share[(receiver == RECEIVERS).numpy()].sum(axis=0)
        np.testing.assert_allclose(found[edge], share[edge] / total, rtol=1e-13)


def test_large_logits_overflow_nothing_and_small_ones_leave_nothing():
    logit = torch.tensor([[1e4], [-1e4], [1e4], [0.0], [-1e4], [-1e4]])
    found = edge_softmax(logit, torch.ones(6), RECEIVERS, 4).squeeze(-1)
    torch.testing.assert_close(found, torch.tensor([0.5, 0.0, 0.5, 0.5, 0.0, 0.0]))


def test_weights_fade_as_the_last_neighbour_leaves_and_those_of_a_plain_softmax_do_not():
    envelope = PolynomialCutoff(4.0)
    lengths = torch.tensor([3.0, 3.9, 3.99, 3.999, 4.0, 4.1], dtype=torch.float64)
    alone = torch.arange(6)
    found = edge_softmax(torch.ones(6, 1).double(), envelope(lengths), alone, 6).squeeze(-1)
    assert (found[:-1] > found[1:]).sum() == 4 and not found[4:].any() and found[3] < 1e-8
    share = envelope(lengths)[:4] * np.e
    assert torch.equal(share / share, torch.ones(4).double())


def test_gradients_are_those_of_the_formula_though_the_largest_logit_is_taken_out():
    logit, envelope = (4 * random(6, 2) - 2).requires_grad_(), random(6).requires_grad_()

    def alpha(logit: torch.Tensor, envelope: torch.Tensor) -> torch.Tensor:
        return edge_softmax(logit, envelope, RECEIVERS, 4)

    assert torch.autograd.gradcheck(alpha, (logit, envelope))
    assert torch.autograd.gradgradcheck(alpha, (logit, envelope))
