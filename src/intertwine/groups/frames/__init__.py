"""Frames: from a cloud of points or a graph to the few group elements that bring it into position."""
