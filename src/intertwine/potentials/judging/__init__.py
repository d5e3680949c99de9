"""How good a potential is, how sure it is, and pages that show it."""
