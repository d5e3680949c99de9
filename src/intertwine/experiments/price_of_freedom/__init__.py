"""The price of freedom: what products can say, what they cost, and what they learn."""
