"""Gaunt tensor products in a many-body potential: training, timings, operations, charged particles."""
