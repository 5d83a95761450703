"""What caps by the minute meet inside a period, whose mean they are planned on.

    X[m]            Σ over routes that count of what the route carries in the period, spread over its minutes as its
                    workload's demand is: amount / minutes · D[w, m] / mean of D[w]; work that moves in time evenly
    utilisation     mean of X / cap
    minutes_above   P(X > cap)
    refused         E[(X − cap)⁺] / E[X], where what is refused does not come again

The cap is the provider's own, before `max_utilisation`, and where rules change it the mean by hours of the period.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from problems.core.arrays import Floats
from problems.core.instance import Instance
from problems.core.supply import QUOTA_KINDS, SHARED
from problems.core.view import View
from router.normalise.minutes import SEED, Arrivals, MinuteDemand, minute_demand
from router.plan.rows import MinuteSource, QuotaRow, RouteRow
from router.schema import Offer, Problem, Workload

ABOVE = 1.0 + 1e-9  # a cap is passed by more than rounding


def quota_rows(
    problem: Problem, views: Iterable[View], routes: Sequence[RouteRow], arrived: Arrivals | None = None
) -> tuple[tuple[QuotaRow, ...] | None, MinuteSource | None]:
    """A row for each cap by the minute and period in which it counts anything, and where the minutes are from.

    `views` are of the futures that the routes are of. Nothing where no cap is by the minute and no offer spills; rows
    are of caps that do not refuse. `arrived`: what was drawn before, see `minute_demand`. Raises InputError where a
    trace cannot be read.
    """
    views = list(views)
    caps = list(_caps(views[0].inst)) if views else []
    if not caps and not (views and views[0].inst.spilling is not None):
        return None, None
    minutes, rows = minute_demand(problem, views[0].inst, arrived), list[QuotaRow]()
    source = MinuteSource(SEED, minutes.minutes, tuple(minutes.recorded))
    if not caps:
        return None, source
    for view in views:
        name = view.inst.scenarios.names[view.scenario]
        by_period: dict[int, list[RouteRow]] = {}
        for row in routes:
            if row.scenario in (None, name):
                by_period.setdefault(row.period, []).append(row)
        for period, some in sorted(by_period.items()):
            rows += _in_period(problem, minutes, view, caps, period, some)
    return tuple(rows), source


type MinuteCap = tuple[int, Floats]
"""Place among the quotas, and (T,) the cap a minute in each period."""


def _caps(inst: Instance) -> Iterator[MinuteCap]:
    quotas = inst.quotas
    for q, kind in enumerate(quotas.kind.tolist()):
        spills = inst.spilling is not None and bool((quotas.offer[q] & inst.spilling.offer).any())
        if not spills and QUOTA_KINDS[kind].span == "minute" and np.isfinite(quotas.cap[q]).any():
            cap = quotas.cap[q]
            if quotas.origin[q] != SHARED:
                cap = np.where(inst.offers.open[np.argmax(quotas.offer[q])], cap, 0.0)
            yield q, QUOTA_KINDS[kind].per * inst.time.by_period(cap[None])[0]


def _in_period(
    problem: Problem,
    minutes: MinuteDemand,
    view: View,
    caps: Iterable[MinuteCap],
    period: int,
    routes: Sequence[RouteRow],
) -> Iterator[QuotaRow]:
    inst = view.inst
    loads = {load.name: load for load in problem.workloads}
    offers = {offer.name: offer for offer in problem.offers}
    parts = zip(inst.workloads.file_names, inst.workloads.origins, strict=True)
    first = {part: w for w, part in reversed(list(enumerate(parts)))}
    w = np.array([first[row.workload, row.origin] for row in routes])
    o = np.array([inst.offers.names.index(row.offer) for row in routes])
    m = np.array([inst.models.names.index(row.model) for row in routes])
    shape, place = None, np.full(len(inst.workloads.names), -1)
    # where a cap lets nothing through, no more than a rounding goes there, none of it refused by the minute
    some = [(q, cap) for q, cap in caps if 0 < cap[period] < np.inf]
    asked = np.zeros(len(inst.workloads.names), dtype=bool)
    for q, _ in some:
        asked[w[inst.quotas.counted(q, w, o, m)]] = True
    for q, cap in some:
        counted = inst.quotas.counted(q, w, o, m)
        at: list[int] = np.flatnonzero(counted).tolist()
        counts = QUOTA_KINDS[inst.quotas.kind[q]]
        amount = [_amount(counts.counts, r := routes[i], loads[r.workload], offers[r.offer]) for i in at]
        if sum(amount) <= 0:
            continue
        if shape is None:
            demand = minutes.of(view, period, asked)[asked]
            place[asked] = np.arange(len(demand))
            mean = demand.mean(axis=1, keepdims=True)
            shape = np.divide(demand, mean, out=np.ones_like(demand), where=mean > 0)
        of_each = np.bincount(place[w[at]], amount, minlength=len(shape)) / (60.0 * inst.time.period_h)
        carried = np.flatnonzero(of_each)
        load = of_each[carried] @ shape[carried]
        above = load > cap[period] * ABOVE
        yield QuotaRow(
            quota=inst.quotas.names[q],
            kind=counts.name,
            period=period,
            scenario=routes[0].scenario,
            utilisation=float(load.mean() / cap[period]),
            minutes_above=float(above.mean()),
            refused=float(np.where(above, load - cap[period], 0.0).sum() / load.sum()),
        )


def _amount(counts: str, row: RouteRow, load: Workload, offer: Offer) -> float:
    """What a row takes of a cap in its period."""
    cached = row.prompt_tokens * _cached_share(row, load)
    if counts == "units":
        entry = offer.models[row.model]
        own = entry.cached_prompt_burndown
        of_cached = cached * (entry.prompt_burndown if own is None else own)
        return (
            (row.prompt_tokens - cached) * entry.prompt_burndown
            + of_cached
            + row.completion_tokens * entry.completion_burndown
        )
    return {
        "requests": row.requests or 0.0,
        "tokens": row.tokens,
        "prompt": row.prompt_tokens,
        "uncached": row.prompt_tokens - cached,
        "completion": row.completion_tokens,
    }[counts]


def _cached_share(row: RouteRow, load: Workload) -> float:
    """Part of its prompt tokens that is read from a cache: a step of a recipe may state its own."""
    for recipe in load.recipes:
        if recipe.name == row.recipe and row.step is not None:
            own = recipe.steps[row.step].cached_prompt_share
            return load.cached_prompt_share if own is None else own
    return load.cached_prompt_share
