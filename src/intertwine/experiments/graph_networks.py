"""Networks on adjacency: message passing, which S_n leaves alone, and two that see places, for frames of S_n."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GIN(nn.Module):
    r"""Sums over neighbours, as strong as message passing can be: 1-WL.

        h_i = mlp( (1 + eps) h_i + sum_j A_ij h_j ),        y = head(sum_i h_i)

    With `places`, every node also knows its place: no longer invariant, and able to tell any two graphs apart.

    Shapes: adjacency `*batch node node` with labels on the diagonal, result `*batch out`. Nodes without an edge are
    padding.

    Example:
        >>> GIN(6, 2)(torch.ones(5, 6, 6)).shape
        torch.Size([5, 2])

    Reference: Xu et al., 2019, arXiv:1810.00826, equation 4.1.
    """

    def __init__(self, nodes: int, outputs: int, *, width: int = 32, layers: int = 4, places: bool = False):
        super().__init__()
        self.places = places
        self.embed = nn.Linear(2 + (nodes if places else 0), width)
        self.eps = nn.Parameter(torch.zeros(layers))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU())
            for _ in range(layers)
        )
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, adjacency: Float[Tensor, "*batch node node"]) -> Float[Tensor, "*batch out"]:
        """Pass messages, then add up the nodes."""
        labels = adjacency.diagonal(dim1=-2, dim2=-1)
        edges = adjacency - torch.diag_embed(labels)
        real = (edges.sum(-1) > 0).to(labels.dtype)
        features = torch.stack([labels, real], dim=-1)
        if self.places:
            place = torch.eye(labels.shape[-1], dtype=labels.dtype, device=labels.device)
            features = torch.cat([features, place.expand(*labels.shape, labels.shape[-1])], dim=-1)
        h = self.embed(features) * real.unsqueeze(-1)
        for layer, eps in zip(self.layers, self.eps, strict=True):
            h = layer((1 + eps) * h + edges @ h) * real.unsqueeze(-1)
        return self.head(h.sum(-2) / real.sum(-1, keepdim=True).clamp(min=1))


class AdjacencyMLP(nn.Module):
    """Plain layers on all entries of the adjacency above and on the diagonal: every order of the nodes looks different.

    Example:
        >>> AdjacencyMLP(6, 2)(torch.ones(5, 6, 6)).shape
        torch.Size([5, 2])
    """

    def __init__(self, nodes: int, outputs: int, *, width: int = 128):
        super().__init__()
        self.rows, self.columns = torch.triu_indices(nodes, nodes).tolist()
        self.layers = nn.Sequential(
            nn.Linear(len(self.rows), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
        )

    def forward(self, adjacency: Float[Tensor, "*batch node node"]) -> Float[Tensor, "*batch out"]:
        """Look at the entries."""
        return self.layers(adjacency[..., self.rows, self.columns])
