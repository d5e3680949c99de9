"""`intertwine data VERB`: sets of structures, looked at, converted, split, counted and labelled. No group acts here."""

import typer

from intertwine.cli.data_check import check
from intertwine.cli.data_convert import convert
from intertwine.cli.data_label import label
from intertwine.cli.data_split import split
from intertwine.cli.data_stats import stats

app = typer.Typer(no_args_is_help=True)
for verb in (check, stats, convert, split, label):
    app.command()(verb)
