"""Features as functions and vector fields on the sphere, multiplied point by point; O(3) acts on `dim`."""
