"""Quota: caps on what is sent to an offer, with one of its models, to several offers, or by some workloads.

    Σ_f amount[f] · part[f,s] · flow[f] / (cap[f,s] · max_utilisation · whole[s]) ≤ 1    for every cap and span s of it

    amount[f]    of the whole cell: requests, tokens of a kind, burndown units, or USD at the prices of use in its hours
    s            a period, for caps by the minute; a day of the clock; a billing month
    part[f,s]    of what the flow carries in its period, that which falls into the span: 1, but where a period goes on
                 over midnight
    cap[f,s]     where it changes, the mean by hours: of a day or month inside the horizon; of a period the part in
                 which the flow may run, with 0 while the offer is closed (but for caps that several offers share)
    whole[s]     seconds of the period; a day's hours in the horizon / all its hours; a month's hours / 730

Divided by the cap, so that the dual is USD per quota-full.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.costs import TOKENS
from problems.core.family import Family, Promise, Worth
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows, enumerate_keys
from problems.core.supply import OF_MODEL, OF_OFFER, QUOTA_KINDS, SHARED, QuotaKind
from problems.core.view import View

NAME = "quota"


def build(view: View, cols: Columns) -> Rows:
    """Rows of every cap, one for each span in which anything could count."""
    quotas, routes, flows = view.inst.quotas, view.routes, view.flows
    builder = RowBuilder(NAME)
    for q in np.flatnonzero(np.isfinite(quotas.cap).any(axis=1)).tolist():
        kind = QUOTA_KINDS[quotas.kind[q]]
        at = np.flatnonzero(quotas.counted(q, routes.workload, routes.offer, routes.model)[flows.route])
        amount = amounts_of(view, kind)[flows.route[at]] * flows.work[at]
        if kind.counts == "usd" and (timed := view.inst.offers.ruled[routes.offer[flows.route[at]]]).any():
            amount = np.where(timed, _timed_usd(view, at), amount)
        span, place, share, most = _spans(view, q, at)
        cap = most * quotas.utilisation[q]
        limited = np.isfinite(cap)
        span, place, share, cap = span[limited], place[limited], share[limited], cap[limited]
        row, _, (s, some) = enumerate_keys(span, (cap > 0).astype(np.int64))
        names = [f"{quotas.names[q]},{kind.name},{each}" for each in s]
        taken = amount[place] * share
        # a cap of 0 lets nothing through, of a cell with little work no more than of a large one
        value = np.where(cap > 0, taken / np.where(cap > 0, cap, 1.0), taken > 0)
        upper = some.astype(float)
        builder.add(len(names), [(row, cols.flow[at[place]], value)], names.__getitem__, upper=upper)
    return builder.rows()


def amounts_of(view: View, kind: QuotaKind) -> Floats:
    """(R,) of a unit of work of each route: what a cap of the kind counts."""
    routes, loads = view.routes, view.inst.workloads
    by_workload = {
        "prompt": loads.prompt_tokens,
        "uncached": loads.prompt_tokens - loads.cached_tokens,
        "completion": loads.completion_tokens,
    }
    if kind.counts in by_workload:
        return by_workload[kind.counts][routes.workload]
    if kind.counts == "usd":
        return np.asarray(routes.listed_usd * view.price[routes.offer])
    counts: dict[str, Floats] = {"requests": routes.requests, "tokens": routes.tokens, "units": routes.units}
    return counts[kind.counts]


def _timed_usd(view: View, at: Ints) -> Floats:
    """USD of use of some flows at the prices of their hours."""
    usd = view.use_usd(TOKENS, at, replaced=True) + view.use_usd(TOKENS, at, replaced=False)
    return np.asarray(usd * view.price[view.routes.offer[view.flows.route[at]]])


def _spans(view: View, q: int, at: Ints) -> tuple[Ints, Ints, Floats, Floats]:
    """(span, which of the flows, part / whole, mean of the cap) of every flow in every span that it touches."""
    flows, time, span = view.flows, view.inst.time, QUOTA_KINDS[view.inst.quotas.kind[q]].span
    every = np.arange(len(at))
    if span == "minute":
        from_h, to_h = (hours[at] for hours in view.flow_hours)
        return flows.period[at], every, np.full(len(at), 1.0 / time.seconds), _mean(view, q, from_h, to_h)
    if span == "month":
        month = time.month[flows.period[at]]
        ends = np.cumsum(time.month_hours)[month]
        cap = _mean(view, q, ends - time.month_hours[month], ends)
        return month, every, HOURS_PER_MONTH / time.month_hours[month], cap
    starts = (flows.period[at] + flows.start[at]) * time.period_h
    ends = (flows.period[at] + flows.end[at]) * time.period_h
    first = np.searchsorted(time.midnights, starts + 1e-9, side="right") - 1
    last = np.searchsorted(time.midnights, ends - 1e-9, side="left") - 1
    place = np.repeat(every, last - first + 1)
    day = first[place] + np.arange(len(place)) - np.searchsorted(place, place)
    begin, end = time.midnights[day], time.midnights[day + 1]
    inside = np.minimum(ends[place], end) - np.maximum(starts[place], begin)
    from_h, to_h = np.maximum(begin, 0.0), np.minimum(end, time.horizon_h)
    part = inside / (ends - starts)[place] * (end - begin) / (to_h - from_h)
    return day, place, part, _mean(view, q, from_h, to_h)


def _mean(view: View, q: int, from_h: Floats, to_h: Floats) -> Floats:
    """(n,) means of a cap by hours; one by the minute lets nothing through while its offer is closed."""
    quotas = view.inst.quotas
    cap = quotas.cap[q]
    if quotas.origin[q] != SHARED and QUOTA_KINDS[quotas.kind[q]].span == "minute":
        cap = np.where(view.inst.offers.open[np.argmax(quotas.offer[q])], cap, 0.0)
    return view.inst.time.mean(cap[None], np.zeros(len(from_h), dtype=np.int64), from_h, to_h)


def _promises() -> Iterator[Promise]:
    whose = ((OF_OFFER, "offers[].quota"), (OF_MODEL, "offers[].models[].quota"), (SHARED, "quotas[]"))
    for origin, path in whose:
        for k, kind in enumerate(QUOTA_KINDS):

            def made(inst: Instance, origin: int = origin, k: int = k) -> Bools:
                quotas = inst.quotas
                stated = np.isfinite(quotas.cap).any(axis=1)
                return np.asarray((quotas.origin == origin) & (quotas.kind == k) & stated)

            yield Promise(
                f"{path}.{kind.field}",
                "quotas.cap",
                relax=np.inf,
                text=f'quota of "{{name}}": {{limit:,.10g}} {kind.words}',
                per=kind.per,
                amount=build,
                relative=True,
                made=made,
            )


FAMILY = Family(
    NAME,
    build,
    in_a_loss=build,
    promises=tuple(_promises()),
    worth=Worth("USD per quota-full", "quota", "as much again"),
)
