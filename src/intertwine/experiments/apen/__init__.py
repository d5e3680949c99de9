"""Approximately piecewise E(3) equivariant point networks: clouds, five readers, the bound, the numbers."""
