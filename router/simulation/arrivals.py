"""When requests come, and how long each holds a server.

poisson    gaps are exponential
bursty     gaps are gamma with a coefficient of variation: above 1 in bursts, below 1 more evenly, 0 like a clock
trace      the recorded moments of single requests, with their recorded lengths

Holding times within a workload are equal, or gamma with its `service_cv` (exponential at 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from problems.core.arrays import Floats, Ints
from router.schema import Horizon, Problem, Trace
from router.traces.demand import rows_of, table_of
from router.traces.table import US
from router.traces.times import start_us

KINDS = ("stated", "poisson", "bursty", "trace")
BURSTY_CV = 4.0  # of `bursty` where nothing else is said; assumed


def renewal(rng: np.random.Generator, rate: float, cv: float, start_s: float, end_s: float) -> Floats:
    """Moments in [start, end) with gaps of mean 1 / rate and a coefficient of variation."""
    span = end_s - start_s
    if rate <= 0 or span <= 0:
        return np.empty(0)
    if cv == 0:
        return np.asarray(np.arange(start_s + rng.random() / rate, end_s, 1.0 / rate))
    stretches: list[Floats] = []
    last = start_s - rng.exponential() / rate * max(cv, 1.0)  # begun before, so that no gap starts with it
    while last < end_s:
        expected = (end_s - last) * rate
        number = int(expected + 4.0 * max(cv, 1.0) * np.sqrt(expected) + 16.0)
        gaps = _alike(rng, 1.0 / rate, cv, number)
        at = last + np.cumsum(gaps)
        stretches.append(at)
        last = float(at[-1])
    at = np.concatenate(stretches)
    return np.asarray(at[(at >= start_s) & (at < end_s)])


def holding(rng: np.random.Generator, mean_s: float, cv: float, number: int) -> Floats:
    """Holding times of a workload's requests."""
    return np.full(number, mean_s) if cv == 0 else _alike(rng, mean_s, cv, number)


def _alike(rng: np.random.Generator, mean: float, cv: float, number: int) -> Floats:
    return np.asarray(rng.gamma(1.0 / cv**2, mean * cv**2, number))


@dataclass(frozen=True)
class Requests:
    """One stream's requests, the warm-up (before 0) included."""

    at_s: Floats
    scale: tuple[Floats, Floats]  # holding time over the workload's mean, by engine
    route: Ints


@dataclass(frozen=True)
class RecordedRequests:
    """Single requests of one workload: seconds from the start of the horizon, and their lengths (NaN: not recorded)."""

    at_s: Floats
    prompt: Floats
    completion: Floats

    def between(self, start_s: float, end_s: float) -> RecordedRequests:
        first, end = np.searchsorted(self.at_s, [start_s, end_s])
        return RecordedRequests(self.at_s[first:end], self.prompt[first:end], self.completion[first:end])


def recorded_requests(problem: Problem, horizon: Horizon, file: str | None) -> Mapping[str, RecordedRequests]:
    """The requests of every workload whose demand is a record of single requests; `file` stands in for its own.

    `horizon` is that of the plan, with its start. Raises InputError where a file cannot be read.
    """
    traces = {load.name: load.demand.trace for load in problem.workloads if load.demand.trace is not None}
    if not traces and file is not None and len(problem.workloads) == 1:
        traces = {problem.workloads[0].name: Trace(file=file)}
    requests = {}
    for name, trace in traces.items():
        if file is not None:
            trace = trace.model_copy(update={"file": str(Path(file).resolve())})
        table = table_of(trace, problem)
        kept = rows_of(table, trace)
        if not table.single or not kept.any():
            continue
        origin = 0.0 if table.relative else start_us(horizon)
        order = np.argsort(table.at_us[kept], kind="stable")
        requests[name] = RecordedRequests(
            ((table.at_us[kept] - origin) / US)[order],
            table.prompt[kept][order],
            table.completion[kept][order],
        )
    return requests
