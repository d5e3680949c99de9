"""Structures as tensors: graphs, neighbours, and what must hold before anything is computed."""
