"""Instance counts by pool and period, as whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from router.exporters.exported import of_scenario
from router.plan.document import Plan
from router.plan.rows import InstanceRow, Purchase


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Instances of an offer, for one model or (None) for all; `counts[t]` of them run in period t, booting ones too."""

    offer: str
    model: str | None
    counts: tuple[int, ...]

    @property
    def key(self) -> str:
        return self.offer if self.model is None else f"{self.offer}/{self.model}"


def offer_key(row: InstanceRow | Purchase) -> str:
    """The offer, or `own-prefill` and `own-decode` of replicas in two roles."""
    return row.offer if row.role is None else f"{row.offer}-{row.role}"


def pools(plan: Plan, scenario: str | None = None) -> tuple[PoolCounts, ...]:
    """Every pool of the plan, 0 where it does not run, sorted. Raises InputError."""
    rows = of_scenario(plan, plan.instances, scenario)
    by_pool: dict[tuple[str, str | None], list[int]] = {}
    for row in rows:
        offer = offer_key(row)
        by_pool.setdefault((offer, row.model), [0] * plan.periods)[row.period] = whole(row.count)
    ordered = sorted(by_pool.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    return tuple(PoolCounts(offer, model, tuple(counts)) for (offer, model), counts in ordered)


def hosts(plan: Plan, scenario: str | None = None) -> dict[str, tuple[int, ...]]:
    """Hosts paid for by kind and period, reserved ones included, free ones not. Raises InputError."""
    by_kind: dict[str, list[int]] = {}
    for row in of_scenario(plan, plan.hosts or (), scenario):
        by_kind.setdefault(row.host, [0] * plan.periods)[row.period] = round(row.count)
    return {name: tuple(counts) for name, counts in sorted(by_kind.items())}


def whole(count: float) -> int:
    """Rounded up, but 4.0000000001 is 4."""
    return math.ceil(count * (1 - 1e-9))
