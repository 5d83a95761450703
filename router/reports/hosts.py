"""Hosts of a plan as a person reads them: how many of each kind, and what lives in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from math import fsum

from router.plan.document import Plan
from router.plan.rows import HostedInstances
from router.reports.document import ReportTable, columns
from router.reports.words import instances

MOST_FILLINGS = 5
NEAR = 1e-6
ALL, EMPTY = "all of them", "nothing"

type HostKind = tuple[str, str]
"""A kind of host, and "free" for those of it that are free of charge."""


def hosts_table(plan: Plan) -> ReportTable:
    """A row for each kind of host, and one for each way in which hosts of it are filled, the most frequent first.

    Counts over the periods of the plan; the mean is an expected value.
    """
    p, pools = plan.probabilities(), defaultdict[str, set[str | None]](set)
    for pool in plan.instances:
        pools[pool.offer].add(pool.model)
    named = {offer for offer, models in pools.items() if len(models) > 1}
    cells = plan.periods * max(len({row.scenario for row in plan.routes}), 1)
    by_kind: dict[HostKind, dict[str, dict[tuple[int, str | None], float]]] = {}
    for row in plan.hosts or ():
        at, paid = (row.period, row.scenario), [each for each in row.patterns if not each.free]
        counts = [("", ALL, row.count)]
        counts += [(_free(each.free), _filling(each.instances, named), each.hosts) for each in row.patterns]
        counts.append(("", EMPTY, row.count - fsum(each.hosts for each in paid)))
        for free, filling, number in counts:
            if number > NEAR:
                fillings = by_kind.setdefault((row.host, free), defaultdict(dict))
                fillings[filling][at] = fillings[filling].get(at, 0) + number
    rows = []
    for (host, free), fillings in sorted(by_kind.items()):
        means = {
            filling: fsum(p[scenario] * number for (_, scenario), number in numbers.items()) / plan.periods
            for filling, numbers in fillings.items()
        }
        ordered = sorted(fillings, key=lambda filling: (filling != ALL, -means[filling], filling))
        if len(ordered) == 2 and ordered[0] == ALL:  # filled alike throughout: one row says it
            ordered = ordered[1:]
        for k, filling in enumerate(ordered[: MOST_FILLINGS + 1]):
            numbers = fillings[filling].values()
            least = min(numbers) if len(numbers) == cells else 0
            name = f"{host}{free}" if k == 0 else ""
            rows.append((name, filling, instances(least), instances(means[filling]), instances(max(numbers))))
        if left := ordered[MOST_FILLINGS + 1 :]:
            rest = fsum(means[filling] for filling in left)
            rows.append(("", f"{len(left)} other ways", "", instances(rest), ""))
    heads = columns("host", "filled with", ">least", ">mean", ">most")
    return ReportTable("Hosts", heads, tuple(rows))


def _free(free: bool) -> str:
    return " (free)" if free else ""


def _filling(hosted: Iterable[HostedInstances], named: Set[str]) -> str:
    """`2 × replica (large) + 1 × own decode`; the model where instances of the offer serve several, each its own."""
    parts = []
    for each in hosted:
        model = f"({each.model})" if each.offer in named else None
        parts.append(" ".join(filter(None, (f"{each.count} ×", each.offer, each.role, model))))
    return " + ".join(parts)
