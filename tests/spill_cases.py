"""Small problems with offers that spill, and the same written out minute by minute: what their plans are held to.

    x[w,o,t]      share of a workload in a period that is sent to a limit first
    c[w,o,t,m]    requests of it that are carried in minute m, at most x · D[w,t,m]
    Σ_w a · c ≤ C in every minute;  all that is not carried goes to offers that do not spill, at their price

No cuts, no orders, no means: a mixed-integer program with a flow for every minute, for SciPy's HiGHS.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from problem_factory import Data, problem
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

START = "2027-01-01"


@dataclass(frozen=True)
class MinuteWork:
    """A workload: requests by period and minute, tokens of one. `still`: it does not move in time."""

    name: str
    requests: tuple[tuple[float, ...], ...]
    tokens: float
    still: bool = True


@dataclass(frozen=True)
class SpillOffer:
    """What refuses: a cap in so many of a kind a minute, or instances. `usd`: a request, by workload."""

    name: str
    usd: dict[str, float]
    kind: str  # requests | tokens | instances
    cap: float = 0.0  # a minute, of the quota
    utilisation: float = 1.0
    rate: float = 1.0  # tokens a second of an instance
    usd_per_h: float = 0.0
    least: int = 1
    step: int = 1
    most: int = 8
    together: bool = True  # one pool for all models
    later: tuple[int, float] = (
        0,
        1.0,
    )  # from a minute of each period on, this part of the cap or of the instances
    boot: int = 0  # minutes

    def part(self, minute: int) -> float:
        """Of the cap, or usable of an instance, in a minute of a period."""
        return self.later[1] if minute >= self.later[0] else 1.0


@dataclass(frozen=True)
class SpillCase:
    """All of it; `elsewhere`: USD a request of an offer that takes everything, by workload."""

    works: tuple[MinuteWork, ...]
    offers: tuple[SpillOffer, ...]
    elsewhere: dict[str, float]
    limited: tuple[float, float] | None = None  # of another, USD a request and requests a minute in the mean

    @property
    def periods(self) -> int:
        return len(self.works[0].requests)

    @property
    def minutes(self) -> int:
        return len(self.works[0].requests[0])

    def written(self, folder: Path) -> Path:
        """The problem file beside its records."""
        for work in self.works:
            rows = ["timestamp,requests"]
            for t, own in enumerate(work.requests):
                for m, count in enumerate(own):
                    at = t * self.minutes + m
                    rows.append(f"{START}T{at // 60:02d}:{at % 60:02d},{count!r}")
            (folder / f"{work.name}.csv").write_text("\n".join(rows) + "\n")
        (folder / "problem.json").write_text(json.dumps(self.data))
        return folder / "problem.json"

    @property
    def data(self) -> Data:
        works = [
            {
                "name": work.name,
                "models": [work.name],
                "demand": {"trace": {"file": f"{work.name}.csv"}},
                "prompt_tokens": work.tokens,
                "completion_tokens": 0,
                **({} if work.still else {"deferrable_h": 1 / 120}),
            }
            for work in self.works
        ]
        names = [work.name for work in self.works]
        others = [{"name": "api", "models": {n: {"usd_per_request": self.elsewhere[n]} for n in names}}]
        if self.limited is not None:
            usd, cap = self.limited
            models = {n: {"usd_per_request": usd} for n in names}
            others.append({"name": "narrow", "models": models, "quota": {"requests_per_minute": cap}})
        horizon = {"start": START, "periods": self.periods, "period_h": self.minutes / 60}
        return problem(works, [*map(self._offer, self.offers), *others], horizon=horizon)

    def _offer(self, offer: SpillOffer) -> Data:
        if offer.kind != "instances":
            quota = {f"{offer.kind}_per_minute": offer.cap, "max_utilisation": offer.utilisation}
            models: Data = {n: {"usd_per_request": usd} for n, usd in offer.usd.items()}
            cut = {"quota": {f"{offer.kind}_per_minute": offer.cap * offer.later[1]}}
            rules = self._rules(offer, cut)
            return {"name": offer.name, "models": models, "quota": quota, "spills": True, "schedule": rules}
        models = {n: {"tokens_per_s": offer.rate, "usd_per_request": usd} for n, usd in offer.usd.items()}
        instances = {
            "usd_per_h": offer.usd_per_h,
            "min": offer.least,
            "step": offer.step,
            "max": offer.most,
            "max_utilisation": offer.utilisation,
            "shared_by_models": offer.together,
            "start_h": offer.boot / 60,
        }
        rules = self._rules(offer, {"instances": {"availability": offer.later[1]}})
        return {
            "name": offer.name,
            "models": models,
            "instances": instances,
            "spills": True,
            "schedule": rules,
        }

    def _rules(self, offer: SpillOffer, terms: Data) -> list[Data]:
        """What holds from a minute of each period to its end."""
        start, rules = datetime.fromisoformat(START), []
        for t in range(self.periods if offer.later[1] != 1.0 else 0):
            begin, end = (
                start + timedelta(minutes=m)
                for m in (t * self.minutes + offer.later[0], (t + 1) * self.minutes)
            )
            rules.append({"from": f"{begin:%Y-%m-%dT%H:%M}", "until": f"{end:%Y-%m-%dT%H:%M}", "set": terms})
        return rules

    def least_usd(self) -> float:
        """Over every minute; infinite where there is none."""
        return _Written(self).least()


@dataclass
class _Written:
    """Columns and rows as they are written."""

    case: SpillCase
    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)

    def column(self, usd: float = 0.0, upper: float = np.inf, *, whole: bool = False) -> int:
        self.cost.append(usd)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, terms: dict[int, float], lower: float, upper: float) -> None:
        self.rows.append((terms, lower, upper))

    def least(self) -> float:
        case = self.case
        for t in range(case.periods):
            served: dict[str, dict[int, float]] = defaultdict(dict)  # of the requests of a period
            for offer in case.offers:
                self._limit(offer, t, served)
            narrow: dict[int, float] = {}
            for work in case.works:
                whole = sum(work.requests[t])
                served[work.name][self.column(case.elsewhere[work.name])] = 1.0
                if case.limited is not None:
                    at = self.column(case.limited[0])
                    served[work.name][at] = narrow[at] = 1.0
                self.row(served[work.name], whole, whole)
            if case.limited is not None:
                self.row(narrow, -np.inf, case.limited[1] * case.minutes)
        return self._solved()

    def _limit(self, offer: SpillOffer, t: int, served: dict[str, dict[int, float]]) -> None:
        """A pool of the offer, or each: capacity in every minute, in requests, tokens, or seconds of instances."""
        works = [work for work in self.case.works if work.name in offer.usd]
        pools = [works] if offer.kind != "instances" or offer.together else [[work] for work in works]
        counts = []
        for number, pool in enumerate(pools):
            room: dict[int, float] = {}
            begun: dict[int, int] = {}  # by period
            if offer.kind == "instances":
                steps = (offer.most - offer.least) // offer.step
                count = self.column(offer.usd_per_h * self.case.minutes / 60, offer.most)
                opened, more = self.column(0.0, 1, whole=True), self.column(0.0, max(steps, 0), whole=True)
                self.row({count: 1.0, opened: -offer.least, more: -offer.step}, 0.0, 0.0)
                self.row({more: 1.0, opened: -max(steps, 0)}, -np.inf, 0.0)
                room[count] = -60.0 * offer.utilisation
                counts.append(count)
                begun = self._begun(offer, number, t, count)
            most = 0.0 if offer.kind == "instances" else offer.cap * offer.utilisation
            sent = {work.name: self._sent(offer, work, t, served) for work in pool}
            for m in range(self.case.minutes):
                terms = {at: part * offer.part(m) for at, part in room.items()}
                for since, started in begun.items():
                    if (t - since) * self.case.minutes + m < offer.boot:
                        terms[started] = 60.0 * offer.utilisation * offer.part(m)
                for work in pool:
                    each = {"requests": 1.0, "tokens": work.tokens, "instances": work.tokens / offer.rate}
                    terms[sent[work.name][m]] = each[offer.kind]
                self.row(terms, -np.inf, most * offer.part(m))
        if len(counts) > 1:
            self.row(dict.fromkeys(counts, 1.0), -np.inf, offer.most)

    def _sent(
        self, offer: SpillOffer, work: MinuteWork, t: int, served: dict[str, dict[int, float]]
    ) -> list[int]:
        """What is carried, by minute: no more than what is sent there first."""
        share, carried = self._share(work, t), []
        own = work.requests[t]
        for come in own if work.still else [sum(own) / len(own)] * len(own):
            at = self.column(offer.usd[work.name])
            lower = -np.inf if work.still else 0.0  # what moves in time does not spill
            self.row({at: 1.0, share: -come}, lower, 0.0)
            served[work.name][at] = 1.0
            carried.append(at)
        return carried

    def _begun(self, offer: SpillOffer, pool: int, t: int, count: int) -> dict[int, int]:
        """Columns of what has started in a pool, by period; no less than its count has risen by."""
        counts = self._counts.setdefault((offer.name, pool), [])
        begun = self._started.setdefault((offer.name, pool), {})
        begun[t] = self.column()
        self.row({begun[t]: 1.0, count: -1.0, **({counts[-1]: 1.0} if counts else {})}, 0.0, np.inf)
        counts.append(count)
        return begun

    _counts: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    _started: dict[tuple[str, int], dict[int, int]] = field(default_factory=dict)
    _first: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)

    def _share(self, work: MinuteWork, t: int) -> int:
        at, key = self.column(0.0, 1.0), (work.name, t)
        self._first.setdefault(key, {})[at] = 1.0
        return at

    def _solved(self) -> float:
        for terms in self._first.values():  # nothing is sent to two limits at once
            self.row(terms, -np.inf, 1.0)
        at = [(i, j, a) for i, (terms, _, _) in enumerate(self.rows) for j, a in terms.items()]
        i, j, a = (np.array(each) for each in zip(*at, strict=True))
        shape = (len(self.rows), len(self.cost))
        rows: Any = coo_array((a.astype(float), (i, j)), shape=shape).tocsr()
        limits = LinearConstraint(rows, [row[1] for row in self.rows], [row[2] for row in self.rows])
        answer = milp(
            np.array(self.cost),
            integrality=np.array(self.whole, dtype=int),
            bounds=Bounds(0.0, np.array(self.upper)),
            constraints=limits,
            options={"mip_rel_gap": 1e-9},
        )
        return float(answer.fun) if answer.x is not None else float("inf")


def random_case(rng: Random) -> SpillCase:
    """One to three workloads, one or two limits, up to three periods of two to six minutes."""
    periods, minutes = rng.choice([1, 1, 2, 3]), rng.randint(2, 6)
    names = ["a", "b", "c"][: rng.randint(1, 3)]
    works = tuple(
        MinuteWork(
            name,
            tuple(_counts(rng, minutes) for _ in range(periods)),
            float(rng.choice([100, 200, 300, 500])),
            periods > 1 or rng.random() > 0.15,
        )
        for name in names
    )
    elsewhere = {name: float(rng.randint(1, 12)) for name in names}
    offers = tuple(_offer(rng, f"own-{k}", names, elsewhere) for k in range(rng.choice([1, 1, 2])))
    limited = (rng.uniform(0.2, 3.0), float(rng.randint(1, 4))) if rng.random() < 0.3 else None
    if rng.random() < 0.4:
        offers = tuple(_in_time(rng, offer, minutes) for offer in offers)
    return SpillCase(works, offers, elsewhere, limited)


def _in_time(rng: Random, offer: SpillOffer, minutes: int) -> SpillOffer:
    """What it carries changes within each period, or it boots for some minutes."""
    if offer.kind == "instances" and rng.random() < 0.6:
        offer = replace(offer, boot=rng.randint(1, minutes + 2))
    if rng.random() < 0.7:
        offer = replace(offer, later=(rng.randint(1, minutes - 1), rng.choice([0.25, 0.5, 0.8])))
    return offer


def _counts(rng: Random, minutes: int) -> tuple[float, ...]:
    """Bursts: mostly little, at times much; never nothing at all."""
    counts = [float(rng.choice([0, 0, 1, 2, 3, 8, 12, 20])) for _ in range(minutes)]
    if sum(counts) == 0:
        counts[rng.randrange(minutes)] = float(rng.randint(1, 9))
    return tuple(counts)


def _offer(rng: Random, name: str, names: list[str], elsewhere: dict[str, float]) -> SpillOffer:
    own = [each for each in names if rng.random() < 0.85] or names[:1]
    usd = {each: round(elsewhere[each] * rng.choice([0.0, 0.0, 0.3, 0.8, 1.2]), 3) for each in own}
    utilisation = rng.choice([1.0, 1.0, 0.8, 0.5])
    kind = rng.choice(["requests", "tokens", "instances", "instances"])
    if kind == "requests":
        return SpillOffer(name, usd, kind, float(rng.randint(1, 14)), utilisation)
    if kind == "tokens":
        return SpillOffer(name, usd, kind, float(rng.randint(1, 14)) * 200.0, utilisation)
    least, step = rng.choice([(1, 1), (1, 1), (2, 2), (2, 1), (3, 2)])
    return SpillOffer(
        name,
        usd,
        kind,
        utilisation=utilisation,
        rate=float(rng.choice([5, 10, 20, 40])),
        usd_per_h=float(rng.choice([5, 20, 60, 150, 300])),
        least=least,
        step=step,
        most=rng.randint(least, 9),
        together=rng.random() < 0.5,
    )
