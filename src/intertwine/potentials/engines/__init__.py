"""Potentials for other programs, and those of other programs as ours."""
