"""Fits in files, so that a run that was cut off goes on where it was: nothing is trained twice. No group acts here."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intertwine.experiments.soft_equivariance.methods import Fit


def kept(path: Path, plan: str, make: Callable[[], list[Fit]]) -> list[Fit]:
    """Fits that an earlier run with the same plan left in a file; else made now and left there.

    Args:
        plan: all that the fits depend on, in words. A file with another plan, or half a file, is written anew.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "RPP.json"
        ...     first = kept(path, "10 steps", lambda: [Fit("RPP", "inertia", 1.0, (0.25,))])
        ...     again = kept(path, "10 steps", lambda: [])
        >>> first == again
        True
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["plan"] == plan:
            return [Fit(**{name: _tuples(value) for name, value in fit.items()}) for fit in found["fits"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    fits = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps({"plan": plan, "fits": [asdict(fit) for fit in fits]}, indent=1) + "\n", "utf-8")
    whole.replace(path)
    return fits


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
