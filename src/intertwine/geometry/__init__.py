"""Shapes made of points: networks on them, and the parts that move on their own."""
