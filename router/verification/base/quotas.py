"""Caps on what is sent: which routes count in each, how much a unit of work takes of it, and over what it holds.

    by the minute   averaged over a period
    by the day      of the clock; one that the horizon cuts has its hours / all hours of it
    by the month    a billing month, by its hours / 730
    USD             at the prices of use of its hours: tokens, requests and the cache
    in time         where rules set it, the mean by hours: of a day or month inside the horizon, of the part of a period
                    in which work may run. By the minute nothing is let through while the offer is closed

A quota of an offer counts what is sent there, one of a model what is sent there with it, and one of `quotas` what its
workloads send to its offers (none named: all).

What a limit that spills carries in every minute of a period, in its order: of an instance availability ·
max_utilisation of the minute, less where it still boots (its first start_h hours); of a quota the cap of the minute,
over its mean in the period. A period stands in so many equal parts, its minutes or more; each has the mean by hours of
what holds in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from router.schema import Offer, OfferModel, Problem, Quota, QuotaCaps, Workload
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.cells import Cell
from router.verification.base.flows import Flow, usd_of_unit
from router.verification.base.latency import seconds
from router.verification.base.local_time import Interval, LocalTime
from router.verification.base.times import Stretch
from router.verification.base.work import Unit

BY_MINUTE = ("requests", "tokens", "units", "prompt_tokens", "uncached_prompt_tokens", "completion_tokens")
BY_DAY = ("requests_per_day", "tokens_per_day")
BY_MONTH = ("usd_per_month",)


@dataclass(frozen=True, slots=True)
class Cap:
    """One limit: `most` in the unit of the file, times its `max_utilisation`, infinite where rules alone state one.

    owner      the offer whose rules it follows; None: it is shared
    offers, workloads, model   what counts, None is any
    """

    name: str
    kind: str
    most: float
    utilisation: float
    owner: str | None
    offers: frozenset[str] | None
    workloads: frozenset[str] | None
    model: str | None

    @property
    def field(self) -> str:
        """Of the problem file."""
        return _field(self.kind)

    def standing(self, stretch: Stretch) -> float:
        """What it is while nothing about its offer changes."""
        if self.kind in BY_MINUTE and not stretch.open:
            return 0.0
        if self.model is not None:
            return self.most
        stated = getattr(stretch.offer.quota, self.field)
        return math.inf if stated is None else stated * self.utilisation

    def counts(self, workload: str, offer: str, model: str) -> bool:
        """Whether what a route carries counts."""
        return (
            (self.offers is None or offer in self.offers)
            and (self.workloads is None or workload in self.workloads)
            and self.model in (None, model)
        )

    def amount(self, unit: Unit, entry: OfferModel) -> float:
        """What a unit of work takes of one that counts no money."""
        kind = self.kind.removesuffix("_per_day")
        return {
            "requests": unit.requests or 0.0,
            "tokens": unit.tokens,
            "units": unit.burndown(entry),
            "prompt_tokens": unit.prompt,
            "uncached_prompt_tokens": unit.prompt - unit.cached,
            "completion_tokens": unit.completion,
        }[kind]


def caps_of(problem: Problem) -> list[Cap]:
    """Every cap of the problem."""
    found: list[Cap] = []
    for offer in problem.offers:
        ruled = {
            field for rule in offer.schedule if rule.set_ is not None for field in _stated(rule.set_.quota)
        }
        found += _caps(offer.name, offer.quota, ruled, offer.name, frozenset((offer.name,)), None, None)
        for model, entry in offer.models.items():
            if entry.quota is not None:
                name, only = f"{offer.name},{model}", frozenset((offer.name,))
                found += _caps(name, entry.quota, set(), offer.name, only, None, model)
    for shared in problem.quotas:
        offers, loads = frozenset(shared.offers) or None, frozenset(shared.workloads) or None
        found += _caps(shared.name, shared, set(), None, offers, loads, None)
    return found


def _field(kind: str) -> str:
    return f"{kind}_per_minute" if kind in BY_MINUTE else kind


def _stated(quota: QuotaCaps) -> Iterator[str]:
    return (field for field, cap in quota if cap is not None)


def _caps(
    name: str,
    quota: Quota,
    ruled: set[str],
    owner: str | None,
    offers: frozenset[str] | None,
    loads: frozenset[str] | None,
    model: str | None,
) -> Iterator[Cap]:
    part = quota.max_utilisation
    for kind in (*BY_MINUTE, *BY_DAY, *BY_MONTH):
        most = getattr(quota, _field(kind))
        if most is not None or _field(kind) in ruled:
            most = math.inf if most is None else most * part
            yield Cap(name, kind, most, part, owner, offers, loads, model)


type Taken = tuple[tuple[str, str, int], float, float]
"""A cap and its span (name, kind, number), what is taken of it, how much it allows there."""


class Allowance:
    """What caps allow over their spans in a problem."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.caps = caps_of(case.problem)
        self._clock = LocalTime(case.problem.horizon)
        self._of: dict[tuple[str, str, str], list[Cap]] = {}

    def of(self, workload: str, offer: str, model: str) -> list[Cap]:
        """The caps that a route counts in."""
        route = workload, offer, model
        if route not in self._of:
            self._of[route] = [cap for cap in self.caps if cap.counts(*route)]
        return self._of[route]

    def taken(
        self,
        cap: Cap,
        units: float,
        unit: Unit,
        future: Future,
        offer: str,
        model: str,
        at: tuple[int, Interval],
    ) -> Iterator[Taken]:
        """What so many units of work take, that run in a period between two hours: of each span that they touch."""
        period, hours = at
        if cap.kind in BY_MONTH:
            usd = math.fsum(usd_of_unit(self.case, unit, offer, model, hours))
            amount = units * usd * future.price_of(offer)
        else:
            amount = units * cap.amount(unit, self.case.offers[offer].models[model])
        if cap.kind in BY_MINUTE:
            yield from self._of_period(cap, amount, period, hours)
        elif cap.kind in BY_MONTH:
            month = self.case.month_of[period]
            length, begin = self.case.month_h[month], math.fsum(self.case.month_h[:month])
            most = self.mean(cap, begin, begin + length)
            if most < math.inf:
                yield (cap.name, cap.kind, month), amount, most * length / MONTH_H
        else:
            start, end = hours
            for day in range(self._clock.days(start + 1e-9), self._clock.days(end - 1e-9) + 1):
                begin, finish = self._clock.hour_of(day, 0), self._clock.hour_of(day + 1, 0)
                part = (min(end, finish) - max(start, begin)) / (end - start)
                whole = max(begin, 0.0), min(finish, self.case.horizon_h)
                inside = (whole[1] - whole[0]) / (finish - begin)
                if part > 1e-12 and (most := self.mean(cap, *whole)) < math.inf:
                    yield (cap.name, cap.kind, day), amount * part, most * inside

    def _of_period(self, cap: Cap, amount: float, period: int, hours: Interval) -> Iterator[Taken]:
        key, minutes = (cap.name, cap.kind, period), 60.0 * self.case.period_h
        if not self._in_time(cap):
            yield key, amount, cap.most * minutes
        elif (most := self.mean(cap, *hours)) <= 0:
            yield (cap.name, f"{cap.kind} while nothing is let through", period), amount, 0.0
        elif most < math.inf:
            yield key, amount / (most * minutes), 1.0

    def _in_time(self, cap: Cap) -> bool:
        return cap.owner is not None and bool(self.case.offers[cap.owner].schedule)

    def mean(self, cap: Cap, start: float, end: float) -> float:
        """What a cap lets through a minute, a day or a month, by hours on average between two of them."""
        if cap.owner is None or not self._in_time(cap):
            return cap.most
        return self.case.times.total(cap.owner, start, end, cap.standing) / (end - start)


