"""What `simulate` returns: a row per promise and period, and one per pool."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from router.plan.values import plain

SCHEMA = "router-simulation/1"


@dataclass(frozen=True, slots=True)
class PromiseVerdict:
    """One limit of one workload in one period, promised and achieved.

    achieved = simulated wait + the latency stated for the service, at the promise's own statistic (planning convention)
    within     part of requests whose wait leaves room for that service latency; for a mean: null
    low, high  95 % interval of `within`, or of the achieved mean in ms
    """

    workload: str
    period: int
    promise: str  # ttft_p99, request_mean, …
    limit_ms: float
    achieved_ms: float
    wait_ms: float  # simulated, at the promise's statistic
    formula_wait_ms: float  # what the plan reckons with, the largest over the pools it uses
    within: float | None
    low: float
    high: float
    requests: int
    verdict: str  # kept | broken | undecided
    optimistic: bool  # the formula's wait is below the simulated one, beyond chance
    remedy: str | None


@dataclass(frozen=True, slots=True)
class PoolWaits:
    """One pool in one period: waits simulated beside the formula's, in ms."""

    offer: str
    model: str | None
    period: int
    servers: int
    requests: int
    utilisation: float  # simulated: servers held, over servers
    planned_utilisation: float
    wait_ms: dict[str, float]
    formula_wait_ms: dict[str, float]
    arrival_cv: float  # of the gaps between the requests that came
    formula_arrival_cv: float
    role: str | None = None  # half of a replica


@dataclass(frozen=True, slots=True)
class SimulatedQuota:
    """A cap by the minute in one period: what its minutes brought, beside what the plan states."""

    quota: str
    kind: str
    period: int
    minutes: int
    utilisation: float
    minutes_above: float
    refused: float
    planned_minutes_above: float | None = None
    planned_refused: float | None = None

    def beside(self, minutes_above: float, refused: float) -> SimulatedQuota:
        """With the plan's figures."""
        return replace(self, planned_minutes_above=minutes_above, planned_refused=refused)


@dataclass(frozen=True, slots=True)
class SimulatedSpill:
    """A limit that spills, a workload and a period: what is refused of what is sent there, beside what the plan states.

    low, high   95 % interval for the plan's figure: simulated minutes vary, and so do those that the plan drew
    """

    offer: str
    model: str | None
    period: int
    workload: str
    minutes: int
    spilled: float
    error: float  # standard error
    planned: float = 0.0
    low: float = 0.0
    high: float = 1.0
    verdict: str = "undecided"  # kept | broken: more spills, beyond chance | undecided

    def beside(self, planned: float, low: float, high: float, verdict: str) -> SimulatedSpill:
        """With the plan's figure, and whether it holds."""
        return replace(self, planned=planned, low=low, high=high, verdict=verdict)


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """All of it. `ok`: no promise is broken, and no more spills than is stated."""

    name: str
    problem_sha256: str
    scenario: str | None
    seed: int
    arrivals: str
    confidence: float
    periods: tuple[int, ...]
    requests: int
    promises: tuple[PromiseVerdict, ...]
    pools: tuple[PoolWaits, ...]
    notes: tuple[str, ...]
    quotas: tuple[SimulatedQuota, ...] = ()
    spills: tuple[SimulatedSpill, ...] = ()

    @property
    def verdicts(self) -> dict[str, int]:
        counted = Counter(
            [*(each.verdict for each in self.promises), *(each.verdict for each in self.spills)]
        )
        return {verdict: counted[verdict] for verdict in ("kept", "broken", "undecided")}

    @property
    def ok(self) -> bool:
        return self.verdicts["broken"] == 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**plain(self), "schema": SCHEMA, "verdicts": self.verdicts, "ok": self.ok}
