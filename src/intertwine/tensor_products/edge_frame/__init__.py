"""Products with the harmonics of an edge, in the frame where the edge is the polar axis; O(3) acts on `dim`."""
