"""Maps that commute with a group's action: exact where they can be, measured where they cannot."""

__version__ = "0.1.0"
