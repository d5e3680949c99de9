"""From numbers to words: did the claim hold? The rule is written here once; no group acts on a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What our numbers say about a claim."""

    reproduced = "reproduced"
    not_reproduced = "not reproduced"
    not_decided = "not decided at this budget"


@dataclass(frozen=True)
class Finding:
    """One part of a claim, and what our numbers say about it."""

    statement: str
    verdict: Verdict
    evidence: str
    """The numbers that decided, in words."""


def stays_below(limit: float, values: Sequence[float]) -> Verdict:
    """Whether repeated measurements agree on being at most `limit`.

    All of them at most `limit`: reproduced. All of them above: not reproduced. Divided, or fewer than two, so that
    nothing is known about their spread: not decided.

    Example:
        >>> stays_below(1.0, [0.7, 0.8]).value, stays_below(1.0, [0.9, 1.1]).value
        ('reproduced', 'not decided at this budget')
    """
    if len(values) < 2:
        return Verdict.not_decided
    below = [value <= limit for value in values]
    if all(below):
        return Verdict.reproduced
    return Verdict.not_decided if any(below) else Verdict.not_reproduced


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a claim with several parts: one part that fails is enough to refute it, and all must hold to confirm it.

    Example:
        >>> together([Verdict.reproduced, Verdict.not_decided]).value
        'not decided at this budget'
    """
    if Verdict.not_reproduced in verdicts:
        return Verdict.not_reproduced
    if verdicts and all(verdict is Verdict.reproduced for verdict in verdicts):
        return Verdict.reproduced
    return Verdict.not_decided
