"""A third reading of offers as the market sells them: one MILP in plain loops over a problem file's data, by SciPy.

Written from the description of the fields alone. Nothing of `problems`, `solvers` or `router` is used: cells of work
and routes are those of the brute force (`brute_force_reading`), columns and rows those of the reference of sizing.
Every key of a problem must be known here, or `Unknown` is raised: what is not read is not compared.

    optimum(data)    the least cost; None where there is no plan

Understood: schedules that close whole periods, contracts and agreements of one term settled by any span, levels, units,
credits, free allowances, quotas, roles, hosts, recipes, shares, mean quality, origins, grids, adapters, turnaround.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from brute_force_reading import MONTH_H, Cell, Data, Reading, Route
from reference_sizing import Expression, Model, times, total, value_of

SPAN_H = {"hour": 1.0, "day": 24.0, "month": MONTH_H, "quarter": 2190.0, "year": 8760.0}


class Unknown(Exception):
    """Something that this reading does not know."""


def _keys(names: str) -> frozenset[str]:
    return frozenset(names.split())


PRICES = _keys(
    """prompt_usd_per_m completion_usd_per_m cached_prompt_usd_per_m cache_write_usd_per_m
    usd_per_request"""
)
CAPS = _keys(
    """requests_per_minute tokens_per_minute prompt_tokens_per_minute uncached_prompt_tokens_per_minute
    completion_tokens_per_minute units_per_minute requests_per_day tokens_per_day max_utilisation"""
)
KNOWN: dict[str, frozenset[str]] = {
    "": _keys(
        "schema horizon models workloads offers policy groups quotas commitments credits hosts network name"
    ),
    "horizon": _keys("periods period_h start timezone"),
    "models.*": _keys("quality"),
    "policy": _keys("energy_usd_per_kwh max_power_kw among_equals"),
    "groups": _keys("name offers max_units min_units"),
    "quotas": CAPS | _keys("name offers workloads"),
    "credits": _keys("name offers usd from until"),
    "hosts": _keys("name usd_per_h units max offers free_units resize"),
    "network": _keys("from to rtt_ms egress_usd_per_gb bytes_per_token"),
    "workloads": _keys(
        """name models demand prompt_tokens completion_tokens cached_prompt_share cache_write_share deferrable_h
        unserved_usd_per_m_tokens routing needs recipes origin adapters"""
    ),
    "workloads.routing": _keys("shares min_providers min_share_per_provider"),
    "workloads.needs": _keys("min_mean_quality"),
    "workloads.recipes": _keys("name quality steps"),
    "workloads.recipes.steps": _keys("models requests parallel prompt_tokens completion_tokens"),
    "offers": _keys(
        "name provider models commitment instances fee_usd_per_month quota free schedule turnaround_h limits"
    ),
    "offers.limits": _keys("regions"),
    "offers.models.*": PRICES
    | _keys(
        """long_prompt quota min step disaggregated tokens_per_s prompt_tokens_per_s completion_tokens_per_s
        requests_per_s units_per_s prompt_burndown cached_prompt_burndown completion_burndown ttft_mean_ms ttft_p99_ms
        tpot_p99_ms"""
    ),
    "offers.models.*.quota": CAPS,
    "offers.quota": CAPS,
    "offers.free": _keys("tokens_per_month requests_per_month usd_per_month"),
    "offers.instances": _keys(
        """usd_per_h max min step shared_by_models availability max_utilisation resize upfront_usd power_kw units
        adapter_slots roles term_h"""
    ),
    "offers.instances.roles.*": _keys("usd_per_h units min step max"),
    "offers.schedule": _keys("from until daily prices available set"),
    "offers.schedule.set": _keys("models instances"),
    "offers.schedule.set.models.*": PRICES,
    "offers.schedule.set.instances": _keys("usd_per_h roles"),
    "offers.schedule.set.instances.roles.*": _keys("usd_per_h"),
    "offers.commitment": _keys("settled min_usd max_usd step_usd overage levels"),
    "commitments": _keys(
        """name provider offers discount settled min_usd max_usd step_usd overage in usd_per_unit_h min_units max_units
        step_units"""
    ),
}


def _checked(data: Any, where: str = "") -> None:
    """Every key is one that is read."""
    if isinstance(data, list):
        for each in data:
            _checked(each, where)
    elif isinstance(data, dict) and where in KNOWN:
        for key, value in data.items():
            if key not in KNOWN[where]:
                raise Unknown(f"{where}.{key}")
            path = f"{where}.{key}".lstrip(".")
            if f"{path}.*" in KNOWN:
                for each in value.values():
                    _checked(each, f"{path}.*")
            else:
                _checked(value, path)


@dataclass(frozen=True)
class Flow:
    """The share of a cell of work that a step of an option sends over a route."""

    column: int
    workload: int
    option: str
    per: float  # requests (or tokens, where no size is stated) of the step in all of the cell
    route: Route
    t: int


def optimum(data: Data, most: float | None = None) -> float | None:
    """The least cost of the problem over its horizon, `most` at most; None where there is no plan. Raises Unknown."""
    _checked(data)
    return Market(data).least(most)


class Market:
    """The columns and rows of one problem."""

    def __init__(self, data: Data) -> None:
        self.data, self.model = data, Model(None)
        self.cost: Expression = {}
        self.loads, self.offers = data["workloads"], data["offers"]
        self.names = [offer["name"] for offer in self.offers]
        self.steps = [step for w in range(len(self.loads)) for step in self._steps(w)]
        self.reading = Reading({**data, "workloads": [load for _, _, _, load in self.steps]})
        self.n, self.h = self.reading.n, self.reading.h
        if self.h != int(self.h):
            raise Unknown("parts of an hour")
        self.start = dt.datetime.fromisoformat(data["horizon"]["start"])
        self.policy = data.get("policy", {})
        self.flows: list[Flow] = []
        self.carries: dict[tuple[int, str], int] = {}  # step, provider
        self.served: dict[tuple[int, int], list[tuple[str, Expression]]] = {}
        self.counts: dict[tuple[int, str, str], list[Expression]] = {}  # offer, pool, role → by period
        self._demand()
        self.tokens = self._money_of_tokens()
        for o, offer in enumerate(self.offers):
            if "instances" in offer:
                self._instances(o, offer["instances"])
        self._groups()
        self._hosts()
        self._quotas()
        self._parts()
        self.rent = self._rent()
        self.left = dict(self.tokens)
        self._allowances()
        self._credits()
        for terms in data.get("commitments", []):
            self._in_units(terms) if terms.get("in") == "units" else self._agreement(terms)
        for o, offer in enumerate(self.offers):
            self._bill(o, offer)
        self._energy()

    def least(self, most: float | None = None) -> float | None:
        if most is not None:
            self.model.at_most(self.cost, most)
        point = self.model.solve(self.cost)
        return None if point is None else value_of(self.cost, point)

    def pay(self, part: Expression) -> None:
        self.cost = total(self.cost, part)

    # work

    def _steps(self, w: int) -> Iterator[tuple[int, str, float, Data]]:
        """(workload, option, requests for one of the workload, a workload of the step's own size)."""
        load = self.loads[w]
        bare = {key: value for key, value in load.items() if key not in ("recipes", "origin")}
        yield w, "", 1.0, bare
        for recipe in load.get("recipes", []):
            for step in recipe["steps"]:
                yield w, recipe["name"], step.get("requests", 1.0), bare | step

    def _demand(self) -> None:
        cells = [cell for cell in self.reading.cells if self.steps[cell.workload][1] == ""]
        for cell in cells:
            w = self.steps[cell.workload][0]
            load = self.loads[w]
            for origin, part in (load.get("origin") or {"": 1.0}).items():
                runs = []
                for t in cell.runs:
                    options = dict.fromkeys(option for at, option, _, _ in self.steps if at == w)
                    for option in options:
                        amount = self._option(w, option, origin, t, cell)
                        self.served.setdefault((w, t), []).append((option, times(cell.work, amount)))
                        runs.append(amount)
                left: Expression = {}
                price = load.get("unserved_usd_per_m_tokens")
                if price is not None:
                    left = {self.model.column(): 1.0}
                    prompt, _, _, completion, _ = self.reading._size(cell.workload)
                    self.pay(times(price / 1e6 * (prompt + completion) * cell.work, left))
                self.model.equal(total(*runs, left), part)

    def _option(self, w: int, option: str, origin: str, t: int, cell: Cell) -> Expression:
        """What of a cell an option takes in a period: the same in all of its steps."""
        taken: Expression | None = None
        batches: Expression = {}
        for s, (at, name, per, load) in enumerate(self.steps):
            if at != w or name != option:
                continue
            step: Expression = {}
            slowest = self.model.column()
            batches[slowest] = 1.0
            for route in self.reading.routes:
                if route.workload != s or self._closed(route.offer, t):
                    continue
                if not self._answered(w, self.offers[route.offer], t, cell.runs[0]):
                    continue
                column = self.model.column()
                step[column] = 1.0
                self.flows.append(Flow(column, w, option, per * cell.work, route, t))
                if origin:
                    self.pay({column: per * cell.work * self._egress(origin, route)})
                turnaround = self.offers[route.offer].get("turnaround_h")
                if option and turnaround and "deferrable_h" in load:
                    used = self.model.column(1.0, True)
                    self.model.at_most({column: 1.0}, {used: 1.0})
                    one_by_one = 1.0 if load.get("parallel") else max(per, 1.0)
                    self.model.at_most({used: one_by_one * turnaround}, {slowest: 1.0})
            self._providers(w, s, step)
            taken = step if taken is None else taken
            self.model.equal(step, taken)
        due_h = cell.runs[0] * self.h + self.loads[w].get("deferrable_h", math.inf)
        if math.isfinite(due_h):  # batches of all steps, one after the other
            self.model.at_most(batches, due_h - t * self.h + 1e-9)
        return taken or {}

    def _providers(self, w: int, s: int, step: Expression) -> None:
        """Of what a step carries of a cell in all periods, so many providers have their part in every cell."""
        routing = self.loads[w].get("routing", {})
        if routing.get("min_providers", 1) > 1:
            if self.loads[w].keys() & {"deferrable_h", "window", "origin", "unserved_usd_per_m_tokens"}:
                raise Unknown("several providers of work in several parts")
            share = routing.get("min_share_per_provider", 0.05)
            owner = {flow.column: self.offers[flow.route.offer] for flow in self.flows if flow.column in step}
            every = {offer.get("provider", offer["name"]) for offer in self.offers}
            for provider in every:
                if (s, provider) not in self.carries:
                    self.carries[s, provider] = self.model.column(1.0, True)
                own = {at: 1.0 for at, o in owner.items() if o.get("provider", o["name"]) == provider}
                due = total(times(share, step), {self.carries[s, provider]: share, 0: -share})
                self.model.at_least(own, due)
            counted: Expression = {self.carries[s, provider]: 1.0 for provider in every}
            some = self.model.column(1.0, True)
            self.model.at_most(step, {some: 1.0})
            self.model.at_least(counted, {some: float(routing["min_providers"])})

    def _answered(self, w: int, offer: Data, t: int, arrived: int) -> bool:
        turnaround, late = offer.get("turnaround_h"), self.loads[w].get("deferrable_h")
        if turnaround is None or late is None:
            return True
        return t * self.h + turnaround <= arrived * self.h + late + 1e-9

    def _egress(self, origin: str, route: Route) -> float:
        """Of the offer's regions the nearest answers; a row holds the other way too."""
        best: tuple[float, float] | None = None
        rows = {(row["from"], row["to"]): row for row in self.data.get("network", [])}
        for region in self.offers[route.offer].get("limits", {}).get("regions", []):
            row = rows.get((origin, region)) or rows.get((region, origin)) or {}
            usd = row.get("egress_usd_per_gb", 0.0) * row.get("bytes_per_token", 4.0) / 1e9
            here = row.get("rtt_ms", 0.0), usd * route.tokens
            best = here if best is None or here < best else best
        return best[1] if best else 0.0

    # time

    def _hours(self, o: int, t: int) -> list[tuple[float, bool, Data]]:
        """(factor on prices, open, what is set) in each hour of a period."""
        found = []
        for hour in range(int(t * self.h), int((t + 1) * self.h)):
            factor, is_open = 1.0, True
            instead: Data = {}
            for rule in self.offers[o].get("schedule", []):
                if self._holds(rule, self.start + dt.timedelta(hours=hour)):
                    factor, is_open = rule.get("prices", factor), rule.get("available", is_open)
                    for kind, stated in rule.get("set", {}).items():
                        if kind == "instances":
                            halves = stated.get("roles", {})
                            own = {(role, key): usd for role, of in halves.items() for key, usd in of.items()}
                            whole = {("", key): usd for key, usd in stated.items() if key != "roles"}
                            instead[kind] = instead.get(kind, {}) | own | whole
                        else:
                            for model, prices in stated.items():
                                instead[model] = instead.get(model, {}) | prices
            found.append((factor, is_open, instead))
        return found

    def _holds(self, rule: Data, at: dt.datetime) -> bool:
        if "from" in rule and at < dt.datetime.fromisoformat(rule["from"]):
            return False
        if "until" in rule and at >= dt.datetime.fromisoformat(rule["until"]):
            return False
        if "daily" not in rule:
            return True
        first, last = (int(rule["daily"][key][:2]) for key in ("start", "end"))
        return first <= at.hour < last if first < last else at.hour >= first or at.hour < last

    def _closed(self, o: int, t: int) -> bool:
        stands = {is_open for _, is_open, _ in self._hours(o, t)}
        if len(stands) > 1:
            raise Unknown("closed for a part of a period")
        if stands == {False} and self._due(o):
            raise Unknown("closed, and something is due")
        return stands == {False}

    def _due(self, o: int) -> bool:
        offer = self.offers[o]
        kept = offer.get("instances", {}).get("resize") == "horizon"
        return "commitment" in offer or bool(offer.get("fee_usd_per_month")) or kept

    def _mean(self, o: int, t: int, price: Callable[[Data], float]) -> float:
        """A price's mean over the hours of a period."""
        hours = self._hours(o, t)
        return sum(factor * price(instead) for factor, _, instead in hours) / len(hours)

    # money of use

    def _usd(self, route: Route, t: int) -> float:
        entry = self.offers[route.offer]["models"][route.model]
        prompt, cached, written, completion, _ = self.reading._size(route.workload)
        long = entry.get("long_prompt") or {}
        long = long if long and prompt > long["above_tokens"] else {}

        def price(instead: Data) -> float:
            stated = (
                entry | instead.get(route.model, {}) | long
            )  # a rule that names no long prompts leaves them
            usd = self.reading._token_usd(
                self.offers[route.offer], stated, prompt, cached, written, completion
            )
            return (usd or 0.0) + stated.get("usd_per_request", 0.0)

        return self._mean(route.offer, t, price)

    def _money_of_tokens(self) -> dict[tuple[int, int], Expression]:
        found: dict[tuple[int, int], Expression] = {
            (o, t): {} for o in range(len(self.offers)) for t in range(self.n)
        }
        for flow in self.flows:
            found[flow.route.offer, flow.t][flow.column] = flow.per * self._usd(flow.route, flow.t)
        return found

    def _rent(self) -> dict[tuple[int, int], Expression]:
        found: dict[tuple[int, int], Expression] = {
            (o, t): {} for o in range(len(self.offers)) for t in range(self.n)
        }
        for (o, _, role), counts in self.counts.items():
            for t, count in enumerate(counts):
                if not self._closed(o, t) and "term_h" not in self.offers[o]["instances"]:
                    found[o, t] = total(found[o, t], times(self._usd_per_h(o, role, t) * self.h, count))
        return found

    def _usd_per_h(self, o: int, role: str, t: int) -> float:
        stated = self.offers[o]["instances"]
        usd = (stated["roles"][role] if role else stated).get("usd_per_h", 0.0)
        return self._mean(o, t, lambda instead: instead.get("instances", {}).get((role, "usd_per_h"), usd))

    # capacity

    def _count(self, least: float, step: float, most: float, key: str) -> Expression:
        """None, or the least and steps above it."""
        runs, steps = self.model.column(1.0, True), self.model.column(math.inf, True)
        count = {runs: least, steps: step}
        self.model.at_most(count, {runs: most})
        return count

    def _instances(self, o: int, stated: Data) -> None:
        offer = self.offers[o]
        usable = stated.get("availability", 1.0) * (stated.get("max_utilisation") or 1.0)
        pools = ["*"] if stated.get("shared_by_models") else list(offer["models"])
        if stated.get("shared_by_models") and any(
            {"min", "step"} & entry.keys() for entry in offer["models"].values()
        ):
            raise Unknown("grids of a shared pool")
        for pool in pools:
            entry = offer["models"].get(pool, {})
            for side, role in enumerate(stated.get("roles") or [""]):
                rules = stated["roles"][role] if role else stated
                grid = [entry.get(key, rules.get(key, usual)) for key, usual in (("min", 0.0), ("step", 1.0))]
                if "max" not in rules:
                    raise Unknown("no maximum")
                kept = stated.get("resize") == "horizon"
                made = [self._count(*grid, rules["max"], pool) for _ in range(1 if kept else self.n)]
                counts = made * self.n if kept else made
                if "term_h" in stated:
                    self._bought(o, stated, rules, counts)
                elif kept:
                    self.pay(times(stated.get("upfront_usd", 0.0), made[0]))
                self.counts[o, pool, role] = counts
                for t in range(self.n):
                    if not kept and self._closed(o, t):
                        self.model.equal(counts[t], 0.0)
                    for at in (side,) if role else (0, 1):
                        busy = self._busy(o, pool, t, at)
                        self.model.at_most(busy, times(usable, counts[t]))
            if "adapter_slots" in stated:
                if "roles" in stated:
                    raise Unknown("adapters of roles")
                self._adapters(o, pool, stated["adapter_slots"])
        for role in stated.get("roles") or [""]:
            rules = stated["roles"][role] if role else stated
            for t in range(self.n):
                mine = [counts[t] for (at, _, name), counts in self.counts.items() if (at, name) == (o, role)]
                self.model.at_most(total(*mine), rules["max"])

    def _bought(self, o: int, stated: Data, rules: Data, counts: list[Expression]) -> None:
        """What runs was bought for a term that covers it; of one that ends later only its part is due."""
        if self.offers[o].get("schedule") or stated["term_h"] % self.h or stated.get("resize") == "horizon":
            raise Unknown("terms under a schedule, of parts of a period, or for the horizon")
        length = int(stated["term_h"] / self.h)
        bought = [self.model.column(math.inf, True) for _ in range(self.n)]
        for t in range(self.n):
            self.model.equal(
                total(counts[t], dict.fromkeys(bought[max(t - length + 1, 0) : t + 1], -1.0)), 0.0
            )
            inside = min(length, self.n - t)
            usd = rules["usd_per_h"] * self.h * inside + stated.get("upfront_usd", 0.0) * inside / length
            self.pay({bought[t]: usd})

    def _busy(self, o: int, pool: str, t: int, side: int) -> Expression:
        """Instances that the work of a pool keeps busy; the two halves of a replica, side 0 and 1, each by itself."""
        entry_of = self.offers[o]["models"]
        found: Expression = {}
        for flow in self._of(o, t, pool):
            if "roles" in self.offers[o]["instances"]:
                entry = entry_of[flow.route.model]
                completion = flow.route.tokens - flow.route.prompt
                seconds = (
                    flow.route.prompt / entry["prompt_tokens_per_s"],
                    completion / entry["completion_tokens_per_s"],
                )[side]
            else:
                seconds = flow.route.load_s[side]
            found[flow.column] = flow.per * seconds / (3600 * self.h)
        return found

    def _of(self, o: int, t: int | None = None, pool: str = "*") -> Iterable[Flow]:
        return (
            flow
            for flow in self.flows
            if flow.route.offer == o and t in (None, flow.t) and pool in ("*", flow.route.model)
        )

    def _adapters(self, o: int, pool: str, slots: float) -> None:
        for t in range(self.n):
            held: Expression = {}
            for w, load in enumerate(self.loads):
                mine = [flow for flow in self._of(o, t, pool) if flow.workload == w]
                if load.get("adapters") and mine:
                    here = self.model.column(1.0, True)
                    held[here] = float(load["adapters"])
                    for flow in mine:
                        self.model.at_most({flow.column: 1.0}, {here: 1.0})
            self.model.at_most(held, times(slots, self.counts[o, pool, ""][t]))

    def _units(self, o: int, role: str) -> float:
        stated = self.offers[o]["instances"]
        return float((stated["roles"][role] if role else stated).get("units", 1.0))

    def _groups(self) -> None:
        for group in self.data.get("groups", []):
            for t in range(self.n):
                mine = [
                    times(self._units(o, role), counts[t])
                    for (o, _, role), counts in self.counts.items()
                    if self.names[o] in group["offers"]
                ]
                self.model.at_most(total(*mine), group.get("max_units", math.inf))
                self.model.at_least(total(*mine, {0: 0.0}), group.get("min_units", 0.0))

    def _hosts(self) -> None:
        """Replicas whose sizes divide each other: those of a size and above fill no more than hosts have room for."""
        hosts = self.data.get("hosts", [])
        inside = sorted({name for host in hosts for name in host["offers"]})
        if not inside:
            return
        if any(sorted(host["offers"]) != inside for host in hosts):
            raise Unknown("hosts of different offers")
        bought = []
        for host in hosts:
            kept = host.get("resize") == "horizon"
            made = [self.model.column(host.get("max", math.inf), True) for _ in range(1 if kept else self.n)]
            bought.append([{c: 1.0} for c in (made * self.n if kept else made)])
            for count in bought[-1]:
                self.pay(times(host["usd_per_h"] * self.h, count))
        sizes = {
            (o, pool, role): self._units(o, role) for o, pool, role in self.counts if self.names[o] in inside
        }
        ordered = sorted(set(sizes.values()))
        if any(b % a for a, b in pairwise(ordered)):
            raise Unknown("sizes that do not divide each other")
        for t in range(self.n):
            for size in ordered:
                need = [times(at / size, self.counts[key][t]) for key, at in sizes.items() if at >= size]
                room: Expression = {0: 0.0}
                for host, counts in zip(hosts, bought, strict=True):
                    room = total(room, times(host["units"] // size, counts[t]))
                    room[0] += sum(units // size for units in host.get("free_units", []))
                self.model.at_most(total(*need), room)

    def _energy(self) -> None:
        usd = self.policy.get("energy_usd_per_kwh", 0.0)
        for t in range(self.n):
            power = [
                times(self.offers[o]["instances"].get("power_kw", 0.0), counts[t])
                for (o, _, _), counts in self.counts.items()
            ]
            self.pay(times(usd * self.h, total(*power)))
            if "max_power_kw" in self.policy:
                self.model.at_most(total(*power), self.policy["max_power_kw"])

    # limits

    def _quotas(self) -> None:
        stated: list[tuple[Data, Callable[[Flow], bool]]] = []
        for o, offer in enumerate(self.offers):
            stated.append((offer.get("quota", {}), lambda flow, o=o: flow.route.offer == o))
            for model, entry in offer["models"].items():
                here = (o, model)
                stated.append(
                    (
                        entry.get("quota", {}),
                        lambda flow, here=here: (flow.route.offer, flow.route.model) == here,
                    )
                )
        for quota in self.data.get("quotas", []):
            offers, loads = quota.get("offers"), quota.get("workloads")

            def counts(flow: Flow, offers: Any = offers, loads: Any = loads) -> bool:
                named = not offers or self.names[flow.route.offer] in offers
                return named and (not loads or self.loads[flow.workload]["name"] in loads)

            stated.append((quota, counts))
        for quota, counted in stated:
            for key, limit in quota.items():
                if key in CAPS and "_per_" in key:
                    self._cap(key, limit * quota.get("max_utilisation", 1.0), counted)

    def _cap(self, key: str, limit: float, counted: Callable[[Flow], bool]) -> None:
        what, _, per = key.partition("_per_")
        if per == "day" and self.h > 24:
            raise Unknown("days within a period")
        spans: dict[int, list[int]] = {}
        for t in range(self.n):
            spans.setdefault(t if per == "minute" else int(t * self.h // 24), []).append(t)
        for inside in spans.values():
            amount = {
                flow.column: flow.per * flow.route.of(what)
                for flow in self.flows
                if flow.t in inside and counted(flow)
            }
            hours = len(inside) * self.h
            self.model.at_most(amount, limit * hours * (60 if per == "minute" else 1 / 24))

    def _parts(self) -> None:
        """Shares and mean quality, in every period."""
        for (w, t), served in self.served.items():
            load, mine = self.loads[w], [f for f in self.flows if (f.workload, f.t) == (w, t)]
            everything = total(*({flow.column: flow.per} for flow in mine))
            for kind, limits in load.get("routing", {}).get("shares", {}).items():
                for name, limit in limits.items():
                    here = total(
                        *({f.column: f.per} for f in mine if self._carrier(kind, f) == name), {0: 0.0}
                    )
                    self.model.at_most(here, times(limit.get("max", 1.0), everything))
                    self.model.at_least(here, times(limit.get("min", 0.0), everything))
            floor = load.get("needs", {}).get("min_mean_quality")
            if floor is None:
                continue
            above: Expression = {}
            for flow in mine:
                if flow.option == "":
                    quality = self.data["models"][flow.route.model]["quality"]
                    above = total(above, {flow.column: flow.per * (quality - floor)})
            for recipe in load.get("recipes", []):
                for option, amount in served:
                    if option == recipe["name"]:
                        if "quality" not in recipe:
                            raise Unknown("a recipe without quality")
                        above = total(above, times(recipe["quality"] - floor, amount))
            self.model.at_least(above, 0.0)

    def _carrier(self, kind: str, flow: Flow) -> str:
        offer = self.offers[flow.route.offer]
        if kind == "models":
            return flow.route.model
        return str(offer["name"] if kind == "offers" else offer.get("provider", offer["name"]))

    # bills

    def _allowances(self) -> None:
        """What is free of tokens and requests goes first; what is free in money pays some of what is left."""
        months = self.reading.months
        for o, offer in enumerate(self.offers):
            free = offer.get("free")
            if free is None:
                continue
            if "usd_per_month" in free and "tiers" in offer.get("commitment", {}):
                raise Unknown("free money beside tiers")
            for month in months:
                periods = [t for t in range(self.n) if self.reading.month[t] == month]
                part = len(periods) * self.h / MONTH_H
                mine = [flow for flow in self._of(o) if flow.t in periods]
                if "requests_per_month" in free and any(flow.route.requests == 0 for flow in mine):
                    raise Unknown("free requests of work without a size")
                if "tokens_per_month" in free or "requests_per_month" in free:
                    taken = {flow.column: self.model.column() for flow in mine}
                    for flow in mine:
                        gift = taken[flow.column]
                        self.model.at_most({gift: 1.0}, {flow.column: 1.0})
                        usd = flow.per * self._usd(flow.route, flow.t)
                        self.left[o, flow.t] = total(self.left[o, flow.t], {gift: -usd})
                    for key, size in (("tokens", "tokens"), ("requests", "requests")):
                        if f"{key}_per_month" in free:
                            used = {
                                taken[flow.column]: flow.per * float(getattr(flow.route, size))
                                for flow in mine
                            }
                            self.model.at_most(used, free[f"{key}_per_month"] * part)
                if "usd_per_month" in free:
                    gifts = [self._paid_by(o, t) for t in periods]
                    self.model.at_most(total(*gifts), free["usd_per_month"] * part)

    def _paid_by(self, o: int, t: int) -> Expression:
        """USD at list of use of an offer that something else pays, taken off what is left; tokens and rent."""
        token, rent = self.model.column(), self.model.column()
        self.model.at_most({token: 1.0}, self.left[o, t])
        self.model.at_most({rent: 1.0}, self.rent[o, t])
        self.left[o, t] = total(self.left[o, t], {token: -1.0})
        self.rent[o, t] = total(self.rent[o, t], {rent: -1.0})
        return {token: 1.0, rent: 1.0}

    def _credits(self) -> None:
        agreed = {name for terms in self.data.get("commitments", []) for name in terms["offers"]}
        for credit in self.data.get("credits", []):
            if agreed & set(credit["offers"]):
                raise Unknown("credits beside agreements")
            paid: list[Expression] = []
            for o, offer in enumerate(self.offers):
                if offer["name"] not in credit["offers"]:
                    continue
                if "commitment" in offer:
                    raise Unknown("credits beside commitments")
                for t in range(self.n):
                    hours = [self.start + dt.timedelta(hours=t * self.h + i) for i in range(int(self.h))]
                    inside = {
                        self._holds({k: credit[k] for k in ("from", "until") if k in credit}, at)
                        for at in hours
                    }
                    if len(inside) > 1:
                        raise Unknown("a period partly inside the dates")
                    if inside == {True}:
                        paid.append(self._paid_by(o, t))
            self.model.at_most(total(*paid), credit["usd"])

    def _spans(self, settled: str) -> Iterator[tuple[list[int], float]]:
        """(periods that start in a span, what part of a span their hours are), from the start of the horizon."""
        length = self.n * self.h if settled == "term" else SPAN_H[settled]
        spans: dict[int, list[int]] = {}
        for t in range(self.n):
            spans.setdefault(t if self.h > length else int((t * self.h + 1e-9) // length), []).append(t)
        for periods in spans.values():
            yield periods, len(periods) * self.h / length

    def _signed(self, terms: Data) -> tuple[int, Expression]:
        """(whether it is signed, what is committed per span)."""
        signed = self.model.column(1.0, True)
        least, most = terms.get("min_usd", 0.0), terms.get("max_usd")
        if most is None:
            return signed, {signed: least}
        amount = self.model.column()
        self.model.at_least({amount: 1.0}, {signed: least})
        self.model.at_most({amount: 1.0}, {signed: most})
        if "step_usd" in terms:
            self.model.equal({amount: 1.0}, {self.model.column(math.inf, True): terms["step_usd"]})
        return signed, {amount: 1.0}

    def _agreement(self, terms: Data) -> None:
        of = [self.offers[self.names.index(name)] for name in terms["offers"]]
        if any("tiers" in offer.get("commitment", {}) for offer in of):
            raise Unknown("agreements over offers with tiers")
        signed, committed = self._signed(terms)
        for periods, part in self._spans(terms.get("settled", "month")):
            due = self.model.column()
            covered: list[Expression] = []
            for name in terms["offers"]:
                off = (
                    terms["discount"] if not isinstance(terms["discount"], dict) else terms["discount"][name]
                )
                o = self.names.index(name)
                covered += [times(1 - off, self._paid_by(o, t)) for t in periods]
            self.model.at_least({due: 1.0}, times(part, committed))
            if terms.get("overage", "list") == "list":
                self.model.at_most(total(*covered), times(part, committed))
            else:
                self.model.at_least({due: 1.0}, total(*covered))
                self.model.at_most(total(*covered), {signed: 1e6})
            self.pay({due: 1.0})

    def _in_units(self, terms: Data) -> None:
        step = terms.get("step_units", 1)
        amount = self.model.column(math.inf, True)
        units: Expression = {amount: step}
        signed = self.model.column(1.0, True)
        least = terms.get("min_units", 0)
        if "max_units" in terms:
            self.model.at_most(units, {signed: terms["max_units"]})
            self.model.at_least(units, {signed: least})
        else:
            self.model.equal(units, {signed: least})
        self.pay(times(terms["usd_per_unit_h"] * self.h * self.n, units))
        for t in range(self.n):
            used: list[Expression] = []
            for (o, _, role), counts in self.counts.items():
                if self.names[o] not in terms["offers"] or self._closed(o, t):
                    continue
                if len([key for key in self.counts if key[::2] == (o, role)]) > 1:
                    raise Unknown("units over several pools of an offer")
                covered = self.model.column()
                self.model.at_most({covered: 1.0}, counts[t])
                hourly = self._usd_per_h(o, role, t)
                self.rent[o, t] = total(self.rent[o, t], {covered: -hourly * self.h})
                used.append({covered: self._units(o, role)})
            self.model.at_most(total(*used), units)

    def _bill(self, o: int, offer: Data) -> None:
        """Rent, and what is left of use: at its price, or as the offer's own contract settles it."""
        for t in range(self.n):
            self.model.at_least(self.rent[o, t], {0: 0.0})  # an hour is paid for once
            self.pay(self.rent[o, t])
        fee, terms = offer.get("fee_usd_per_month", 0.0), offer.get("commitment")
        if terms is None and not fee:
            for t in range(self.n):
                self.pay(self.left[o, t])
            return
        used = self.model.column(1.0, True)
        for flow in self._of(o):
            self.model.at_most({flow.column: 1.0}, {used: 1.0})
        self.pay({used: fee * self.n * self.h / MONTH_H})
        if terms is None:
            for t in range(self.n):
                self.pay(self.left[o, t])
            return
        self._contract(o, terms, used)

    def _contract(self, o: int, terms: Data, used: int) -> None:
        if levels := terms.get("levels"):
            chosen = [(self.model.column(1.0, True), level) for level in levels]
            signed: Expression = {column: 1.0 for column, _ in chosen}
            self.model.at_most(signed, 1.0)
            committed: Expression = {column: float(level["usd"]) for column, level in chosen}
        else:
            one, committed = self._signed(terms)
            chosen, signed = [(one, dict[str, Any]())], {one: 1.0}
        self.model.at_most({used: 1.0}, signed)
        for periods, part in self._spans(terms.get("settled", "month")):
            use = total(*(self.left[o, t] for t in periods), {0: 0.0})
            due = self.model.column()
            self.model.at_least({due: 1.0}, times(part, committed))
            most = 1.0 + sum(
                self._usd(flow.route, flow.t) * flow.per for flow in self._of(o) if flow.t in periods
            )
            for column, level in chosen:
                billed = times(1 - level.get("discount", 0.0), use)
                self.model.at_least({due: 1.0}, total(billed, {column: most, 0: -most}))
                if terms.get("overage") == "none":
                    self.model.at_most(billed, total(times(part, committed), {column: -most, 0: most}))
            self.pay({due: 1.0})
