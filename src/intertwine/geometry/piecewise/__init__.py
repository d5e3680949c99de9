"""Clouds whose parts move on their own: partitions, and networks that follow them."""
