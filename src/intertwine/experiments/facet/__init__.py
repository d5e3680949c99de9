"""Facet: radial compression, a network on the sphere, and relaxations beside MACE."""
