"""What is done with a potential: dynamics, relaxation, phonons, one structure or thousands."""
