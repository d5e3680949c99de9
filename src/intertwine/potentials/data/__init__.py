"""Labelled structures from files and to files, and what is wrong with them."""
