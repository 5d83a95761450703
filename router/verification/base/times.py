"""Offers as they stand from hour to hour: rules are gone through one by one, in every stretch between their ends.

stretch    hours in which no rule begins or ends, and the offer as it stands in them: prices, counts
life       from its first opening to its last closing; nothing of an offer is due before and after
mean       by hours; of prices and availability only while it is open
"""

from __future__ import annotations

import csv
import gzip
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from router.errors import InputError, Issue
from router.loading.fingerprint import series_path
from router.schema import EnergyRule, ModelPrices, Offer, Problem, ScheduleRule, Series, Times
from router.verification.base.local_time import LocalTime, minute_of

type Hours = tuple[float, float]

NEAR_H = 1e-9
AROUND_H = 200.0  # a week and some, by which all that recurs has recurred
OLD_H = 24.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours in which nothing about an offer changes.

    offer      as it stands, prices of use times the factor of the rules
    dated      rent of an instance by rules that neither recur nor are series
    factor     of the rules, on prices of use
    """

    start: float
    end: float
    open: bool
    offer: Offer
    dated_usd_per_h: float
    factor: float


class OfferTimes:
    """Every offer and kind of host of a problem in time; agreements always stand alike."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.end_h = problem.horizon.periods * problem.horizon.period_h
        self._offers = {offer.name: offer for offer in problem.sellers}
        self._offers |= {host.name: host.rented for host in problem.hosts}
        self._known: dict[str, list[Stretch]] = {}
        self._lives: dict[str, Hours] = {}
        self._clocks: dict[str, LocalTime] = {}
        self._rows: dict[tuple[str, str], list[tuple[float, dict[str, float]]]] = {}

    @cached_property
    def clock(self) -> LocalTime:
        return LocalTime(self.problem.horizon)

    def life(self, name: str) -> Hours:
        """Hours of its first opening and of its last closing; infinite where it always was open, or stays so."""
        if name not in self._lives:
            self._lives[name] = self._life(
                [r for r in self._offers[name].schedule if r.available is not None]
            )
        return self._lives[name]

    def _life(self, rules: list[ScheduleRule]) -> Hours:
        if all(rule.available for rule in rules):
            return -math.inf, math.inf
        dates = [self._hour(at, rule) for rule in rules for at in (rule.from_, rule.until) if at is not None]
        low, high = min([0.0, *dates]) - AROUND_H, max([0.0, *dates]) + AROUND_H
        opened = []
        for start, end in _between(self._ends(rules, low, high), low, high):
            middle, is_open = (start + end) / 2, True
            for rule in rules:
                if self._holds(rule, middle):
                    is_open = bool(rule.available)
            if is_open:
                opened.append((start, end))
        if not opened:
            return math.inf, -math.inf
        first = -math.inf if opened[0][0] < low + AROUND_H - NEAR_H else opened[0][0]
        return first, math.inf if opened[-1][1] > high - AROUND_H + NEAR_H else opened[-1][1]

    def due(self, name: str, start: float, end: float) -> float:
        """Hours in which something of an offer is due."""
        opens, closes = self.life(name)
        return max(0.0, min(end, closes) - max(start, opens))

    def stretches(self, name: str, start: float, end: float) -> Iterator[tuple[float, Stretch]]:
        """(hours inside, stretch) between two hours of the horizon, or after it."""
        offer = self._offers[name]
        if not offer.schedule:
            rent = offer.instances.usd_per_h if offer.instances is not None else 0.0
            yield end - start, Stretch(start, end, True, offer, rent, 1.0)
            return
        if start < -NEAR_H or end > self.end_h + NEAR_H:
            known = list(self._made(offer, start, end))
        else:
            if name not in self._known:
                self._known[name] = list(self._made(offer, 0.0, self.end_h))
            known = self._known[name]
        first = max(bisect_right(known, start + NEAR_H, key=lambda each: each.start) - 1, 0)
        for stretch in known[first:]:
            if stretch.start > end - NEAR_H:
                return
            hours = min(end, stretch.end) - max(start, stretch.start)
            if hours > NEAR_H:
                yield hours, stretch

    def total(self, name: str, start: float, end: float, of: Callable[[Stretch], float]) -> float:
        """Σ hours · a figure."""
        return math.fsum(hours * of(stretch) for hours, stretch in self.stretches(name, start, end))

    def open_part(self, name: str, start: float, end: float) -> float:
        """The part of the time in which it is open."""
        if not self._offers[name].schedule:
            return 1.0
        return self.total(name, start, end, lambda each: float(each.open)) / (end - start)

    def mean(self, name: str, start: float, end: float, of: Callable[[Stretch], float]) -> float:
        """The mean of a figure by hours, while it is open; of all hours where it never is."""
        known = [(hours, stretch) for hours, stretch in self.stretches(name, start, end)]
        if len(known) == 1:
            return of(known[0][1])
        some = [(hours, stretch) for hours, stretch in known if stretch.open] or known
        return math.fsum(h * of(s) for h, s in some) / math.fsum(h for h, _ in some)

    def _made(self, offer: Offer, start: float, end: float) -> Iterator[Stretch]:
        """In order. Stretches that stand alike share their offer."""
        ends = self._ends(offer.schedule, start, end)
        for rule in offer.schedule:
            if rule.series is not None:
                ends |= {at for at, _ in self._read(offer, rule) if start < at < end}
        alike: dict[tuple[object, ...], tuple[bool, Offer, float, float]] = {}
        for low, high in _between(ends, start, end):
            middle = (low + high) / 2
            rules = [r for r, rule in enumerate(offer.schedule) if self._holds(rule, middle)]
            read = {r: self._row(offer, offer.schedule[r], middle) for r in rules}
            key = (*rules, *(tuple(sorted(row.items())) for row in read.values()))
            if key not in alike:
                alike[key] = _standing(offer, [(offer.schedule[r], read[r]) for r in rules])
            yield Stretch(low, high, *alike[key])

    def energy_usd(self, start: float, end: float, name: str, *, gaps: bool) -> float:
        """Σ hours · USD per kWh while an instance is paid for; `gaps`: also while its offer is closed in between."""
        parts = []
        opens, closes = self.life(name)
        for low, high, usd in self._energy(start, end):
            if gaps:
                parts.append(usd * max(0.0, min(high, closes) - max(low, opens)))
            else:
                parts.append(usd * self.total(name, low, high, lambda each: float(each.open)))
        return math.fsum(parts)

    def _energy(self, start: float, end: float) -> Iterator[tuple[float, float, float]]:
        """(from, until, USD per kWh) between two hours."""
        rules, stated = self.problem.policy.energy_schedule, self.problem.policy.energy_usd_per_kwh
        for low, high in _between(self._ends(rules, start, end) if rules else (), start, end):
            usd, factor = stated, 1.0
            for rule in rules:
                if self._holds(rule, (low + high) / 2):
                    usd = usd if rule.usd_per_kwh is None else rule.usd_per_kwh
                    factor = factor if rule.prices is None else rule.prices
            yield low, high, usd * factor

    def _ends(self, rules: Iterable[ScheduleRule | EnergyRule], start: float, end: float) -> set[float]:
        """Every hour at which some rule may begin or end."""
        ends: set[float] = set()
        for rule in rules:
            ends |= {self._hour(at, rule) for at in (rule.from_, rule.until) if at is not None}
            if rule.daily is not None or rule.days:
                for opened, closed, _ in self._days(rule, start, end):
                    ends |= {opened, closed}
        return ends

    def _days(self, rule: Times, start: float, end: float) -> Iterator[tuple[float, float, int]]:
        """From, until and day of the week of each daily window near some hours; whole days where none is stated."""
        clock = self._local(rule)
        first = (clock.date_at(start) - clock.first_day).days - 1
        for day in range(first, (clock.date_at(end) - clock.first_day).days + 1):
            if rule.daily is None:
                hours = clock.hour_of(day, 0), clock.hour_of(day + 1, 0)
            else:
                hours = clock.window(day, minute_of(rule.daily.start), minute_of(rule.daily.end))
            yield *hours, clock.day(day).weekday()

    def _holds(self, rule: Times, hour: float) -> bool:
        if rule.from_ is not None and hour < self._hour(rule.from_, rule):
            return False
        if rule.until is not None and hour >= self._hour(rule.until, rule):
            return False
        if rule.daily is None and not rule.days:
            return True
        names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        return any(
            opened <= hour < closed and (not rule.days or names[weekday] in rule.days)
            for opened, closed, weekday in self._days(rule, hour, hour)
        )

    def _hour(self, moment: datetime, rule: Times) -> float:
        local = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone(rule))
        return (local.astimezone(UTC) - self.clock.start) / timedelta(hours=1)

    def _zone(self, rule: Times) -> ZoneInfo:
        return ZoneInfo(rule.timezone or self.problem.horizon.timezone)

    def _local(self, rule: Times) -> LocalTime:
        """The horizon's hours in the zone of a rule."""
        horizon = self.problem.horizon
        zone = rule.timezone or horizon.timezone
        if zone not in self._clocks:
            update = {"start": self.clock.start, "timezone": zone}
            self._clocks[zone] = LocalTime(horizon.model_copy(update=update))
        return self._clocks[zone]

    def _row(self, offer: Offer, rule: ScheduleRule, hour: float) -> dict[str, float]:
        """What the last row of a series says; nothing before the first."""
        if rule.series is None:
            return {}
        rows = self._read(offer, rule)
        at = bisect_right(rows, hour, key=lambda row: row[0]) - 1
        missing = at < 0 or hour - rows[at][0] > OLD_H
        if rule.series.gaps == "error" and missing and 0.0 <= hour < self.end_h:
            raise InputError(Issue((), f"{rule.series.file} has no row for {offer.name} at hour {hour:.6g}"))
        return rows[at][1] if at >= 0 else {}

    def _read(self, offer: Offer, rule: ScheduleRule) -> list[tuple[float, dict[str, float]]]:
        """Rows in order of time, those that the filter lets through."""
        series = rule.series
        assert series is not None  # the caller has looked
        key = (offer.name, series.model_dump_json())
        if key not in self._rows:
            path = series_path(self.problem, series)
            rows = [(self._hour(moment, rule), figures) for moment, figures in _rows(path, series)]
            self._rows[key] = sorted(rows, key=lambda row: row[0])
        return self._rows[key]


