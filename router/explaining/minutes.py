"""Limits that spill: in how many minutes each is full, and how much of what is sent there it refuses.

Where a minute is full, more of the limit carries more; where none is, nothing spills and more of it is of no use. What
more of it would save is solved for, as of any limit (`savings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from problems import quota, throughput
from problems.core.instance import Instance
from router.explaining.marginal import Binding
from router.planning.two_steps import Incumbent

FULL = 1 - 1e-7  # of a limit


@dataclass(frozen=True)
class FullMinutes:
    """One limit over the periods in which anything is sent to it.

    model     whose instances they are; None: one count serves all models, or it is a quota
    full      part of the minutes in which all of it is used
    spilled   part of what is sent there, in its own measure, that it refuses
    """

    offer: str
    model: str | None
    periods: int
    full: float
    spilled: float


def full_minutes(found: Incumbent) -> tuple[FullMinutes, ...]:
    """Every limit that spills and is sent something, the fullest first."""
    if found.encoded.instance.spilling is None:
        return ()
    from router.planning.minutes.spill_rows import limits_at  # here: few offers spill

    minutes: dict[tuple[str, str | None], list[tuple[float, float, float]]] = {}
    inst = found.encoded.instance
    for view, cols in zip(found.encoded.views, found.encoded.columns, strict=True):
        for limit, sent, carried, amounts in limits_at(view, cols, found.point):
            come = sent * limit.amount
            if come.sum() > 0:
                load = come @ limit.shape()
                full = float(((load > 0) & (load >= limit.capacity(amounts) * FULL)).mean())
                key = (
                    inst.offers.names[limit.offer],
                    None if limit.pool < 0 else inst.pool_names[limit.pool][1],
                )
                minutes.setdefault(key, []).append((full, float(come.sum()), float(carried @ limit.amount)))
    rows = []
    for (offer, model), each in minutes.items():
        full, sent_all, carried_all = np.array(each).T
        spilled = 1.0 - float(carried_all.sum() / sent_all.sum())
        rows.append(FullMinutes(offer, model, len(each), float(full.mean()), max(spilled, 0.0)))
    return tuple(sorted(rows, key=lambda row: (-row.full, row.offer)))


def limits_by_the_minute(inst: Instance, full: Sequence[FullMinutes]) -> Iterator[Binding]:
    """Those that are full in some minutes, as limits that more could be had of; without a price at the margin."""
    for row in full:
        if row.full > 0:
            of_quota = inst.offers.fleet[inst.offers.names.index(row.offer)] < 0
            name = row.offer if row.model is None else f"{row.offer},{row.model}"
            yield Binding(quota.NAME if of_quota else throughput.NAME, name, row.periods, 0.0)
