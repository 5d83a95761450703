"""Which periods there are, and how much of each the record covers.

The first period starts at `start`, else at the whole period (counted from local midnight) in which the record starts. A
period is covered if the record covers it whole; of single requests, if any of them, of whatever workload, lies in it.
At either end of the record a part of a period is cut off, unless at least 95 % of it is there: then it is scaled up.
The period in which single requests are still coming in is cut off too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from router.errors import InputError, Issue
from router.importers.account import Account
from router.importers.usage.reading import MissingUsage, UsageRecords

WHOLE = 0.95
LISTED = 6
MOST = 1_000_000  # periods of a horizon


@dataclasses.dataclass(frozen=True)
class Cut:
    """How to cut. Times are seconds since 1970; None: from the record.

    by           labels that tell workloads apart, beside the model
    where        labels and the value they must have
    gaps         "error", "zero" (no use), "previous" (as in the period before)
    spread       rows longer than a period are spread evenly over theirs
    max_age_h    the record must reach to within so many hours of `now`
    now          the clock; None: this machine's
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

    @property
    def length(self) -> float:
        """Seconds of a period."""
        return self.period_h * 3600.0

    @property
    def moment(self) -> float:
        """Now, in seconds since 1970."""
        return self.now if self.now is not None else dt.datetime.now(dt.UTC).timestamp()


@dataclasses.dataclass(frozen=True)
class PeriodGrid:
    """Periods of `length` s from `first` on; `covered` is the part of each that the record covers, in [0, 1].

    Periods low … high − 1 are kept; `why` those at the ends are not.
    """

    first: float
    length: float
    timezone: str
    covered: Sequence[float]
    low: int
    high: int
    why: str = ""

    def times(self, periods: Sequence[int]) -> str:
        """Runs of periods as times: `2026-12-01 04:00 – 06:00, …`."""
        runs: list[list[int]] = []
        for p in periods:
            if runs and runs[-1][1] == p:
                runs[-1][1] = p + 1
            else:
                runs.append([p, p + 1])
        shown = [
            f"{clock_time(self.first + a * self.length, self.timezone)} – "
            f"{clock_time(self.first + b * self.length, self.timezone)}"
            for a, b in runs[:LISTED]
        ]
        return ", ".join(shown) + (f" and {len(runs) - LISTED} more" if len(runs) > LISTED else "")

    def parts(self, begin: float, end: float, low: int, high: int) -> list[tuple[int, float]]:
        """Periods of low … high − 1 that a stretch touches, and which part of the stretch lies in each."""
        if end <= begin:
            p = math.floor((begin - self.first) / self.length + 1e-9)
            return [(p, 1.0)] if low <= p < high and end == begin else []
        lowest = max(low, math.floor((begin - self.first) / self.length + 1e-9))
        highest = min(high, math.ceil((end - self.first) / self.length - 1e-9))
        touched = []
        for p in range(lowest, highest):
            here = self.first + p * self.length
            inside = min(end, here + self.length) - max(begin, here)
            if inside > 0:
                touched.append((p, inside / (end - begin)))
        return touched


def grid_of(reading: UsageRecords, how: Cut, account: Account) -> PeriodGrid:
    """The periods, cut off at the ends where the record does not cover them. Raises InputError, MissingUsage."""
    first, periods = _extent(reading, how)
    whole = PeriodGrid(first, how.length, how.timezone, [0.0] * periods, 0, periods)
    grid = dataclasses.replace(whole, covered=_covered(reading, whole))
    return _trimmed(grid, reading, how, account)


def stretches(reading: UsageRecords) -> list[tuple[float, float]]:
    """What the record covers; of single requests, when they were."""
    return list(reading.covered or ()) or [(row.start, row.end) for row in reading.rows]