def _between(ends: Iterable[float], start: float, end: float) -> Iterator[Hours]:
    """Stretches between all ends from one hour to another."""
    low = start
    for high in (*sorted(at for at in ends if start < at < end), end):
        if high - low > NEAR_H:
            yield low, high
            low = high


def _standing(
    offer: Offer, rules: list[tuple[ScheduleRule, dict[str, float]]]
) -> tuple[bool, Offer, float, float]:
    """(open, offer, dated rent, factor) under rules that hold, each with what its series says."""
    is_open, factor, dated_factor = True, 1.0, 1.0
    figures: dict[tuple[str, ...], float] = {}
    rent = offer.instances.usd_per_h if offer.instances is not None else 0.0
    for rule, row in rules:
        recurs = rule.daily is not None or bool(rule.days)
        if rule.available is not None:
            is_open = rule.available
        if rule.prices is not None:
            factor = rule.prices
            dated_factor = dated_factor if recurs else rule.prices
        for at, value in [*_stated(rule), *_from_row(offer, rule.series, row)]:
            figures[at] = value
            if at == ("instances", "usd_per_h") and not recurs and rule.series is None:
                rent = value
    return is_open, _with_figures(offer, figures, factor), rent * dated_factor, factor


def _stated(rule: ScheduleRule) -> Iterator[tuple[tuple[str, ...], float]]:
    if rule.set_ is None:
        return
    for model, prices in rule.set_.models.items():
        for name, value in prices.model_dump(exclude_none=True).items():
            yield ("models", model, name), value
    for name, value in rule.set_.instances.model_dump(exclude_none=True).items():
        yield ("instances", name), value
    for name, value in rule.set_.quota.model_dump(exclude_none=True).items():
        yield ("quota", name), value


