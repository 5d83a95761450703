"""Caps on what is sent: which routes count in each, how much a unit of work takes of it, and over what it holds.

    by the minute   averaged over a period
    by the day      of the clock; one that the horizon cuts has its hours / all hours of it
    by the month    a billing month, by its hours / 730
    USD             at the prices of use of its hours: tokens, requests and the cache

A quota of an offer counts what is sent there, one of a model what is sent there with it, and one of `quotas` what its
workloads send to its offers (none named: all).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from router.schema import OfferModel, Problem, Quota
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.flows import usd_of_unit
from router.verification.base.local_time import Interval, LocalTime
from router.verification.base.work import Unit

BY_MINUTE = ("requests", "tokens", "units", "prompt_tokens", "uncached_prompt_tokens", "completion_tokens")
BY_DAY = ("requests_per_day", "tokens_per_day")
BY_MONTH = ("usd_per_month",)


@dataclass(frozen=True, slots=True)
class Cap:
    """One limit: `most` in the unit of the file, times its `max_utilisation`. Offers, workloads, model: None is any."""

    name: str
    kind: str
    most: float
    offers: frozenset[str] | None
    workloads: frozenset[str] | None
    model: str | None

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
        found += _caps(offer.name, offer.quota, frozenset((offer.name,)), None, None)
        for model, entry in offer.models.items():
            if entry.quota is not None:
                found += _caps(f"{offer.name},{model}", entry.quota, frozenset((offer.name,)), None, model)
    for shared in problem.quotas:
        offers, loads = frozenset(shared.offers) or None, frozenset(shared.workloads) or None
        found += _caps(shared.name, shared, offers, loads, None)
    return found


def _caps(
    name: str, quota: Quota, offers: frozenset[str] | None, loads: frozenset[str] | None, model: str | None
) -> Iterator[Cap]:
    for kind in (*BY_MINUTE, *BY_DAY, *BY_MONTH):
        most = getattr(quota, f"{kind}_per_minute" if kind in BY_MINUTE else kind)
        if most is not None:
            yield Cap(name, kind, most * quota.max_utilisation, offers, loads, model)


type Taken = tuple[tuple[str, str, int], float, float]
"""A cap and its span (name, kind, number), what is taken of it, how much it allows there."""


class Allowance:
    """What caps allow over their spans in a problem."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.caps = caps_of(case.problem)
        self._clock = LocalTime(case.problem.horizon)

    def of(self, workload: str, offer: str, model: str) -> list[Cap]:
        """The caps that a route counts in."""
        return [cap for cap in self.caps if cap.counts(workload, offer, model)]

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
            yield (cap.name, cap.kind, period), amount, cap.most * 60.0 * self.case.period_h
        elif cap.kind in BY_MONTH:
            month = self.case.month_of[period]
            yield (cap.name, cap.kind, month), amount, cap.most * self.case.month_h[month] / MONTH_H
        else:
            start, end = hours
            for day in range(self._clock.days(start + 1e-9), self._clock.days(end - 1e-9) + 1):
                begin, finish = self._clock.hour_of(day, 0), self._clock.hour_of(day + 1, 0)
                part = (min(end, finish) - max(start, begin)) / (end - start)
                inside = (min(finish, self.case.horizon_h) - max(begin, 0.0)) / (finish - begin)
                if part > 1e-12:
                    yield (cap.name, cap.kind, day), amount * part, cap.most * inside