@dataclass(frozen=True, slots=True)
class WholeCell:
    """All of a cell on a route into a limit that spills: what of it the limit takes."""

    cell: Cell
    workload: Workload
    unit: Unit
    offer: Offer
    model: str
    entry: OfferModel
    period: int

    @classmethod
    def of(cls, flow: Flow) -> WholeCell:
        """Of a flow whose model has an entry."""
        row = flow.row
        assert flow.entry is not None  # the caller has looked
        return cls(flow.cell, flow.workload, flow.unit, flow.offer, row.model, flow.entry, row.period)

    def amount(self, case: Case, allowance: Allowance) -> float:
        """Instances that it keeps busy in the mean, or part of the cap."""
        units, name = self.cell.units, self.workload.name
        if self.offer.instances is not None:
            factor, rtt_ms = case.problem.policy.p99_over_mean, case.rtt_ms(name, self.offer.name)
            each = seconds(self.workload, self.unit, self.entry, factor, rtt_ms)
            return 0.0 if each is None else max(each) * units / (3600.0 * case.period_h)
        for cap in allowance.of(name, self.offer.name, self.model):
            most = allowance.mean(cap, *case.span(self.period))
            amount = units * cap.amount(self.unit, self.entry) / (60.0 * case.period_h)
            return amount / most if most > 0 else math.inf
        return 0.0


def carried_by_minute(
    case: Case, allowance: Allowance, offer: Offer, future: Future, period: int, parts: int
) -> list[float]:
    """(parts,) of one instance that has booted, or of the cap."""
    start, end = case.span(period)
    alike = len(list(case.times.stretches(offer.name, start, end))) == 1
    edges = (start + (end - start) * k / parts for k in range(parts + 1))
    spans = [(start, end)] if alike else list(pairwise(edges))
    if offer.instances is not None:
        most = 1.0 if offer.instances.max_utilisation is None else offer.instances.max_utilisation
        each = [case.available(offer.name, future, *span) * most for span in spans]
    else:
        cap = next(cap for cap in allowance.caps if cap.owner == offer.name and cap.kind in BY_MINUTE)
        each = [allowance.mean(cap, *span) for span in spans]
        mean = math.fsum(each) / len(each)
        each = [value / mean if mean > 0 else 1.0 for value in each]
    return each * parts if alike else each


def booting_by_minute(case: Case, offer: str, since: int, period: int, parts: int) -> list[float]:
    """(parts,) the part of each for which what starts with a period boots in another; closing ends that."""
    h = case.period_h
    left_h = case.instances[offer].start_h - (period - since) * h
    if left_h <= 0 or any(case.closed(offer, t) for t in range(since, period + 1)):
        return [0.0] * parts
    return [min(max((left_h - k * h / parts) * parts / h, 0.0), 1.0) for k in range(parts)]


def first_to_boot(case: Case, offer: str, period: int) -> int:
    """The first period with which something may have started that boots in another."""
    return max(0, period - math.ceil(case.instances[offer].start_h / case.period_h - 1e-9))
