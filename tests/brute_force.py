"""A second, naive planner for tiny problems: tries every integer plan and solves what is left as a small LP by scipy.

Written from the format's description alone, over the data of a problem file: nothing of `problems`, `solvers` or
`router` is used. It knows no clever bound: a plan is left out only if what is decided costs more than the best so far.

Understood: everything but latencies, needs, scenarios, discounting, windows over parts of periods and signed_until.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, pairwise, product
from typing import Any

import numpy as np
from scipy.optimize import linprog

MONTH_H = 730.0
type Data = dict[str, Any]
type Choice = dict[Any, Any]


class TooLarge(Exception):
    """More integer plans than anyone wants to try."""


def cheapest(data: Data, most_plans: int = 3000) -> float | None:
    """The least cost over all plans, or None where there is none."""
    case = Case(data)
    number = math.prod(len(options) for _, options in case.decisions)
    if number > most_plans:
        raise TooLarge(number)
    best = math.inf
    plans = sorted(((case.decided_usd(choice), i, choice) for i, choice in enumerate(case.choices())))
    for decided, _, choice in plans:
        if decided >= best:
            break
        flows = case.rest_usd(choice)
        if flows is not None:
            best = min(best, decided + flows)
    return best if math.isfinite(best) else None


@dataclass(frozen=True)
class Route:
    workload: int
    offer: int
    model: str
    tokens: float
    requests: float
    units: float
    usd: float
    load_s: tuple[float, float]  # prompt side, completion side


@dataclass(frozen=True)
class Cell:
    workload: int
    work: float
    runs: tuple[int, ...]


@dataclass
class Linear:
    """Rows of an LP, by names of variables."""

    cost: dict[Any, float] = field(default_factory=dict)
    upper: dict[Any, float] = field(default_factory=dict)
    rows: list[tuple[dict[Any, float], float]] = field(default_factory=list)  # Σ ≤ limit
    equal: list[tuple[dict[Any, float], float]] = field(default_factory=list)

    def var(self, name: Any, usd: float = 0.0, upper: float = math.inf) -> Any:
        self.cost[name] = self.cost.get(name, 0.0) + usd
        self.upper.setdefault(name, upper)
        return name

    def solve(self) -> float | None:
        at = {name: j for j, name in enumerate(self.cost)}

        def matrix(rows: list[tuple[dict[Any, float], float]]) -> tuple[Any, Any]:
            if not rows:
                return None, None
            dense, limits = np.zeros((len(rows), len(at))), np.zeros(len(rows))
            for i, (terms, limit) in enumerate(rows):
                scale = max([abs(value) for value in terms.values()] or [1.0]) or 1.0
                for name, value in terms.items():
                    dense[i, at[name]] += value / scale
                limits[i] = limit / scale
            return dense, limits

        if not at:
            feasible = all(limit + 1e-9 >= 0 for _, limit in self.rows)
            return 0.0 if feasible and all(abs(limit) < 1e-9 for _, limit in self.equal) else None
        usd = np.array(list(self.cost.values()))
        scale = float(np.abs(usd).max()) or 1.0
        upper, limits = matrix(self.rows)
        equal, values = matrix(self.equal)
        bounds = [(0, None if math.isinf(self.upper[name]) else self.upper[name]) for name in at]
        found = linprog(usd / scale, upper, limits, equal, values, bounds, method="highs-ds")
        if found.status == 2:
            return None
        if found.status != 0:
            raise RuntimeError(found.message)
        return float(found.fun * scale)


def powerset(items: list[Any]) -> Iterator[tuple[Any, ...]]:
    return chain.from_iterable(combinations(items, n) for n in range(len(items) + 1))


class Case:
    def __init__(self, data: Data) -> None:
        self.data = data
        horizon = data.get("horizon", {})
        self.n, self.h = horizon.get("periods", 1), float(horizon.get("period_h", 730.0))
        self.month = [int(t * self.h / MONTH_H + 1e-9) for t in range(self.n)]
        self.months = sorted(set(self.month))
        self.month_h = {k: self.month.count(k) * self.h for k in self.months}
        self.policy = data.get("policy", {})
        self.in_full = self.policy.get("end_of_horizon") == "charge_in_full"
        self.loads, self.offers = data["workloads"], data["offers"]
        self.cells = [cell for w in range(len(self.loads)) for cell in self._cells(w)]
        self.routes = [route for w in range(len(self.loads)) for route in self._routes(w)]
        self.pools = [
            (o, model)
            for o, offer in enumerate(self.offers)
            if "instances" in offer
            for model in ([None] if offer["instances"].get("shared_by_models") else offer["models"])
        ]
        self.decisions: list[tuple[Any, list[Any]]] = []
        for pool in self.pools:
            self._count_decisions(pool)
        for o, offer in enumerate(self.offers):
            self._contract_decisions(o, offer)
            if offer.get("fee_usd_per_month", 0) > 0:
                self.decisions.append((("active", o), [False, True]))
        self._routing_decisions()

    # --- reading the file

    def _size(self, w: int) -> tuple[float, float, float, bool]:
        """Prompt, cached and completion tokens of a unit of work; whether it is a request."""
        load = self.loads[w]
        share = load["demand"].get("completion_share")
        prompt, completion = (
            (1 - share, share) if share is not None else (load["prompt_tokens"], load["completion_tokens"])
        )
        return prompt, prompt * load.get("cached_prompt_share", 0.0), completion, share is None

    def _arrivals(self, w: int) -> list[float]:
        """Units of work that arrive in each period."""
        demand = self.loads[w]["demand"]
        if "requests_by_period" in demand:
            return list(demand["requests_by_period"])
        way = next(key for key in demand if key != "completion_share")
        prompt, _, completion, sized = self._size(w)
        per = prompt + completion if way.startswith("tokens") and sized else 1.0
        if way.endswith("_total"):
            return [demand[way] / per / self.n] * self.n
        hours = {"s": 1 / 3600, "hour": 1, "day": 24, "month": MONTH_H}[way.rsplit("_", 1)[1]]
        return [demand[way] / per / hours * self.h] * self.n

    def _cells(self, w: int) -> Iterator[Cell]:
        load, arrivals = self.loads[w], self._arrivals(w)
        if "window" in load:
            yield from self._window_cells(w, arrivals)
            return
        for t, work in enumerate(arrivals):
            late = load.get("deferrable_h", 0.0)
            runs = [u for u in range(t, self.n) if u == t or (u - t) * self.h < late * (1 - 1e-12)]
            if work > 0:
                yield Cell(w, work, tuple(runs))

    def _window_cells(self, w: int, arrivals: list[float]) -> Iterator[Cell]:
        """Occurrences by day from the one before the horizon on; the horizon starts at midnight."""
        load = self.loads[w]
        start, end = (
            int(clock[:2]) + int(clock[3:]) / 60 for clock in (load["window"]["start"], load["window"]["end"])
        )
        length = (end - start) % 24 or 24.0
        horizon = self.n * self.h
        found = []
        for day in range(-1, int(horizon // 24) + 2):
            begin = day * 24 + start
            low, high = max(begin, 0.0), min(begin + length, horizon)
            if high > low + 1e-9:
                found.append((day, low, high))
        whole = sum(high - low for _, low, high in found)
        for day, low, high in found:
            if load["demand"].get("requests_by_period"):
                daily = sum(a for t, a in enumerate(arrivals) if int(t * self.h // 24) == day)
                work = daily * (high - low) / length
            elif any(key.endswith("_total") for key in load["demand"]):
                work = sum(arrivals) * (high - low) / whole
            else:
                work = arrivals[0] / self.h * 24 * (high - low) / length
            runs = [t for t in range(self.n) if t * self.h >= low - 1e-9 and (t + 1) * self.h <= high + 1e-9]
            touched = [t for t in range(self.n) if t * self.h < high - 1e-9 and (t + 1) * self.h > low + 1e-9]
            if runs != touched:
                raise TooLarge("windows over parts of periods are not understood")
            if work > 0:
                yield Cell(w, work, tuple(runs))

    def _routes(self, w: int) -> Iterator[Route]:
        load = self.loads[w]
        prompt, cached, completion, sized = self._size(w)
        routing = load.get("routing", {})
        for o, offer in enumerate(self.offers):
            allowed = routing.get("allow_offers") or [offer["name"]]
            if offer["name"] not in allowed or offer["name"] in routing.get("deny_offers", []):
                continue
            if not sized and "requests_per_minute" in offer.get("quota", {}):
                continue
            for model in load["models"]:
                entry = offer["models"].get(model)
                if entry is None:
                    continue
                units = (
                    (prompt - cached) * entry.get("prompt_burndown", 1)
                    + cached * entry.get("cached_prompt_burndown", entry.get("prompt_burndown", 1))
                    + completion * entry.get("completion_burndown", 1)
                )
                usd = self._token_usd(offer, entry, prompt, cached, completion)
                load_s = (
                    self._load_s(entry, prompt, completion, units, sized) if "instances" in offer else (0, 0)
                )
                if usd is not None and load_s is not None:
                    tokens = prompt + completion
                    yield Route(w, o, model, tokens, 1.0 if sized else 0.0, units, usd, load_s)

    def _token_usd(
        self, offer: Data, entry: Data, prompt: float, cached: float, completion: float
    ) -> float | None:
        if offer.get("commitment", {}).get("tiers"):
            return 0.0
        prices = [entry.get(f"{kind}_usd_per_m") for kind in ("prompt", "completion")]
        if prices == [None, None]:
            return 0.0 if "instances" in offer else None
        if (prompt and prices[0] is None) or (completion and prices[1] is None):
            return None
        per_prompt = prices[0] or 0.0
        usd = (prompt - cached) * per_prompt + cached * entry.get("cached_prompt_usd_per_m", per_prompt)
        return (usd + completion * (prices[1] or 0.0)) / 1e6

    def _load_s(
        self, entry: Data, prompt: float, completion: float, units: float, sized: bool
    ) -> tuple[float, float] | None:
        if "points" in entry:
            raise TooLarge("points are not understood")
        if "tokens_per_s" in entry:
            return ((prompt + completion) / entry["tokens_per_s"],) * 2
        if "units_per_s" in entry:
            return (units / entry["units_per_s"],) * 2
        if "requests_per_s" in entry:
            return (1 / entry["requests_per_s"],) * 2 if sized else None
        first, second = prompt / entry["prompt_tokens_per_s"], completion / entry["completion_tokens_per_s"]
        return (first, second) if entry.get("disaggregated") else (first + second,) * 2

    # --- what is decided

    def _count_decisions(self, pool: tuple[int, Any]) -> None:
        instances = self.offers[pool[0]]["instances"]
        least, step, most = instances.get("min", 0), instances.get("step", 1), instances["max"]
        if not instances.get("integral", True):
            options = (
                [False, True] if least > 0 else [True]
            )  # open or not; the count itself is left to the LP
            if instances.get("term_months"):
                raise TooLarge("real counts with a term are not understood")
        else:
            options = [0, *range(least or step, most + 1, step)]
        if instances.get("term_months"):
            for k in self.months:
                self.decisions.append((("bought", pool, k), list(range(most + 1))))
        elif instances.get("resize") == "horizon":
            self.decisions.append((("held", pool), options))
        else:
            for t in range(self.n):
                self.decisions.append((("count", pool, t), options))

    def _contract_decisions(self, o: int, offer: Data) -> None:
        contract = offer.get("commitment")
        if contract is None:
            return
        term = contract.get("term_months")
        whole = term is None or term * MONTH_H >= self.n * self.h - 1e-9
        if contract.get("signed"):
            terms: list[tuple[int, ...]] = [(0,)]
        elif whole:
            terms = [(), (0,)]
        else:
            apart = [ks for ks in powerset(self.months) if all(b - a >= term for a, b in pairwise(ks))]
            terms = apart
        self.decisions.append((("terms", o), terms))
        step, least, most = (contract.get(f"{part}_usd_per_month") for part in ("step", "min", "max"))
        if step and not contract.get("signed"):
            volumes = [
                i * step for i in range(int(most / step + 1e-9) + 1) if i * step >= (least or 0) - 1e-9
            ]
            self.decisions.append((("volume", o), volumes))
        if contract.get("tiers"):
            for k in self.months:
                self.decisions.append((("band", o, k), list(range(len(contract["tiers"])))))

    def _routing_decisions(self) -> None:
        for c, cell in enumerate(self.cells):
            if not self.loads[cell.workload].get("routing", {}).get("splittable", True):
                mine = [r for r, route in enumerate(self.routes) if route.workload == cell.workload]
                self.decisions.append((("pick", c), mine or [None]))
        for w, load in enumerate(self.loads):
            wanted = load.get("routing", {}).get("min_providers", 1)
            if wanted > 1 and any(cell.workload == w for cell in self.cells):
                names = sorted({self._provider(r.offer) for r in self.routes if r.workload == w})
                sets = list(combinations(names, wanted))
                self.decisions.append((("carriers", w), sets or [None]))

    def choices(self) -> Iterator[Choice]:
        names = [name for name, _ in self.decisions]
        for values in product(*(options for _, options in self.decisions)):
            choice = dict(zip(names, values, strict=True))
            if self._fits(choice):
                yield choice

    def _fits(self, choice: Choice) -> bool:
        """Limits that concern whole counts only."""
        if any(value is None for value in choice.values()):
            return False
        for pool in self.pools:
            instances = self.offers[pool[0]]["instances"]
            if not instances.get("integral", True):
                continue
            counts = [self._count(choice, pool, t) for t in range(self.n)]
            least, step = instances.get("min", 0), instances.get("step", 1)
            for count in counts:
                if count > instances["max"] or (count and (count < least or (count - least) % step)):
                    return False
            started = self._started(choice, pool)
            for t in range(self.n):
                up = sum(started[u] for u in self._still_up(instances, t))
                if self._paid(choice, pool, t) < up:
                    return False
        return True

    def _still_up(self, instances: Data, t: int) -> list[int]:
        return [u for u in range(t + 1) if (t - u) * self.h < instances.get("min_up_h", 0) * (1 - 1e-12)]

    def _count(self, choice: Choice, pool: tuple[int, Any], t: int) -> int:
        instances = self.offers[pool[0]]["instances"]
        term = instances.get("term_months")
        if term:
            if instances.get("reserved"):
                raise TooLarge("reserved beside terms is not understood")
            return sum(choice["bought", pool, k] for k in self.months if k <= self.month[t] < k + term)
        return int(choice["held", pool] if ("held", pool) in choice else choice["count", pool, t])

    def _paid(self, choice: Choice, pool: tuple[int, Any], t: int) -> int:
        """Counts above what is reserved; the reserved ones go to the offer's pools in order."""
        instances = self.offers[pool[0]]["instances"]
        left = instances.get("reserved", 0)
        mine = [p for p in self.pools if p[0] == pool[0]]
        coupled = any(instances.get(key) for key in ("start_usd", "start_h", "min_up_h"))
        if left and coupled and (len(mine) > 1 or instances.get("min_up_h")):
            raise TooLarge("reserved instances of several pools with starts are not understood")
        if left and not instances.get("integral", True):
            raise TooLarge("reserved real counts are not understood")
        for other in mine:
            used = min(left, self._count(choice, other, t))
            if other == pool:
                return self._count(choice, pool, t) - used
            left -= used
        raise AssertionError(pool)

    def _started(self, choice: Choice, pool: tuple[int, Any]) -> list[int]:
        paid = [self._paid(choice, pool, t) for t in range(self.n)]
        return [max(0, now - before) for now, before in zip(paid, [0, *paid], strict=False)]

    def _integral(self, pool: tuple[int, Any]) -> bool:
        return bool(self.offers[pool[0]]["instances"].get("integral", True))

    def decided_usd(self, choice: Choice) -> float:
        """What the integers cost by themselves."""
        usd = 0.0
        kwh = self.policy.get("energy_usd_per_kwh", 0.0)
        for o, offer in enumerate(self.offers):
            if choice.get(("active", o)):
                usd += offer["fee_usd_per_month"] * sum(self.month_h.values()) / MONTH_H
            instances = offer.get("instances", {})
            reserved = instances.get("reserved", 0)
            hourly = instances.get("reserved_usd_per_h", instances.get("usd_per_h", 0.0))
            usd += reserved * self.n * self.h * (hourly + kwh * instances.get("power_kw", 0.0))
        for pool in self.pools:
            if self._integral(pool):
                usd += self._pool_usd(choice, pool, kwh)
        return usd

    def _pool_usd(self, choice: Choice, pool: tuple[int, Any], kwh: float) -> float:
        instances = self.offers[pool[0]]["instances"]
        hours = self.h * sum(self._paid(choice, pool, t) for t in range(self.n))
        usd = hours * (instances["usd_per_h"] + kwh * instances.get("power_kw", 0.0))
        if any(instances.get(key) for key in ("start_usd",)):
            usd += instances["start_usd"] * sum(self._started(choice, pool))
        upfront = instances.get("upfront_usd", 0.0)
        if instances.get("term_months"):
            for k in self.months:
                term_h = instances["term_months"] * MONTH_H
                beyond = max(0.0, k * MONTH_H + term_h - self.n * self.h)
                bought = choice["bought", pool, k]
                if self.in_full:
                    usd += bought * (upfront + beyond * instances["usd_per_h"])
                else:
                    usd += bought * upfront * (1 - beyond / term_h)
        elif upfront:
            usd += upfront * self._paid(choice, pool, 0)
        return usd

    # --- what is left

    def rest_usd(self, choice: Choice) -> float | None:
        """The least cost of flows and bills under the integers chosen."""
        lp = Linear()
        flows = self._flows(lp, choice)
        self._demand(lp, flows)
        self._capacity(lp, choice, flows)
        self._quotas(lp, flows)
        self._diversity(lp, choice, flows)
        for o, offer in enumerate(self.offers):
            if "commitment" in offer:
                self._contract(lp, choice, o, offer["commitment"], flows)
        return lp.solve()

    def _provider(self, o: int) -> str:
        return str(self.offers[o].get("provider", self.offers[o]["name"]))

    def _flows(self, lp: Linear, choice: Choice) -> list[tuple[Any, int, int, int]]:
        """(variable, cell, route, period); those that the choice rules out have none."""
        found = []
        for c, cell in enumerate(self.cells):
            for r, route in enumerate(self.routes):
                if route.workload != cell.workload or choice.get(("pick", c), r) != r:
                    continue
                if not choice.get(("active", route.offer), True):
                    continue
                for t in cell.runs:
                    if not self._covered(choice, route.offer, self.month[t]):
                        continue
                    plain = "commitment" not in self.offers[route.offer]
                    name = lp.var(("flow", c, r, t), route.usd * cell.work if plain else 0.0)
                    found.append((name, c, r, t))
        return found

    def _covered(self, choice: Choice, o: int, month: int) -> bool:
        contract = self.offers[o].get("commitment")
        if contract is None or contract.get("signed"):
            return True
        term = contract.get("term_months") or 10**6
        return any(k <= month < k + term for k in choice["terms", o])

    def _demand(self, lp: Linear, flows: list[tuple[Any, int, int, int]]) -> None:
        for c, cell in enumerate(self.cells):
            terms = {name: 1.0 for name, at, _, _ in flows if at == c}
            price = self.loads[cell.workload].get("unserved_usd_per_m_tokens")
            if price is not None:
                prompt, _, completion, _ = self._size(cell.workload)
                terms[lp.var(("unserved", c), price / 1e6 * cell.work * (prompt + completion))] = 1.0
            lp.equal.append((terms, 1.0))

    def _capacity(self, lp: Linear, choice: Choice, flows: list[tuple[Any, int, int, int]]) -> None:
        for pool in self.pools:
            o, model = pool
            instances = self.offers[o]["instances"]
            usable = instances.get("availability", 1.0) * instances.get("max_utilisation", 1.0)
            serving = self._serving(lp, choice, pool)
            for t in range(self.n):
                for side in (0, 1):
                    terms: dict[Any, float] = {}
                    for name, c, r, run in flows:
                        route = self.routes[r]
                        if run == t and route.offer == o and model in (None, route.model):
                            busy = route.load_s[side] * self.cells[c].work / (self.h * 3600)
                            terms[name] = terms.get(name, 0.0) + busy
                    fixed, moving = serving[t]
                    for name, value in moving.items():
                        terms[name] = terms.get(name, 0.0) - usable * value
                    lp.rows.append((terms, usable * fixed))
        self._count_limits(lp, choice)

    def _serving(
        self, lp: Linear, choice: Choice, pool: tuple[int, Any]
    ) -> list[tuple[float, dict[Any, float]]]:
        """Instances that serve in each period: a number, and terms where counts are left to the LP."""
        instances = self.offers[pool[0]]["instances"]
        boots = [
            [
                min(max(instances.get("start_h", 0) - (t - u) * self.h, 0), self.h) / self.h
                for u in range(t + 1)
            ]
            for t in range(self.n)
        ]
        if self._integral(pool):
            started = self._started(choice, pool)
            return [
                (
                    self._count(choice, pool, t)
                    - sum(b * s for b, s in zip(boots[t], started, strict=False)),
                    {},
                )
                for t in range(self.n)
            ]
        counts = self._real_counts(lp, choice, pool)
        found = []
        for t in range(self.n):
            terms: dict[Any, float] = {counts[t]: 1.0}
            for u, boot in enumerate(boots[t]):
                if boot > 0:
                    terms["started", pool, u] = -boot
            found.append((0.0, terms))
        return found

    def _real_counts(self, lp: Linear, choice: Choice, pool: tuple[int, Any]) -> list[Any]:
        instances = self.offers[pool[0]]["instances"]
        if instances.get("reserved"):
            raise TooLarge("reserved real counts are not understood")
        held = ("held", pool) in choice
        kwh = self.policy.get("energy_usd_per_kwh", 0.0) * instances.get("power_kw", 0.0)
        hourly = (instances["usd_per_h"] + kwh) * self.h
        names = []
        for t in range(self.n):
            is_open = choice["held", pool] if held else choice["count", pool, t]
            name = lp.var(("held", pool) if held else ("count", pool, t), hourly)
            if held and t == 0:
                lp.cost[name] += instances.get("upfront_usd", 0.0)
            lp.upper[name] = instances["max"] if is_open else 0.0
            if is_open:
                lp.rows.append(({name: -1.0}, -float(instances.get("min", 0))))
            names.append(name)
        for t in range(self.n):
            start = lp.var(("started", pool, t), instances.get("start_usd", 0.0))
            rise = {names[t]: 1.0, start: -1.0}
            if t:
                rise[names[t - 1]] = rise.get(names[t - 1], 0.0) - 1.0
            lp.rows.append((rise, 0.0))
        for t in range(self.n):
            up = {("started", pool, u): 1.0 for u in self._still_up(instances, t)}
            lp.rows.append(({**up, names[t]: -1.0}, 0.0))
        return names

    def _count_limits(self, lp: Linear, choice: Choice) -> None:
        """Maxima over the pools of an offer, groups, power."""

        def total(
            offers: list[int], weight: dict[int, float], t: int, *, paid: bool
        ) -> tuple[dict[Any, float], float]:
            terms: dict[Any, float] = {}
            fixed = 0.0
            for pool in self.pools:
                if pool[0] not in offers:
                    continue
                if self._integral(pool):
                    value = self._paid(choice, pool, t) if paid else self._count(choice, pool, t)
                    fixed += weight[pool[0]] * value
                else:
                    name = ("held", pool) if ("held", pool) in choice else ("count", pool, t)
                    terms[name] = weight[pool[0]]
            return terms, fixed

        counted = {o: offer["instances"] for o, offer in enumerate(self.offers) if "instances" in offer}
        for t in range(self.n):
            for o, instances in counted.items():
                terms, fixed = total([o], {o: 1.0}, t, paid=False)
                lp.rows.append((terms, instances["max"] - fixed))
            for group in self.data.get("groups", []):
                members = [o for o in counted if self.offers[o]["name"] in group["offers"]]
                units = {o: counted[o].get("units", 1) for o in members}
                terms, fixed = total(members, units, t, paid=False)
                if group.get("max_units") is not None:
                    lp.rows.append((terms, group["max_units"] - fixed))
                lp.rows.append(({name: -v for name, v in terms.items()}, fixed - group.get("min_units", 0)))
            if self.policy.get("max_power_kw") is not None:
                power = {o: instances.get("power_kw", 0.0) for o, instances in counted.items()}
                terms, fixed = total(list(counted), power, t, paid=True)
                always = sum(power[o] * instances.get("reserved", 0) for o, instances in counted.items())
                lp.rows.append((terms, self.policy["max_power_kw"] - fixed - always))

    def _quotas(self, lp: Linear, flows: list[tuple[Any, int, int, int]]) -> None:
        for o, offer in enumerate(self.offers):
            for key, limit in offer.get("quota", {}).items():
                kind = key.split("_")[0]
                for t in range(self.n):
                    terms = {
                        name: getattr(self.routes[r], kind) * self.cells[c].work
                        for name, c, r, run in flows
                        if run == t and self.routes[r].offer == o
                    }
                    lp.rows.append((terms, limit * 60 * self.h))

    def _diversity(self, lp: Linear, choice: Choice, flows: list[tuple[Any, int, int, int]]) -> None:
        providers = sorted({self._provider(o) for o in range(len(self.offers))})

        def share(cap: float, mine: list[tuple[Any, int, int, int]], amount: Any) -> None:
            for t in range(self.n):
                for provider in providers:
                    terms: dict[Any, float] = {}
                    for name, c, r, run in mine:
                        if run == t:
                            here = self._provider(self.routes[r].offer) == provider
                            terms[name] = (float(here) - cap) * amount(c, r)
                    lp.rows.append((terms, 0.0))

        for w, load in enumerate(self.loads):
            routing = load.get("routing", {})
            mine = [flow for flow in flows if self.cells[flow[1]].workload == w]
            if routing.get("max_share_per_provider", 1) < 1:
                share(routing["max_share_per_provider"], mine, lambda c, r: self.cells[c].work)
            for provider in choice.get(("carriers", w), ()):
                for c, cell in enumerate(self.cells):
                    if cell.workload != w:
                        continue
                    least = routing.get("min_share_per_provider", 0.05)
                    terms = {
                        name: least - float(self._provider(self.routes[r].offer) == provider)
                        for name, at, r, _ in mine
                        if at == c
                    }
                    lp.rows.append((terms, 0.0))
        if self.policy.get("max_share_per_provider", 1) < 1:
            share(
                self.policy["max_share_per_provider"],
                flows,
                lambda c, r: self.cells[c].work * self.routes[r].tokens,
            )

    def _contract(
        self, lp: Linear, choice: Choice, o: int, contract: Data, flows: list[tuple[Any, int, int, int]]
    ) -> None:
        in_usd = any(f"{part}_usd_per_month" in contract for part in ("min", "max"))
        entry = next(iter(self.offers[o]["models"].values()))
        price = entry.get("prompt_usd_per_m") or entry.get("completion_usd_per_m") or 0.0
        tiers = contract.get("tiers")
        unit = "usd" if in_usd else "tokens"
        million = 1.0 if in_usd else 1e6  # volumes in M tokens, so that the LP's figures stay near each other
        least, most = contract.get(f"min_{unit}_per_month", 0.0), contract.get(f"max_{unit}_per_month")
        least, most = least / million, most and most / million
        term = contract.get("term_months")
        volumes: dict[int, Any] = {}  # start month → variable of what is committed a month
        for k in choice["terms", o]:
            name = lp.var(("committed", o, k))
            fixed = contract.get("signed") or most is None
            low, high = (least, least) if fixed else (least, most)
            if ("volume", o) in choice and not contract.get("signed"):
                low = high = choice["volume", o]
            lp.upper[name] = high
            lp.rows.append(({name: -1.0}, -low))
            volumes[k] = name
            if self.in_full and term and not contract.get("signed"):
                months = max(0.0, (k + term) * MONTH_H - self.n * self.h) / MONTH_H
                if tiers and not in_usd:
                    if not fixed:
                        raise TooLarge("tiers on a chosen volume, charged in full, are not understood")
                    lp.equal.append(
                        ({lp.var(("beyond", o, k), months * tier_usd(contract, least * 1e6)): 1.0}, 1.0)
                    )
                else:
                    lp.cost[name] += months * (1.0 if in_usd else price)
        for k in self.months:
            part = self.month_h[k] / MONTH_H
            due = {
                name: part
                for start, name in volumes.items()
                if start <= k and (contract.get("signed") or k < start + (term or 10**6))
            }
            mine = [flow for flow in flows if self.routes[flow[2]].offer == o and self.month[flow[3]] == k]
            tokens = {name: self.routes[r].tokens * self.cells[c].work / 1e6 for name, c, r, _ in mine}
            dollars = {name: self.routes[r].usd * self.cells[c].work for name, c, r, _ in mine}
            if tiers:
                self._tiered(lp, choice, o, k, contract, due, tokens, in_usd)
                continue
            used, rate = (dollars, 1.0) if in_usd else (tokens, price)
            extra = contract.get("overage_usd_per_m")
            if extra is not None:
                over = lp.var(("over", o, k), extra / (price if in_usd else 1.0))
                lp.rows.append(({**used, over: -1.0, **{n: -v for n, v in due.items()}}, 0.0))
                for name, value in due.items():
                    lp.cost[name] += rate * value
                continue
            if in_usd or not tokens or least or most:
                bill = lp.var(("bill", o, k), rate)
                lp.rows.append(({**used, bill: -1.0}, 0.0))
                lp.rows.append(({**due, bill: -1.0}, 0.0))
            else:
                for name, value in dollars.items():
                    lp.cost[name] += value
            if contract.get("overage") == "none":
                lp.rows.append(({**used, **{n: -v for n, v in due.items()}}, 0.0))

    def _tiered(
        self,
        lp: Linear,
        choice: Choice,
        o: int,
        k: int,
        contract: Data,
        due: dict[Any, float],
        tokens: dict[Any, float],
        in_usd: bool,
    ) -> None:
        """The month's volume lies in the band chosen, which makes its price a straight line."""
        part, tiers, band = self.month_h[k] / MONTH_H, contract["tiers"], choice["band", o, k]
        edges = [tier["from_tokens_per_month"] / 1e6 * part for tier in tiers] + [math.inf]
        price = tiers[band]["usd_per_m"]
        volume = lp.var(("volume", o, k))
        lp.upper[volume] = edges[band + 1]
        lp.rows.append(({volume: -1.0}, -edges[band]))
        lp.rows.append(({**tokens, volume: -1.0}, 0.0))
        base = 0.0
        if contract.get("tier_kind", "incremental") == "incremental":
            base = (
                sum((edges[i + 1] - edges[i]) * tiers[i]["usd_per_m"] for i in range(band))
                - edges[band] * price
            )
        elif any(a["usd_per_m"] < b["usd_per_m"] for a, b in pairwise(tiers)):
            raise TooLarge("all-units bands that become dearer have no least cost at their edges")
        elif band == 0 and not tokens:
            lp.upper[volume] = edges[1]
        if not choice["terms", o] and not contract.get("signed"):
            if band:
                lp.rows.append(({}, -1.0))  # nothing is signed, nothing is billed
            return
        one = lp.var(("one", o, k), upper=1.0)
        lp.equal.append(({one: 1.0}, 1.0))
        minus_due = {name: -value for name, value in due.items()}
        if not in_usd:
            lp.cost[volume] += price
            lp.cost[one] += base
            lp.rows.append(({**due, volume: -1.0}, 0.0))
            if contract.get("overage") == "none":
                lp.rows.append(({**tokens, **minus_due}, 0.0))
            return
        bill = lp.var(("bill", o, k), 1.0)
        lp.rows.append(({volume: price, one: base, bill: -1.0}, 0.0))
        lp.rows.append(({**due, bill: -1.0}, 0.0))
        if contract.get("overage") == "none":
            lp.rows.append(({volume: price, one: base, **minus_due}, 0.0))


def tier_usd(contract: Data, tokens: float) -> float:
    """USD of a month's tokens, buying up to a later band where that is cheaper."""
    tiers = contract["tiers"]
    edges = [tier["from_tokens_per_month"] for tier in tiers] + [math.inf]
    if contract.get("tier_kind", "incremental") == "incremental":
        return sum(
            max(0.0, min(tokens, edges[i + 1]) - edges[i]) * tier["usd_per_m"] / 1e6
            for i, tier in enumerate(tiers)
        )
    return min(
        max(tokens, edges[i]) * tier["usd_per_m"] / 1e6
        for i, tier in enumerate(tiers)
        if tokens < edges[i + 1]
    )
