"""Frames: functions that choose for every input a few group elements, which move along with the input."""

from intertwine.groups.frames.canonical import canonical
from intertwine.groups.frames.frame import DegenerateFrame, Frame, FrameError
from intertwine.groups.frames.gram_schmidt import gram_schmidt
from intertwine.groups.frames.local import LocalFrame, Neighbourhoods, neighbourhoods
from intertwine.groups.frames.mds import MDSFrame
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.sort import SortFrame
from intertwine.groups.frames.weighted import WeightedFrame

__all__ = [
    "DegenerateFrame",
    "Frame",
    "FrameError",
    "LocalFrame",
    "MDSFrame",
    "Neighbourhoods",
    "PCAFrame",
    "SortFrame",
    "WeightedFrame",
    "canonical",
    "gram_schmidt",
    "neighbourhoods",
]