def _from_row(
    offer: Offer, series: Series | None, row: dict[str, float]
) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, value in row.items():
        if name in ("usd_per_h", "availability"):
            yield ("instances", name), value
        elif series is not None:
            for model in offer.models if series.model is None else (series.model,):
                yield ("models", model, name), value


def _with_figures(offer: Offer, figures: dict[tuple[str, ...], float], factor: float) -> Offer:
    """The offer with figures set, and prices of use times a factor."""
    models = {}
    for name, entry in offer.models.items():
        own = {at[2]: value for at, value in figures.items() if at[:2] == ("models", name)}
        prices = {field: own.get(field, getattr(entry, field)) for field in _PRICES}
        scaled: dict[str, Any] = {field: usd * factor for field, usd in prices.items() if usd is not None}
        longer = entry.long_prompt
        if longer is not None and factor != 1.0:
            stated = {field: usd for field in _PRICES if (usd := getattr(longer, field, None)) is not None}
            scaled["long_prompt"] = longer.model_copy(update={at: usd * factor for at, usd in stated.items()})
        models[name] = entry.model_copy(update=scaled)
    update: dict[str, Any] = {"models": models}
    if offer.instances is not None:
        own = {at[1]: value for at, value in figures.items() if at[0] == "instances"}
        own["usd_per_h"] = own.get("usd_per_h", offer.instances.usd_per_h) * factor
        update["instances"] = offer.instances.model_copy(update=own)
    caps = {at[1]: value for at, value in figures.items() if at[0] == "quota"}
    if caps:
        update["quota"] = offer.quota.model_copy(update=caps)
    return offer.model_copy(update=update)


_PRICES = tuple(ModelPrices.model_fields)


def _rows(path: Path, series: Series) -> Iterator[tuple[datetime, dict[str, float]]]:
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if zipped
        else path.open(encoding="utf-8-sig", newline="")
    ) as text:
        for stated in csv.DictReader(text):
            row = {(name or "").strip(): (value or "").strip() for name, value in stated.items()}
            if all(row[name] in values for name, values in (series.filter or {}).items()):
                figures = {field: float(row[column]) for field, column in series.columns.items()}
                yield _moment(row[series.timestamp_column]), figures


def _moment(text: str) -> datetime:
    try:
        epoch = float(text)
    except ValueError:
        return datetime.fromisoformat(text)
    return datetime.fromtimestamp(epoch / (1000.0 if epoch >= 1e11 else 1.0), UTC)
