"""Use cut into periods: sums by workload and period, and what to make of time that no record covers.

    requests[w, p] = Σ_rows requests · (part of the row's time that lies in p)

`grid` says which periods there are. A record whose own time is not over yet (today's day, this hour's bucket) is left
out: it would count as a whole one. What is cut off, filled in or scaled up is in the account, with its amounts.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from router.errors import InputError, Issue
from router.importers.account import CACHED, COMPLETION, PROMPT, WRITTEN, Account
from router.importers.usage.grid import (
    WHOLE,
    Cut,
    PeriodGrid,
    check_length,
    clock_time,
    grid_of,
    stretches,
)
from router.importers.usage.reading import MissingUsage, Row, StaleUsage, UsageRecords

Kind = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Work:
    """One workload: amounts by period, and the times to first token of its streamed requests.

    rows, money    records that went into it, and what they cost, by currency
    sources        its names in the record
    """

    model: str
    labels: tuple[str, ...]
    requests: tuple[float, ...]
    prompt_tokens: tuple[float, ...]
    cached_tokens: tuple[float, ...]
    written_tokens: tuple[float, ...]
    completion_tokens: tuple[float, ...]
    ttft_ms: tuple[float, ...]
    rows: float = 0.0
    money: Mapping[str, float] = dataclasses.field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def totals(self) -> dict[str, float]:
        """For the account."""
        return {
            "rows": self.rows,
            "requests": fsum(self.requests),
            PROMPT: fsum(self.prompt_tokens),
            CACHED: fsum(self.cached_tokens),
            WRITTEN: fsum(self.written_tokens),
            COMPLETION: fsum(self.completion_tokens),
            **self.money,
        }


@dataclasses.dataclass(frozen=True)
class Usage:
    """All workloads over the same periods. account: what was read, and what of it is not in `work`."""

    start: float
    period_h: float
    timezone: str
    periods: int
    work: tuple[Work, ...]
    means: Mapping[str, tuple[float, float]]
    account: Account
    source: str


def cut(reading: UsageRecords, how: Cut) -> Usage:
    """The workloads. Raises InputError: MissingUsage, StaleUsage, rows too long for the periods."""
    account = account_of(reading)
    _check_repeating(reading, how, account)
    _check_fresh(reading, how)
    reading = _finished(reading, how, account)
    rows = _chosen(reading.rows, how, account)
    grid = grid_of(reading, how, account)
    if how.spread:
        long = [row for row in rows if row.end - row.start > grid.length * (1 + 1e-9)]
        if long:
            why = f"spread evenly over periods of {how.period_h:g} h"
            account.remark("note", why, long[0].place, {"rows": len(long)}, asked=True)
    else:
        check_length([(row.start, row.end) for row in rows if not row.hole], how)
    gaps = [p for p in range(grid.low, grid.high) if grid.covered[p] < WHOLE]
    if gaps and (how.gaps == "error" or (how.gaps == "previous" and gaps[0] == grid.low)):
        rule = f"no record covers {grid.times(gaps)}"
        hint = "fetch it, or say what it means: --gaps zero (no use) or --gaps previous (as before)"
        raise MissingUsage(Issue(("--gaps",), rule, hint=hint))
    if gaps:
        meaning = "no use" if how.gaps == "zero" else "as in the period before"
        why = f"no record, taken as {meaning}: {grid.times(gaps)}"
        account.remark("note", why, "", {}, asked=True)
    sums = _sums(rows, how, grid, account)
    for its in sums.values():
        _filled(its, grid, [p - grid.low for p in gaps], how, reading.covered is not None, account)
    return Usage(
        start=grid.first + grid.low * grid.length,
        period_h=how.period_h,
        timezone=how.timezone,
        periods=grid.high - grid.low,
        work=tuple(its.work(key) for key, its in sorted(sums.items())),
        means=reading.means,
        account=account,
        source=reading.source,
    )


def account_of(reading: UsageRecords) -> Account:
    """With all rows as read, before any is cut."""
    account = copy.deepcopy(reading.account)
    for row in reading.rows:
        account.reads(row.amounts())
        if row.labels["model"] == "unknown":
            why = "no model is named: taken as one model, unknown"
            account.remark("note", why, row.place, row.amounts(), hint="OpenAI: fetch with group_by=model")
    return account


def _check_repeating(reading: UsageRecords, how: Cut, account: Account) -> None:
    """A table with a row for each tag of a request: one tag at a time, or workloads that overlap."""
    label = reading.repeating
    if label is None or label in (name for name, _ in how.where):
        return
    values = sorted({row.labels[label] for row in reading.rows})
    if label not in how.by:
        rule = f"the table has one row for each {label} of a request: all together count it as often"
        hint = f"--where {label}=… reads one of: {', '.join(values)}"
        raise InputError(Issue((), rule, hint=hint))
    why = f"workloads overlap: a request is in that of each of its {label}s; do not plan them together"
    account.remark("note", why, "", {}, names=values)


def _finished(reading: UsageRecords, how: Cut, account: Account) -> UsageRecords:
    """Without records whose own time is not over; counters and single requests have none."""
    if reading.covered is None or any(not row.rows for row in reading.rows):
        return reading
    now = how.moment
    rows = []
    for row in reading.rows:
        if row.start <= now < row.end:
            why = f"not over yet at {clock_time(now, how.timezone)}"
            account.remark("left out", why, row.place, row.amounts())
        else:
            rows.append(row)
    covered = [(start, end) for start, end in reading.covered if not start <= now < end]
    if not covered:
        raise MissingUsage(Issue((), "all records are of a time that is not over yet"))
    return dataclasses.replace(reading, rows=rows, covered=covered)


def _chosen(rows: Sequence[Row], how: Cut, account: Account) -> list[Row]:
    """Rows with the labels asked for; a label that no row has is a typing error."""
    known = sorted({name for row in rows for name in row.labels})
    for name in (*how.by, *(name for name, _ in how.where)):
        if rows and name not in known:
            option = "--by" if name in how.by else "--where"
            raise InputError(
                Issue((option,), "is not a label of these records", name, f"known: {', '.join(known)}")
            )
    kept = []
    for row in rows:
        if all(row.labels.get(name) == value for name, value in how.where):
            kept.append(row)
        else:
            account.remark("left out", "not asked for by --where", row.place, row.amounts(), asked=True)
    if rows and not kept:
        raise MissingUsage(
            Issue(("--where",), "matches no record", " ".join("=".join(pair) for pair in how.where))
        )
    return kept


def _check_fresh(reading: UsageRecords, how: Cut) -> None:
    if how.max_age_h is None:
        return
    newest = max(end for _, end in stretches(reading))
    age = (how.moment - newest) / 3600
    if age > how.max_age_h:
        time = clock_time(newest, how.timezone)
        rule = f"is of {time}, {age:,.1f} h ago, and --max-age allows {how.max_age_h:g} h"
        raise StaleUsage(
            Issue((), f"the newest record {rule}", hint="fetch newer ones; the running plan stays")
        )


class _Sum:
    """Amounts of one workload by measure and period."""

    def __init__(self, periods: int) -> None:
        self.amounts: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * periods)
        self.ttft: list[float] = []
        self.rows = 0.0

    def work(self, key: Kind) -> Work:
        """As it stands."""
        of = {name: tuple(amounts) for name, amounts in self.amounts.items()}
        measures = ("requests", PROMPT, CACHED, WRITTEN, COMPLETION)
        requests, prompt, cached, written, completion = (of.pop(name) for name in measures)
        ttft, money = tuple(sorted(self.ttft)), {currency: fsum(its) for currency, its in of.items()}
        return Work(key[0], key[1:], requests, prompt, cached, written, completion, ttft, self.rows, money)


def _sums(rows: Iterable[Row], how: Cut, grid: PeriodGrid, account: Account) -> dict[Kind, _Sum]:
    sums: dict[Kind, _Sum] = {}
    for row in rows:
        parts = grid.parts(row.start, row.end, 0, len(grid.covered))
        within = [(p - grid.low, part) for p, part in parts if grid.low <= p < grid.high]
        inside, total = fsum(part for _, part in within), fsum(part for _, part in parts)
        if 1 - total > 1e-12:
            why = "before --start or after --end"
            left = row.amounts(1 - total, rows=not parts)
            account.remark("left out", why, row.place, left, asked=True)
        if total - inside > 1e-12:
            account.remark("left out", grid.why, row.place, row.amounts(total - inside, rows=not within))
        if not within:
            continue
        key = (row.labels["model"], *(row.labels.get(name, "none") for name in how.by if name != "model"))
        its = sums.setdefault(key, _Sum(grid.high - grid.low))
        its.rows += row.rows
        for name, amount in row.amounts(rows=False).items():
            if name != "rows":
                by_period = its.amounts[name]
                for p, part in within:
                    by_period[p] += amount * part
        if row.ttft_ms is not None:
            its.ttft.append(row.ttft_ms)
    return sums


def _filled(
    its: _Sum, grid: PeriodGrid, gaps: Sequence[int], how: Cut, partial: bool, account: Account
) -> None:
    """Scaled up at the ends, where a little is missing; gaps as `how` says."""
    last = grid.high - grid.low - 1
    for name, amounts in its.amounts.items():
        for p in {0, last} if partial else ():
            part = grid.covered[grid.low + p]
            if WHOLE <= part < 1.0 and amounts[p]:
                more = amounts[p] / part - amounts[p]
                account.remark("added", "scaled up to whole periods at the ends", "", {name: more})
                amounts[p] += more
        for p in gaps:
            if amounts[p]:
                why = "in periods that the record covers in part"
                account.remark("left out", why, "", {name: amounts[p]}, asked=True)
            amounts[p] = amounts[p - 1] if how.gaps == "previous" and p > 0 else 0.0
            if amounts[p]:
                account.remark("added", "as in the period before", "", {name: amounts[p]}, asked=True)
