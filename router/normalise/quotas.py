"""Quotas as arrays: of an offer, of one of its models, shared by several; what is free, or paid by credits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Bools, Floats, distinct
from problems.core.instance import Time
from problems.core.supply import (
    OF_MODEL,
    OF_OFFER,
    QUOTA_KINDS,
    SHARED,
    Allowances,
    Credits,
    QuotaKind,
    Quotas,
)
from router.normalise.columns import floats, whole
from router.normalise.schedule import Timetable
from router.schema import Offer, Problem, Quota


def quotas(problem: Problem, rules: Timetable) -> Quotas:
    """One row for each cap that is stated, or set by a rule, by kind, then in the order of the file."""
    offers = [offer.name for offer in problem.sellers]
    loads = [load.name for load in problem.workloads]
    models = list(problem.models)
    stated = list(_stated(problem))
    rows = [
        (k, *each, cap)
        for k, kind in enumerate(QUOTA_KINDS)
        for each in stated
        if np.isfinite(cap := _cap(each, kind, offers, rules)).any()
    ]
    return Quotas(
        names=tuple(row[1] for row in rows),
        origin=whole(row[2] for row in rows),
        kind=whole(row[0] for row in rows),
        cap=np.array([row[-1] for row in rows], dtype=float).reshape(len(rows), len(rules.edge_h) - 1),
        utilisation=floats([row[3] for row in rows], "max_utilisation"),
        offer=_among(offers, [row[4] for row in rows]),
        workload=_among(loads, [row[5] for row in rows]),
        model=whole(NONE if row[6] is None else models.index(row[6]) for row in rows),
    )


type Stated = tuple[str, int, Quota, Collection[str], Collection[str], str | None]
"""Whose, of which kind, the caps; which offers, workloads and model count: empty and None are all."""


def _stated(problem: Problem) -> Iterator[Stated]:
    for offer in problem.offers:
        yield offer.name, OF_OFFER, offer.quota, (offer.name,), (), None
    for offer in problem.offers:
        for model, entry in offer.models.items():
            if entry.quota is not None:
                yield f"{offer.name},{model}", OF_MODEL, entry.quota, (offer.name,), (), model
    for shared in problem.quotas:
        yield shared.name, SHARED, shared, shared.offers, shared.workloads, None


def _cap(each: Stated, kind: QuotaKind, offers: list[str], rules: Timetable) -> Floats:
    """(J,) the cap, as rules of its offer set it; inf: none."""
    name, origin, quota, *_ = each
    stated = getattr(quota, kind.field)
    cap = np.array([np.inf if stated is None else float(stated) / kind.per])
    key = (offers.index(name), ("quota", kind.field)) if origin == OF_OFFER else (NONE, ())
    return np.asarray(rules.figures([key], cap, per=kind.per)[0])


def _among(names: Sequence[str], members: Sequence[Collection[str]]) -> Bools:
    """(n, names) which are among the members; all where there is none."""
    table = [[not member or name in member for name in names] for member in members]
    return np.array(table, dtype=bool).reshape(len(members), len(names))


def allowances(problem: Problem, time: Time) -> Allowances:
    """What is free in every billing month, in tokens and in requests."""
    rows = [
        (o, counts, *month)
        for o, offer in enumerate(problem.offers)
        for counts in ("tokens", "requests")
        for month in _months(problem, offer, time, counts)
    ]
    return Allowances(
        offer=whole(row[0] for row in rows),
        counts=tuple(row[1] for row in rows),
        first=whole(row[2] for row in rows),
        end=whole(row[3] for row in rows),
        most=np.array([row[4] for row in rows], dtype=float),
    )


def _months(problem: Problem, offer: Offer, time: Time, counts: str) -> Iterator[tuple[int, int, float]]:
    """(first period, end, what is left) of an allowance in every month, from the horizon's start or `so_far` on."""
    free = offer.free
    amount = None if free is None else getattr(free, f"{counts}_per_month")
    if free is None or amount is None:
        return
    before_h, used = 0.0, 0.0
    if free.so_far is not None:
        before_h = max(-problem.horizon.clock.hour(free.so_far.since), 0.0)
        used = getattr(free.so_far, f"used_{counts}")
    month = np.floor((time.start_h + before_h) / HOURS_PER_MONTH + 1e-9).astype(np.int64)
    for k in distinct(month).tolist():
        at = np.flatnonzero(month == k)
        hours = len(at) * time.period_h + (before_h if k == 0 else 0.0)
        left = amount * hours / HOURS_PER_MONTH - (used if k == 0 else 0.0)
        yield int(at[0]), int(at[-1]) + 1, max(left, 0.0)


def credits(problem: Problem, time: Time) -> Credits:
    """Credits, and allowances in USD by the month."""
    offers, clock = [offer.name for offer in problem.sellers], problem.horizon.clock
    end_h = time.start_h + time.period_h
    rows: list[tuple[str, float, Sequence[str], Floats, bool]] = []
    for credit in problem.credits:
        opens = -np.inf if credit.from_ is None else clock.hour(credit.from_)
        closes = np.inf if credit.until is None else clock.hour(credit.until)
        inside = np.minimum(end_h, closes) - np.maximum(time.start_h, opens)
        part = np.clip(inside / time.period_h, 0.0, 1.0)
        rows.append((credit.name, credit.usd, credit.offers, part, False))
    for offer in problem.offers:
        for first, end, left in _months(problem, offer, time, "usd"):
            part = np.zeros(time.periods)
            part[first:end] = 1.0
            rows.append((f"{offer.name},usd,{first}", left, (offer.name,), part, True))
    return Credits(
        names=tuple(row[0] for row in rows),
        most=np.array([row[1] for row in rows], dtype=float),
        offer=_among(offers, [row[2] for row in rows]),
        part=np.array([row[3] for row in rows], dtype=float).reshape(len(rows), time.periods),
        allowance=np.array([row[4] for row in rows], dtype=bool),
    )
