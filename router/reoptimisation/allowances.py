"""Allowances from run to run: what earlier plans took of the month that runs is not there again.

month   730 h from where the one before the running plan began; what it has is by its hours, as in one plan
taken   what the running plan begins with, if that is of the same month, and what is free in it until now; after the
        end of its horizon, as `Alignment` has it

Where a file states another `so_far` than the one before it, the file is right.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterator

from problems.core.arrays import HOURS_PER_MONTH
from router.plan.document import Plan
from router.plan.running import TakenAllowance
from router.reoptimisation.alignment import SLACK_H, Alignment
from router.schema import Free, FreeSoFar, Problem

type Amounts = tuple[float, float, float]
"""Free tokens, free requests, USD of use that is paid."""


def taken(plan: Plan, align: Alignment, before: Problem | None) -> tuple[TakenAllowance, ...] | None:
    """Of the allowances of the new problem; `before` is the running plan's, None: it cannot be read."""
    earlier = {} if plan.running is None else {row.offer: row for row in plan.running.allowances or ()}
    rows = []
    for offer in align.new.offers:
        if offer.free is not None and align.by_time and not _said_anew(offer.free, offer.name, before):
            old = _free_in(before, offer.name) or offer.free
            begin = earlier.get(offer.name) or _in_file(old.so_far, offer.name, align)
            rows.append(_now(begin, plan, align))
    return tuple(rows) or None


def _free_in(problem: Problem | None, name: str) -> Free | None:
    offers = () if problem is None else problem.offers
    return next((offer.free for offer in offers if offer.name == name), None)


def _said_anew(free: Free, name: str, before: Problem | None) -> bool:
    """Whether the file says where the month stands, and the one before it said something else."""
    was = _free_in(before, name)
    return free.so_far is not None and before is not None and (was is None or was.so_far != free.so_far)


def _in_file(so_far: FreeSoFar | None, offer: str, align: Alignment) -> TakenAllowance:
    """Where the running plan's file has it at the start of its horizon."""
    if so_far is None:
        return TakenAllowance(offer, 0.0, 0.0, 0.0, 0.0)
    since_h = min(align.clock_before.hour(so_far.since), 0.0)
    return TakenAllowance(offer, since_h, so_far.used_tokens, so_far.used_requests, so_far.used_usd)


def _now(begin: TakenAllowance, plan: Plan, align: Alignment) -> TakenAllowance:
    """At the start of the new horizon: a month begins with the first period that starts in it."""
    period_h = align.old.horizon.period_h
    past = range(math.ceil(align.shift_h / period_h - SLACK_H))
    month = [math.floor((t * period_h - begin.since_h) / HOURS_PER_MONTH + 1e-9) for t in past]
    running = math.floor((align.shift_h - begin.since_h) / HOURS_PER_MONTH + 1e-9)
    inside = [t for t in past if month[t] == running]
    amounts = (begin.used_tokens, begin.used_requests, begin.used_usd) if running == 0 else (0.0, 0.0, 0.0)
    since_h = begin.since_h if running == 0 else min([t * period_h for t in inside], default=align.shift_h)
    by_period = _by_period(plan, begin.offer)
    for t in inside:
        part = min(align.shift_h / period_h - t, 1.0)
        free = by_period.get(align.period_before(t), (0.0, 0.0, 0.0))
        amounts = (
            amounts[0] + part * free[0],
            amounts[1] + part * free[1],
            amounts[2] + part * free[2],
        )
    return TakenAllowance(begin.offer, since_h - align.shift_h, *amounts)


def _by_period(plan: Plan, offer: str) -> dict[int, Amounts]:
    """What is free of an offer, by period of the running plan."""
    free: dict[int, list[Amounts]] = defaultdict(list)
    for row in plan.routes:
        if row.offer == offer and row.free_share:
            part = row.free_share / row.share
            free[row.period].append((part * row.tokens, part * (row.requests or 0.0), 0.0))
    for paid in plan.credits or ():
        if paid.credit is None and paid.offer == offer:
            free[paid.period].append((0.0, 0.0, paid.paid_usd))
    return {t: (_sum(rows, 0), _sum(rows, 1), _sum(rows, 2)) for t, rows in free.items()}


def _sum(rows: list[Amounts], kind: int) -> float:
    return math.fsum(row[kind] for row in rows)


def with_taken(problem: Problem, rows: tuple[TakenAllowance, ...] | None) -> Problem:
    """The problem with where its allowances stand."""
    stands = {row.offer: row for row in rows or ()}
    clock = problem.horizon.clock
    offers = tuple(
        offer.model_copy(
            update={"free": offer.free.model_copy(update={"so_far": _so_far(row, clock.local(row.since_h))})}
        )
        if offer.free is not None and (row := stands.get(offer.name)) is not None
        else offer
        for offer in problem.offers
    )
    return problem.model_copy(update={"offers": offers}) if stands else problem


def _so_far(row: TakenAllowance, since: dt.datetime) -> FreeSoFar:
    return FreeSoFar(
        since=since,
        used_tokens=row.used_tokens,
        used_requests=row.used_requests,
        used_usd=row.used_usd,
    )


def notes_on_allowances(rows: tuple[TakenAllowance, ...] | None, align: Alignment) -> Iterator[str]:
    """Where more is assumed than plans say."""
    for row in rows or ():
        if (
            align.shift_h > align.old.horizon.hours + SLACK_H
            and max(row.used_tokens, row.used_requests, row.used_usd) > 0
        ):
            yield (
                f"what is taken of the free allowance of {row.offer} counts the running plan's last day over again "
                "after the end of its horizon; free.so_far, from the bill, says it exactly"
            )
