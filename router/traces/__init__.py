"""Recorded demand: CSV traces read, laid on the horizon, sorted into classes of size, and carried forward.

columns, read, table    a file as arrays; which column is which; wrong lines named
minutes                 the requests of each minute
record                  the rows of one workload in periods: counts, sizes, gaps, burstiness
demand, notes           a problem's traces become counts and sizes, and what its plan says about them
classes                 requests by size
forecast                the same hour of last week, or a trend
extract, write          a raw trace as workloads of a problem file
"""

from typing import NamedTuple

from router.schema import Problem


class Resolved(NamedTuple):
    """A problem with counts and sizes in place of its traces, and what to say about them."""

    problem: Problem
    notes: tuple[str, ...]


def recorded(problem: Problem) -> Resolved:
    """The same problem with counts in place of traces. Raises InputError with everything wrong in the records."""
    traced = [w for w, load in enumerate(problem.workloads) if load.demand.trace is not None]
    if not traced:
        return Resolved(problem, ())
    from router.traces.demand import read_traces  # here: most problems have no trace to read

    return Resolved(*read_traces(problem, traced))