def clock_time(moment: float, timezone: str) -> str:
    """`2026-12-01 04:00`."""
    return dt.datetime.fromtimestamp(moment, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def _extent(reading: UsageRecords, how: Cut) -> tuple[float, int]:
    """Start of the first period and how many there are."""
    spans, length = stretches(reading), how.length
    start = min(begin for begin, _ in spans)
    end = max(end for _, end in spans)
    if how.start is not None:
        first = how.start
    else:
        zone = ZoneInfo(how.timezone)
        day = dt.datetime.fromtimestamp(start, zone).date()
        midnight = dt.datetime.combine(day, dt.time(), zone).timestamp()
        first = midnight + math.floor((start - midnight) / length + 1e-9) * length
    begin = clock_time(first, how.timezone)
    if how.end is not None:
        whole = (how.end - first) / length
        if whole <= 0 or abs(whole - round(whole)) > 1e-9 * max(whole, 1):
            rule = f"must be whole periods of {how.period_h:g} h after the start, {begin}"
            raise InputError(Issue(("--end",), rule, clock_time(how.end, how.timezone)))
        return first, round(whole)
    periods = math.ceil((end - first) / length - 1e-9)
    if reading.covered is None:  # a request on the stroke of a period belongs to it
        periods = math.floor((end - first) / length + 1e-9) + 1
    if periods > MOST:
        since = clock_time(start, how.timezone)
        rule = f"makes {periods:,} periods of the time from {since} on, and {MOST:,} are most"
        hint = "look for a time that is wrong, or state --start and --end"
        raise InputError(Issue(("--period",), rule, hint=hint))
    if periods <= 0:
        raise MissingUsage(Issue(("--start",), "is after the last record", begin))
    return first, periods


def _covered(reading: UsageRecords, grid: PeriodGrid) -> list[float]:
    """Part of each period that the record covers, in [0, 1]."""
    covered = [0.0] * len(grid.covered)
    if reading.covered is None:
        for row in reading.rows:
            for p, _ in grid.parts(row.start, row.start, 0, len(covered)):
                covered[p] = 1.0
        return covered
    reached = -math.inf
    for begin, end in sorted(stretches(reading)):
        for p, part in grid.parts(max(begin, reached), end, 0, len(covered)):
            covered[p] += part * (end - max(begin, reached)) / grid.length
        reached = max(reached, end)
    return [min(part, 1.0) for part in covered]


def _trimmed(grid: PeriodGrid, reading: UsageRecords, how: Cut, account: Account) -> PeriodGrid:
    """The periods between the parts at the ends; what --start and --end state is not cut."""
    low, high, why = 0, len(grid.covered), "in periods covered in part, cut off"
    if reading.covered is None:
        if how.start is None or how.end is None:
            note = "single requests do not say where the record begins and ends"
            account.remark("note", note, "", {}, hint="--start and --end do")
        still = math.floor((how.moment - grid.first) / grid.length)
        if how.end is None and 0 <= still < high:
            high, why = still, "in the period that is not over yet"
    else:
        while low < high and how.start is None and grid.covered[low] < WHOLE:
            low += 1
        while high > low and how.end is None and grid.covered[high - 1] < WHOLE:
            high -= 1
    if low == high:
        rule = f"no period of {how.period_h:g} h is covered whole"
        raise MissingUsage(Issue(("--period",), rule, hint="a longer record, or shorter periods"))
    off = [*range(low), *range(high, len(grid.covered))]
    why = f"{why}: {grid.times(off)}" if off else ""
    if off:
        account.remark("left out", why, "", {})
    return dataclasses.replace(grid, low=low, high=high, why=why)


def check_length(spans: Iterable[tuple[float, float]], how: Cut) -> None:
    """Raises InputError where records are longer than a period: they cannot tell the hours."""
    longest = max((end - start for start, end in spans), default=0.0)
    if longest > how.length * (1 + 1e-9):
        rule = f"is {how.period_h:g} h, and the records are of {longest / 3600:g} h each: they cannot tell the hours"
        hint = f"--period {longest / 3600:g}h, or --spread if the use is even"
        raise InputError(Issue(("--period",), rule, hint=hint))
