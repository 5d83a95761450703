"""A second, naive planner for tiny problems: tries every integer plan and solves what is left as a small LP by scipy.

Written from the format's description alone, over the data of a problem file: nothing of `problems`, `solvers` or
`router` is used. It knows no clever bound: a plan is left out only if what is decided costs more than the best so far.

Understood: everything but latencies, needs, scenarios, discounting, windows over parts of periods and signed_until.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from brute_force_decisions import Choice, Decisions
from brute_force_lp import Linear
from brute_force_reading import MONTH_H, Data, Route, TooLarge

__all__ = ["TooLarge", "cheapest"]


def cheapest(data: Data, most_plans: int = 3000) -> float | None:
    """The least cost over all plans, or None where there is none."""
    case = Rest(data)
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


class Rest(Decisions):
    """The LP of flows and bills under the integers chosen."""

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
                    name = lp.var(("flow", c, r, t), (route.usd + route.fee) * cell.work if plain else 0.0)
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
                prompt, _, _, completion, _ = self._size(cell.workload)
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
        """Whole periods lie in one day: the horizon starts at midnight, and periods divide a day or hold whole ones."""
        everyone = range(len(self.offers))
        stated = [(offer.get("quota", {}), {o}, None, None) for o, offer in enumerate(self.offers)]
        for o, offer in enumerate(self.offers):
            stated += [(e["quota"], {o}, None, m) for m, e in offer["models"].items() if "quota" in e]
        for shared in self.data.get("quotas", []):
            named = {o for o in everyone if self.offers[o]["name"] in shared.get("offers", [])}
            loads = {w for w, load in enumerate(self.loads) if load["name"] in shared.get("workloads", [])}
            stated.append((shared, named or set(everyone), loads or None, None))
        for quota, offers, workloads, model in stated:
            mine = [
                (name, self.routes[r], self.cells[c].work, run)
                for name, c, r, run in flows
                if self.routes[r].offer in offers
                and model in (None, self.routes[r].model)
                and (workloads is None or self.routes[r].workload in workloads)
            ]
            for key, limit in quota.items():
                if "_per_" in key:
                    self._cap(lp, key, limit * quota.get("max_utilisation", 1.0), mine)

    def _cap(self, lp: Linear, key: str, limit: float, mine: list[tuple[Any, Route, float, int]]) -> None:
        what, _, per = key.partition("_per_")
        for span in range(self.n):
            if per == "minute":
                most, inside = limit * 60 * self.h, [span]
            elif per == "day":
                if self.h > 24:
                    raise TooLarge("days within a period are not understood")
                inside = [t for t in range(self.n) if int(t * self.h // 24) == span]
                most = limit * len(inside) * self.h / 24
            else:
                inside = [t for t in range(self.n) if self.month[t] == span]
                most = limit * len(inside) * self.h / MONTH_H
            terms = {name: route.of(what) * work for name, route, work, run in mine if run in inside}
            lp.rows.append((terms, most))

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
            self._parts(lp, load, mine)
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

    def _parts(self, lp: Linear, load: Data, mine: list[tuple[Any, int, int, int]]) -> None:
        """Mean quality, and shares by model, offer and provider, in every period."""
        values: list[dict[Any, float]] = []  # what each flow adds to a sum that is never below 0
        floor = load.get("needs", {}).get("min_mean_quality")
        if floor is not None:
            models = self.data["models"]
            values.append({f: models[self.routes[f[2]].model]["quality"] - floor for f in mine})
        for kind, limits in load.get("routing", {}).get("shares", {}).items():
            for name, limit in limits.items():
                inside = {f: float(self._carrier(kind, f[2]) == name) for f in mine}
                values.append({f: part - limit.get("min", 0.0) for f, part in inside.items()})
                values.append({f: limit.get("max", 1.0) - part for f, part in inside.items()})
        for value in values:
            for t in range(self.n):
                terms = {f[0]: -each * self.cells[f[1]].work for f, each in value.items() if f[3] == t}
                lp.rows.append((terms, 0.0))

    def _carrier(self, kind: str, r: int) -> str:
        route = self.routes[r]
        offer = str(self.offers[route.offer]["name"])
        return {"models": route.model, "offers": offer, "providers": self._provider(route.offer)}[kind]

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
            fees = {name: self.routes[r].fee * self.cells[c].work for name, c, r, _ in mine}
            dollars = {name: self.routes[r].usd * self.cells[c].work + fees[name] for name, c, r, _ in mine}
            if not in_usd and (tiers or least or most or contract.get("overage_usd_per_m") is not None):
                for name, fee in fees.items():  # a contract in tokens leaves them to be paid beside it
                    lp.cost[name] += fee
            if tiers:
                self._tiered(lp, choice, o, k, contract, due, tokens, fees if in_usd else {})
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
        fees: dict[Any, float],
    ) -> None:
        """The month's volume lies in the band chosen, which makes its price a straight line."""
        in_usd = any(f"{bound}_usd_per_month" in contract for bound in ("min", "max"))
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
        lp.rows.append(({volume: price, one: base, bill: -1.0, **fees}, 0.0))
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
