"""From structures to energies: the models, the potential around them, and what every potential must keep."""
