"""Training without symmetry: loop, averages, schedules, checkpoints. No group acts here."""

from intertwine.training.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from intertwine.training.ema import ExponentialAverage
from intertwine.training.history import History
from intertwine.training.interruption import Interrupted
from intertwine.training.loop import fit
from intertwine.training.means import Mean
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Bar, Lines, Progress, Quiet, make_progress
from intertwine.training.run import NumericalError, SecondStage
from intertwine.training.sampler import EpochSampler
from intertwine.training.schedule import Schedule, make_schedule
from intertwine.training.weights import load_weights

__all__ = [
    "Bar",
    "Checkpoint",
    "CheckpointError",
    "EpochSampler",
    "ExponentialAverage",
    "History",
    "Interrupted",
    "Lines",
    "Mean",
    "NumericalError",
    "Progress",
    "Quiet",
    "Schedule",
    "SecondStage",
    "TrainingPlan",
    "fit",
    "load_weights",
    "make_progress",
    "make_schedule",
    "read_checkpoint",
    "write_checkpoint",
]
