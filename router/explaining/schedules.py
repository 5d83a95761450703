"""Which rule of an offer's schedule decides, and when: of several that say the same, the last that holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import fsum

from router.normalise.schedule import rules_in_force
from router.schema import Problem, ScheduleRule

NEAR_H = 1e-9


@dataclass(frozen=True)
class RuleInForce:
    """A rule of an offer's schedule.

    rule      its place in the file, from 0
    text      what it says
    hours     in which it decides something in the horizon
    periods   from and to, both included, of each run of periods in which it does in some part
    """

    offer: str
    rule: int
    text: str
    hours: float
    periods: tuple[tuple[int, int], ...]


def rules_of_schedules(problem: Problem) -> tuple[RuleInForce, ...]:
    """Every rule of every offer, in the order of the file."""
    rows, period_h = [], problem.horizon.period_h
    for o, offer in enumerate(problem.offers):
        if not offer.schedule:
            continue
        for r, (rule, spans) in enumerate(zip(offer.schedule, rules_in_force(problem, o), strict=True)):
            runs: list[tuple[int, int]] = []
            for begin, end in spans:
                first = math.floor(begin / period_h + NEAR_H)
                last = math.ceil(end / period_h - NEAR_H) - 1
                if runs and first <= runs[-1][1] + 1:
                    runs[-1] = runs[-1][0], last
                else:
                    runs.append((first, last))
            hours = fsum(end - begin for begin, end in spans)
            rows.append(RuleInForce(offer.name, r, _text(rule), hours, tuple(runs)))
    return tuple(rows)


def _text(rule: ScheduleRule) -> str:
    """`prices × 2`, `closed`, `sets instances.usd_per_h`."""
    said = [] if rule.prices is None else [f"prices × {rule.prices:g}"]
    if rule.available is not None:
        said.append("open" if rule.available else "closed")
    if rule.set_ is not None:
        fields = [f"{'.'.join(field)} {value:,.10g}" for field, value in rule.set_.figures]
        said.append(f"sets {', '.join(fields)}")
    if rule.series is not None:
        said.append(f"series {rule.series.file}")
    return ", ".join(said)
