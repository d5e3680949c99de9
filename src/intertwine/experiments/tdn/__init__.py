"""Tensor decomposition networks: ranks, timings, and a model with the product."""
