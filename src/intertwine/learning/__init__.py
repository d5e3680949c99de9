"""Symmetry that is learnt or kept softly: penalties, their strengths, and what data say about a group."""
