"""Frames: functions that choose for every input a few group elements, which move along with the input."""

from intertwine.groups.frames.frame import DegenerateFrame, Frame, FrameError
from intertwine.groups.frames.pca import PCAFrame

__all__ = [
    "DegenerateFrame",
    "Frame",
    "FrameError",
    "PCAFrame",
]
