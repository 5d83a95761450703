"""Use cut into periods: sums by workload and period, and what to make of time that no record covers.

    requests[w, p] = Σ_rows requests · (part of the row's time that lies in p)

The first period starts at `start`, else at the whole period (counted from local midnight) in which the record starts. A
period is covered if the record covers it whole; of single requests, if any of them, of whatever workload, lies in it.
At either end of the record a part of a period is cut off, unless at least 95 % of it is there: then it is scaled up.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from router.errors import InputError, Issue
from router.importers.usage.reading import MissingUsage, Row, StaleUsage, UsageRecords

WHOLE = 0.95
LISTED = 6
MOST = 1_000_000  # periods of a horizon

Kind = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Cut:
    """How to cut. Times are seconds since 1970; None: from the record.

    by           labels that tell workloads apart, beside the model
    where        labels and the value they must have
    gaps         "error", "zero" (no use), "previous" (as in the period before)
    spread       rows longer than a period are spread evenly over theirs
    max_age_h    the record must reach to within so many hours of `now`
    """

    period_h: float = 1.0
    timezone: str = "UTC"
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    start: float | None = None
    end: float | None = None
    gaps: str = "error"
    spread: bool = False
    max_age_h: float | None = None
    now: float | None = None


@dataclasses.dataclass(frozen=True)
class Work:
    """One workload: amounts by period, and the times to first token of its streamed requests."""

    model: str
    labels: tuple[str, ...]
    requests: tuple[float, ...]
    prompt_tokens: tuple[float, ...]
    cached_tokens: tuple[float, ...]
    completion_tokens: tuple[float, ...]
    ttft_ms: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Usage:
    """All workloads over the same periods."""

    start: float
    period_h: float
    timezone: str
    periods: int
    work: tuple[Work, ...]
    means: Mapping[str, tuple[float, float]]
    remarks: tuple[str, ...]
    source: str


def cut(reading: UsageRecords, how: Cut) -> Usage:
    """The workloads. Raises InputError: MissingUsage, StaleUsage, rows too long for the periods."""
    remarks = list(reading.remarks)
    rows = _chosen(reading.rows, how)
    _check_fresh(reading, how)
    length = how.period_h * 3600.0
    first, periods = _grid(reading, how, length)
    if not how.spread:
        _check_length(rows, length)
    covered = _covered(reading, first, periods, length)
    low, high = _trimmed(reading, covered, how, remarks, first, length)
    gaps = [p for p in range(low, high) if covered[p] < WHOLE]
    if gaps and (how.gaps == "error" or (how.gaps == "previous" and gaps[0] == low)):
        raise _missing(gaps, first, length, how)
    if gaps:
        meaning = "no use" if how.gaps == "zero" else "as in the period before"
        remarks.append(f"no record, taken as {meaning}: {_times(gaps, first, length, how.timezone)}")
    sums = _sums(rows, how, first, length, low, high)
    work = tuple(
        _work(key, its, [p - low for p in gaps], how.gaps, covered[low:high], reading.covered is not None)
        for key, its in sorted(sums.items())
    )
    return Usage(
        start=first + low * length,
        period_h=how.period_h,
        timezone=how.timezone,
        periods=high - low,
        work=work,
        means=reading.means,
        remarks=tuple(remarks),
        source=reading.source,
    )


def _chosen(rows: Sequence[Row], how: Cut) -> list[Row]:
    """Rows with the labels asked for; a label that no row has is a typing error."""
    known = sorted({name for row in rows for name in row.labels})
    for name in (*how.by, *(name for name, _ in how.where)):
        if rows and name not in known:
            option = "--by" if name in how.by else "--where"
            raise InputError(
                Issue((option,), "is not a label of these records", name, f"known: {', '.join(known)}")
            )
    kept = [row for row in rows if all(row.labels.get(name) == value for name, value in how.where)]
    if rows and not kept:
        raise MissingUsage(
            Issue(("--where",), "matches no record", " ".join("=".join(pair) for pair in how.where))
        )
    return kept


def _check_fresh(reading: UsageRecords, how: Cut) -> None:
    if how.max_age_h is None:
        return
    now = how.now if how.now is not None else dt.datetime.now(dt.UTC).timestamp()
    newest = max(end for _, end in _stretches(reading))
    age = (now - newest) / 3600
    if age > how.max_age_h:
        rule = (
            f"is of {_time(newest, how.timezone)}, {age:,.1f} h ago, and --max-age allows {how.max_age_h:g} h"
        )
        raise StaleUsage(
            Issue((), f"the newest record {rule}", hint="fetch newer ones; the running plan stays")
        )


def _stretches(reading: UsageRecords) -> list[tuple[float, float]]:
    if reading.covered is not None:
        return list(reading.covered) or [(row.start, row.end) for row in reading.rows]
    return [(row.start, row.end) for row in reading.rows]


def _grid(reading: UsageRecords, how: Cut, length: float) -> tuple[float, int]:
    """Start of the first period and how many there are."""
    spans = _stretches(reading)
    start = min(begin for begin, _ in spans)
    end = max(end for _, end in spans)
    if how.start is not None:
        first = how.start
    else:
        zone = ZoneInfo(how.timezone)
        midnight = dt.datetime.combine(
            dt.datetime.fromtimestamp(start, zone).date(), dt.time(), zone
        ).timestamp()
        first = midnight + math.floor((start - midnight) / length + 1e-9) * length
    if how.end is not None:
        whole = (how.end - first) / length
        if whole <= 0 or abs(whole - round(whole)) > 1e-9 * max(whole, 1):
            rule = (
                f"must be whole periods of {how.period_h:g} h after the start, {_time(first, how.timezone)}"
            )
            raise InputError(Issue(("--end",), rule, _time(how.end, how.timezone)))
        return first, round(whole)
    periods = math.ceil((end - first) / length - 1e-9)
    if reading.covered is None:  # a request on the stroke of a period belongs to it
        periods = math.floor((end - first) / length + 1e-9) + 1
    if periods > MOST:
        rule = f"makes {periods:,} periods of the time from {_time(start, how.timezone)} on, and {MOST:,} are most"
        raise InputError(
            Issue(("--period",), rule, hint="look for a time that is wrong, or state --start and --end")
        )
    if periods <= 0:
        raise MissingUsage(Issue(("--start",), "is after the last record", _time(first, how.timezone)))
    return first, periods


def _check_length(rows: Iterable[Row], length: float) -> None:
    longest = max((row.end - row.start for row in rows if not row.hole), default=0.0)
    if longest > length * (1 + 1e-9):
        rule = f"is {length / 3600:g} h, and the records are of {longest / 3600:g} h each: they cannot tell the hours"
        hint = f"--period {longest / 3600:g}h, or --spread if the use is even"
        raise InputError(Issue(("--period",), rule, hint=hint))


def _covered(reading: UsageRecords, first: float, periods: int, length: float) -> list[float]:
    """Part of each period that the record covers, in [0, 1]."""
    found = [0.0] * periods
    if reading.covered is None:
        for row in reading.rows:
            p = math.floor((row.start - first) / length + 1e-9)
            if 0 <= p < periods:
                found[p] = 1.0
        return found
    reached = -math.inf
    for begin, end in sorted(_stretches(reading)):
        for p, part in _parts(max(begin, reached), end, first, length, 0, periods):
            found[p] += part * (end - max(begin, reached)) / length
        reached = max(reached, end)
    return [min(part, 1.0) for part in found]


def _parts(
    begin: float, end: float, first: float, length: float, low: int, high: int
) -> Iterable[tuple[int, float]]:
    """Periods that a stretch touches, and which part of the stretch lies in each."""
    if end <= begin:
        p = math.floor((begin - first) / length + 1e-9)
        return [(p, 1.0)] if low <= p < high and end == begin else []
    lowest = max(low, math.floor((begin - first) / length + 1e-9))
    highest = min(high, math.ceil((end - first) / length - 1e-9))
    found = []
    for p in range(lowest, highest):
        inside = min(end, first + (p + 1) * length) - max(begin, first + p * length)
        if inside > 0:
            found.append((p, inside / (end - begin)))
    return found


def _trimmed(
    reading: UsageRecords, covered: Sequence[float], how: Cut, remarks: list[str], first: float, length: float
) -> tuple[int, int]:
    """The periods between the parts at the ends; what --start and --end state is not cut."""
    low, high = 0, len(covered)
    if reading.covered is None:
        if how.start is None or how.end is None:
            remarks.append(
                "single requests do not say where the record begins and ends: --start and --end do"
            )
        return low, high
    cut_off = []
    while low < high and how.start is None and covered[low] < WHOLE:
        cut_off.append(low)
        low += 1
    while high > low and how.end is None and covered[high - 1] < WHOLE:
        high -= 1
        cut_off.append(high)
    if low == high:
        rule = f"no period of {how.period_h:g} h is covered whole"
        raise MissingUsage(Issue(("--period",), rule, hint="a longer record, or shorter periods"))
    if cut_off:
        remarks.append(f"cut off, covered in part: {_times(sorted(cut_off), first, length, how.timezone)}")
    return low, high


def _missing(gaps: Sequence[int], first: float, length: float, how: Cut) -> MissingUsage:
    rule = f"no record covers {_times(gaps, first, length, how.timezone)}"
    hint = "fetch it, or say what it means: --gaps zero (no use) or --gaps previous (as before)"
    return MissingUsage(Issue(("--gaps",), rule, hint=hint))


def _times(periods: Sequence[int], first: float, length: float, timezone: str) -> str:
    """Runs of periods as times: `2026-12-01 04:00 – 06:00, …`."""
    runs: list[list[int]] = []
    for p in periods:
        if runs and runs[-1][1] == p:
            runs[-1][1] = p + 1
        else:
            runs.append([p, p + 1])
    shown = [
        f"{_time(first + a * length, timezone)} – {_time(first + b * length, timezone)}"
        for a, b in runs[:LISTED]
    ]
    return ", ".join(shown) + (f" and {len(runs) - LISTED} more" if len(runs) > LISTED else "")


def _time(moment: float, timezone: str) -> str:
    return dt.datetime.fromtimestamp(moment, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


class _Sum:
    """Amounts of one workload by period."""

    def __init__(self, periods: int) -> None:
        self.amounts = [[0.0] * periods for _ in range(4)]
        self.ttft: list[float] = []


def _sums(
    rows: Iterable[Row], how: Cut, first: float, length: float, low: int, high: int
) -> dict[Kind, _Sum]:
    found: dict[Kind, _Sum] = {}
    for row in rows:
        parts = _parts(row.start, row.end, first, length, low, high)
        key = (row.labels["model"], *(row.labels.get(name, "none") for name in how.by if name != "model"))
        for p, part in parts:
            its = found.setdefault(key, _Sum(high - low))
            values = (row.requests, row.prompt_tokens, row.cached_tokens, row.completion_tokens)
            for amounts, value in zip(its.amounts, values, strict=True):
                amounts[p - low] += value * part
            if row.ttft_ms is not None:
                its.ttft.append(row.ttft_ms)
    return found


def _work(
    key: Kind, its: _Sum, gaps: Sequence[int], fill: str, covered: Sequence[float], partial: bool
) -> Work:
    last = len(covered) - 1
    for amounts in its.amounts:
        if partial:  # scaled up at the ends, where a little is missing
            for p in {0, last}:
                amounts[p] /= covered[p] if covered[p] >= WHOLE else 1.0
        for p in gaps:
            amounts[p] = amounts[p - 1] if fill == "previous" and p > 0 else 0.0
    requests, prompt, cached, completion = (tuple(amounts) for amounts in its.amounts)
    return Work(key[0], key[1:], requests, prompt, cached, completion, tuple(sorted(its.ttft)))
