"""The rows of one workload in the periods of the horizon: counts, mean lengths, gaps, burstiness.

single requests    a period counts the rows whose timestamp lies in it; silence between the first and the last row
                   of the file is no demand
one row a period   a row covers `period_h / n`, the step of the record; it belongs where it starts (up to 1 % of a
                   step early, or 1.5 h for rows of a day or more, whose midnights move with the clocks)

size         Σ tokens / Σ requests that they cover, over the rows inside the horizon
service_cv   standard deviation over mean of prompt + completion tokens among single requests
arrival_cv   of the gaps between requests of one period, each over the mean gap of its period, so that the
             daily cycle does not pass for bursts; or the mean of a column of that name, weighted by requests
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from router.traces.table import HOUR_US, Floats, Mask, TraceTable

DAY_H = 24.0
EARLY = 0.01  # part of a step by which a row may start before its slot
EARLY_DAY_H = 1.5  # the same for rows of a day or more
STEP_MATCH = 0.02  # how far the record's step may be from a whole part of a period
EDGE = 1e-9  # of a period: a timestamp on the border belongs to the later one, however it was rounded
MIN_GAPS = 10  # gaps in a period from which their spread says something


@dataclass(frozen=True, slots=True)
class Grid:
    """Periods of the horizon; start_us is 0 for times relative to it."""

    start_us: float
    periods: int
    period_h: float


@dataclass(frozen=True)
class DemandRecord:
    """What a trace says of one workload.

    by_slot       requests in each slot, `per_period` slots a period; 0 where nothing is recorded
    recorded      slots with at least one row of the workload
    covered       slots with at least one row of the file: there the recorder ran, and the workload was silent
    first, last   slots of the file's first and last row; may lie outside the horizon
    before, after requests outside the horizon
    single        one row a request
    rows, inside  rows of the workload, and those in the horizon
    size          mean prompt and completion tokens; None: none recorded
    cached_share  part of the prompt tokens that a cache had; None: not recorded
    lengthless    part of the requests inside whose lengths are not recorded
    """

    by_slot: Floats
    recorded: Mask
    covered: Mask
    per_period: int
    first: int
    last: int
    before: float
    after: float
    previous: float | None
    single: bool
    rows: int
    inside: int
    size: tuple[float | None, float | None]
    lengthless: float
    arrival_cv: float | None
    service_cv: float | None
    cached_share: float | None

    def by_period(self, by_slot: Floats) -> Floats:
        """(T,) sums over the slots of each period."""
        sums: Floats = by_slot.reshape(-1, self.per_period).sum(axis=1)
        return sums

    def periods_of(self, slots: Mask) -> list[int]:
        """Periods in which any of these slots lies."""
        return [int(t) for t in np.unique(np.flatnonzero(slots) // self.per_period)]


def slots_per_period(step: float | None, period_h: float) -> int | None:
    """Rows that a period should have at each time; None where the step is no whole part of it, 0 where it is longer."""
    if step is None:
        return 1
    count = max(1, round(period_h / step))
    if abs(period_h / count - step) <= STEP_MATCH * step:
        return count
    return 0 if step > period_h else None


def record_of(table: TraceTable, mask: Mask, grid: Grid, whole: Floats | None = None) -> DemandRecord:
    """The rows of a workload (`mask`) on the grid; the record's step must not be longer than a period.

    `whole` are the slots of all rows, from `slots_of`, where many workloads share them.
    """
    per_period = slots_per_period(table.step_h, grid.period_h) or 1
    count = grid.periods * per_period
    rows = table if mask.all() else table.only(mask)
    whole = slots_of(table, grid) if whole is None else whole
    slot = whole[mask]
    early, inside = slot < 0, (slot >= 0) & (slot < count)
    at, there = slot[inside].astype(np.int64), rows.only(inside)
    requests, covered = float(there.requests.sum()), float(there.with_lengths.sum())
    return DemandRecord(
        by_slot=np.bincount(at, weights=there.requests, minlength=count),
        recorded=np.bincount(at, minlength=count) > 0,
        covered=np.bincount(whole[(whole >= 0) & (whole < count)].astype(np.int64), minlength=count) > 0,
        per_period=per_period,
        first=int(whole.min()),
        last=int(whole.max()),
        before=float(rows.requests[early].sum()),
        after=float(rows.requests[slot >= count].sum()),
        previous=float(rows.requests[slot == slot[early].max()].sum()) if early.any() else None,
        single=table.single,
        rows=len(rows),
        inside=len(there),
        size=(_mean("prompt", there, rows), _mean("completion", there, rows)),
        lengthless=max(0.0, 1.0 - covered / requests) if requests else 0.0,
        arrival_cv=gap_cv(there.at_us, slot[inside]) if table.single else _recorded_cv(there),
        service_cv=cv(there.prompt + there.completion) if table.single else None,
        cached_share=_cached_share(there),
    )


def slots_of(table: TraceTable, grid: Grid) -> Floats:
    """(N,) the slot of each row."""
    slot_h = grid.period_h / (slots_per_period(table.step_h, grid.period_h) or 1)
    return slots(table.at_us, grid, slot_h, single=table.single)


def slots(at_us: Floats, grid: Grid, slot_h: float, *, single: bool) -> Floats:
    """(N,) the slot of each timestamp, counted from the start of the horizon; negative before it."""
    early_h = EDGE * slot_h
    if not single:
        early_h = EARLY_DAY_H if slot_h >= 0.9 * DAY_H else EARLY * slot_h
    return np.floor((at_us - grid.start_us + early_h * HOUR_US) / (slot_h * HOUR_US))


def cv(values: Floats) -> float | None:
    """Standard deviation over mean of what is recorded; None for fewer than two values or all 0."""
    known = values[~np.isnan(values)]
    if len(known) < 2 or known.mean() <= 0:
        return None
    return float(known.std() / known.mean())


def gap_cv(at_us: Floats, period: Floats) -> float | None:
    """The arrival_cv of single requests; None where no period has enough of them."""
    order = np.argsort(at_us, kind="stable")
    at, period = at_us[order], period[order]
    same = period[1:] == period[:-1]
    gaps, where = np.diff(at)[same], period[1:][same]
    if not len(gaps):
        return None
    _, index = np.unique(where, return_inverse=True)
    number = np.bincount(index)
    mean = np.bincount(index, weights=gaps) / number
    use = (number >= MIN_GAPS)[index] & (mean > 0)[index]
    if not use.any():
        return None
    return float(np.sqrt(np.mean((gaps[use] / mean[index][use] - 1.0) ** 2)))


def _cached_share(rows: TraceTable) -> float | None:
    """Part of the prompt tokens that a cache had; None where nothing is recorded of it."""
    known = ~np.isnan(rows.cached) & ~np.isnan(rows.prompt)
    prompt = float(rows.prompt[known].sum())
    return float(rows.cached[known].sum()) / prompt if prompt > 0 else None


def _recorded_cv(rows: TraceTable) -> float | None:
    known = ~np.isnan(rows.arrival_cv)
    weight = rows.requests[known]
    return float((rows.arrival_cv[known] * weight).sum() / weight.sum()) if weight.sum() > 0 else None


def _mean(kind: str, inside: TraceTable, rows: TraceTable) -> float | None:
    """Tokens per request, over rows inside the horizon; over all rows of the workload where those have none."""
    for table in (inside, rows):
        tokens: Floats = getattr(table, kind)
        known = ~np.isnan(tokens)
        covered = float(table.with_lengths[known].sum())
        if covered > 0:
            return float(tokens[known].sum()) / covered
    return None
