"""How fast the products are beside other libraries: rows, workers, ratios, and the limits of the machine."""

from intertwine.experiments.bench.result import RowResult
from intertwine.experiments.bench.row import Case, Goal, Row, Side
from intertwine.experiments.bench.rows import ROWS, find_rows
from intertwine.experiments.bench.run import Options, run_row

__all__ = ["ROWS", "Case", "Goal", "Options", "Row", "RowResult", "Side", "find_rows", "run_row"]
