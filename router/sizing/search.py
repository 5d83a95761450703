"""One search of a study."""

from __future__ import annotations

from problems.core.decision import Decision
from problems.core.encode import Encoded
from router.planning.optimise import Found, optimise
from solvers import SolveOptions, Stop


def search(encoded: Encoded, solver: str, options: SolveOptions, hold: Decision | None = None) -> Found:
    """`optimise`, except that Ctrl-C ends the whole study: what one search had by then is no answer to it."""
    found = optimise(encoded, solver, options, hold=hold)
    if found.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    return found
