"""Compiled kernels for the CPU beside their torch twins; see `library.status()` for what is active here."""
