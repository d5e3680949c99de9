"""What a product can say, what it costs, and the fastest way to compute it here; O(3) acts on `dim`."""
