"""Soft equivariance under mixed symmetries: tasks, motion capture, and the trainings compared."""
