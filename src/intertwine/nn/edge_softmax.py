"""Attention weights of the edges that enter a node; invariants only, permutations act on `edge` and `node`."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def edge_softmax(
    logit: Float[Tensor, "edge head"],
    envelope: Float[Tensor, "edge"],
    receivers: Int[Tensor, "edge"],
    nodes: int,
) -> Float[Tensor, "edge head"]:
    r"""Softmax over the edges of each receiver, and over nothing, which competes with them at logit 0.

        alpha[e] = envelope[e] exp(logit[e]) / ( 1 + sum of envelope[f] exp(logit[f]) )     f: edges with e's receiver

    Smooth where neighbours come and go: an edge counts, for itself and in the sum, as much as its envelope says. The 1
    is what a plain softmax lacks: with it the weights of a node's last neighbours go to zero with their envelopes,
    instead of adding up to one until the last of them is gone. So they add up to less than one.

    The largest logit of a node is taken out of numerator and denominator, so that no exponential overflows.

    Args:
        envelope: from 1 to 0 at the cutoff, such as `PolynomialCutoff` of the length.
        nodes: how many there are.

    Example:
        >>> alpha = edge_softmax(torch.zeros(3, 1), torch.ones(3), torch.tensor([0, 0, 1]), 2)
        >>> alpha.squeeze(-1)
        tensor([0.3333, 0.3333, 0.5000])

    Reference: attention over neighbours with an envelope: Liao, Smidt, 2023, arXiv:2206.11990 (there without envelope
    and 1).
    """
    index = receivers.unsqueeze(-1).expand_as(logit)
    top = logit.new_zeros(nodes, logit.shape[-1]).scatter_reduce(0, index, logit.detach(), "amax")
    share = envelope.unsqueeze(-1) * torch.exp(logit - top.index_select(0, receivers))
    total = torch.exp(-top).index_add(0, receivers, share)
    return share / total.index_select(0, receivers)
