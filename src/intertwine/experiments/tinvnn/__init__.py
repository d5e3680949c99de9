"""Transformation-invariant initial features: rotated classes and travelling salesmen."""
