"""A second reading of contract sizing: the extensive form in plain loops, from DESIGN.md alone.

One MILP holds all scenarios at once; SciPy solves it. Nothing is taken from the program: no instance, no columns, no
price book. Tokens are in millions, money in USD. Where the specification leaves room the reading chosen is marked
"Reading:".

    answer = optimum(problem)           objective, first stage, cost by scenario; objective None: infeasible
    told = measures(problem)            rp, ws, ev, eev
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

type Data = dict[str, Any]
type Expression = dict[int, float]
type Key = tuple[str | int, ...]

MONTH = 730.0
YEAR = 8760.0
ONE = 0  #: the column that is always 1, so that expressions can carry constants


@dataclass(frozen=True, slots=True)
class Future:
    """One scenario: its weight and its multiplier of every demand, price and availability."""

    name: str
    probability: float
    demand: dict[str, float]
    prices: dict[str, float]
    availability: dict[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found; an objective of None is an infeasible problem."""

    objective: float | None
    first: dict[Key, float] = field(default_factory=dict)
    costs: tuple[float, ...] = ()


# ---------------------------------------------------------------------------------------------------------------------
# the program as a list of columns and rows


class Model:
    """Columns and rows as they come; expressions are dicts from column to coefficient."""

    def __init__(self, fixed: dict[Key, float] | None) -> None:
        self.lower = [1.0]
        self.upper = [1.0]
        self.whole = [0]
        self.rows: list[tuple[Expression, float, float]] = []
        self.first: dict[Key, int] = {}
        self.fixed = fixed

    def column(self, upper: float = math.inf, whole: bool = False, lower: float = 0.0) -> int:
        self.lower.append(lower)
        self.upper.append(upper)
        self.whole.append(int(whole))
        return len(self.lower) - 1

    def first_stage(self, key: Key, upper: float = math.inf, whole: bool = False) -> int:
        """A column decided before demand is known; held where a first stage is given."""
        lower = 0.0
        if self.fixed is not None:
            lower = upper = self.fixed[key]
        self.first[key] = self.column(upper, whole, lower)
        return self.first[key]

    def at_most(self, left: Expression, right: Expression | float) -> None:
        self.rows.append((minus(left, right), -math.inf, 0.0))

    def at_least(self, left: Expression, right: Expression | float) -> None:
        self.rows.append((minus(left, right), 0.0, math.inf))

    def equal(self, left: Expression, right: Expression | float) -> None:
        self.rows.append((minus(left, right), 0.0, 0.0))

    def solve(self, objective: Expression) -> np.ndarray | None:
        """The best point: branch and bound, then the linear part once more with the integers held."""
        cost = np.zeros(len(self.lower))
        for column, value in objective.items():
            cost[column] = value
        at, of, values = [], [], []
        for row, (terms, _, _) in enumerate(self.rows):
            for column, value in terms.items():
                at.append(row)
                of.append(column)
                values.append(value)
        matrix = csr_array((values, (at, of)), shape=(len(self.rows), len(cost)))
        low = np.array([row[1] for row in self.rows])
        high = np.array([row[2] for row in self.rows])
        lower, upper, whole = np.array(self.lower), np.array(self.upper), np.array(self.whole)
        # SciPy 1.18.1's HiGHS was seen to miss optima with presolve and without, never alike: the better one counts.
        best: np.ndarray | None = None
        for presolve in (True, False):
            found = milp(
                cost,
                integrality=whole,
                bounds=Bounds(lower, upper),
                constraints=LinearConstraint(matrix, low, high),
                options={"mip_rel_gap": 1e-9, "presolve": presolve},
            )
            if found.status not in (0, 2):
                raise RuntimeError(f"milp: {found.message}")
            if found.status == 0 and (best is None or cost @ found.x < cost @ best):
                best = found.x
        if best is None:
            return None
        held = np.round(best)
        lower, upper = np.where(whole, held, lower), np.where(whole, held, upper)
        same, above, below = low == high, np.isfinite(high) & (low != high), np.isfinite(low) & (low != high)
        again = linprog(
            cost,
            A_ub=np.vstack([matrix[above].toarray(), -matrix[below].toarray()]),
            b_ub=np.concatenate([high[above], -low[below]]),
            A_eq=matrix[same].toarray(),
            b_eq=low[same],
            bounds=np.column_stack([lower, upper]),
            options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
        )
        return again.x if again.status == 0 else best


def total(*parts: Expression) -> Expression:
    found: Expression = {}
    for part in parts:
        for column, value in part.items():
            found[column] = found.get(column, 0.0) + value
    return found


def times(factor: float, part: Expression) -> Expression:
    return {column: factor * value for column, value in part.items()}


def minus(left: Expression, right: Expression | float) -> Expression:
    return total(left, times(-1.0, right if isinstance(right, dict) else {ONE: right}))


def value_of(part: Expression, point: np.ndarray) -> float:
    return float(sum(value * point[column] for column, value in part.items()))


# ---------------------------------------------------------------------------------------------------------------------
# what the file says


def futures_of(data: Data) -> list[Future]:
    return [
        Future(
            stated["name"],
            stated["probability"],
            _by_name(stated.get("demand"), data["workloads"]),
            _by_name(stated.get("prices"), data["offers"]),
            _by_name(stated.get("availability"), data["offers"]),
        )
        for stated in data.get("scenarios") or [{"name": "certain", "probability": 1.0}]
    ]


def _by_name(stated: dict[str, float] | None, named: list[Data]) -> dict[str, float]:
    """A named multiplier replaces "*"; absent: 1."""
    stated = stated or {}
    return {one["name"]: stated.get(one["name"], stated.get("*", 1.0)) for one in named}


def mean_of(futures: list[Future]) -> Future:
    """The one future of mean demand, prices and availability."""

    def mean(what: str) -> dict[str, float]:
        names = getattr(futures[0], what)
        return {name: sum(f.probability * getattr(f, what)[name] for f in futures) for name in names}

    return Future("mean", 1.0, mean("demand"), mean("prices"), mean("availability"))


class Clock:
    """Periods, billing months and the weight of money in them."""

    def __init__(self, data: Data) -> None:
        horizon = data.get("horizon", {})
        self.hours = float(horizon.get("period_h", MONTH))
        self.periods = range(horizon.get("periods", 1))
        self.end = self.hours * len(self.periods)
        self.month_of = [int((t * self.hours + 1e-9) // MONTH) for t in self.periods]
        self.months = range(self.month_of[-1] + 1)
        self.month_hours = [self.hours * self.month_of.count(m) for m in self.months]
        self.start = datetime.fromisoformat(horizon.get("start", "2026-01-01T00:00:00"))
        self.rate = data.get("policy", {}).get("discount_rate_per_year", 0.0)

    def weight(self, period: int) -> float:
        return float((1 + self.rate) ** (-period * self.hours / YEAR))

    def month_weight(self, month: int) -> float:
        """Reading: money settled by the month weighs as the first period of that month."""
        return self.weight(self.month_of.index(month))

    def beyond(self, month: int, term: int) -> float:
        """Hours of a term past the end of the horizon."""
        return max(0.0, (month + term) * MONTH - self.end)


class Work:
    """Tokens of a workload, in millions, before multipliers."""

    def __init__(self, stated: Data, clock: Clock) -> None:
        demand = stated["demand"]
        prompt, completion = stated.get("prompt_tokens", 0.0), stated.get("completion_tokens", 0.0)
        self.size = prompt + completion
        self.cached_part = prompt * stated.get("cached_prompt_share", 0.0) / self.size
        self.prompt_part = prompt / self.size - self.cached_part
        self.completion_part = completion / self.size
        if "requests_by_period" in demand:
            self.tokens = [count * self.size / 1e6 for count in demand["requests_by_period"]]
        elif "tokens_per_month" in demand:
            self.tokens = [demand["tokens_per_month"] / 1e6 * clock.hours / MONTH for _ in clock.periods]
        elif "requests_per_month" in demand:
            requests = demand["requests_per_month"] * clock.hours / MONTH
            self.tokens = [requests * self.size / 1e6 for _ in clock.periods]
        else:
            raise ValueError(f"demand not covered: {demand}")


def usd_per_m(served: Data, work: Work) -> float:
    """Price of a million of the workload's tokens in its mix."""
    prompt = served.get("prompt_usd_per_m", 0.0)
    cached = served.get("cached_prompt_usd_per_m", prompt)
    completion = served.get("completion_usd_per_m", 0.0)
    return float(work.prompt_part * prompt + work.cached_part * cached + work.completion_part * completion)


def load_per_m(served: Data, work: Work, hours: float) -> float:
    """Instances that a million of the workload's tokens in a period keep busy."""
    seconds = hours * 3600
    if "tokens_per_s" in served:
        return 1e6 / (served["tokens_per_s"] * seconds)
    if "requests_per_s" in served:
        return 1e6 / work.size / (served["requests_per_s"] * seconds)
    prompt = (work.prompt_part + work.cached_part) * 1e6 / (served["prompt_tokens_per_s"] * seconds)
    return prompt + work.completion_part * 1e6 / (served["completion_tokens_per_s"] * seconds)


def burndown_per_m(served: Data, work: Work) -> float:
    """Million quota units of a million tokens."""
    prompt = served.get("prompt_burndown", 1.0)
    cached = served.get("cached_prompt_burndown", prompt)
    completion = served.get("completion_burndown", 1.0)
    return float(work.prompt_part * prompt + work.cached_part * cached + work.completion_part * completion)


# ---------------------------------------------------------------------------------------------------------------------
# tiers


def bands_of(commitment: Data, scale: float) -> list[tuple[float, float, float, float]]:
    """(from, to, fixed USD, USD per M) of each band: bill = fixed + price · volume for volumes in it."""
    tiers = commitment["tiers"]
    starts = [tier["from_tokens_per_month"] / 1e6 * scale for tier in tiers] + [math.inf]
    bands, paid = [], 0.0
    for k, tier in enumerate(tiers):
        price = tier["usd_per_m"]
        if commitment.get("tier_kind", "incremental") == "all_units":
            bands.append((starts[k], starts[k + 1], 0.0, price))
        else:
            bands.append((starts[k], starts[k + 1], paid - price * starts[k], price))
            paid += price * (starts[k + 1] - starts[k]) if k + 1 < len(tiers) else 0.0
    return bands


def tiers_bill(
    model: Model,
    bands: list[tuple[float, float, float, float]],
    active: Expression,
    most: float,
    least: float,
    binary: bool = True,
) -> tuple[Expression, Expression]:
    """(volume billed, bill): one band is chosen while the contract runs.

    `from` is inclusive: a band whose end the least volume has reached is out. Elsewhere the end is taken as belonging
    to the band, which is the limit of volumes just below it.
    """
    chosen: list[int] = []
    volume: Expression = {}
    bill: Expression = {}
    for start, end, fixed, price in bands:
        if end <= least * (1 + 1e-12):
            continue
        pick = model.column(1.0, whole=binary)
        part = model.column()
        model.at_least({part: 1.0}, {pick: start})
        model.at_most({part: 1.0}, {pick: min(end, max(most, start))})
        chosen.append(pick)
        volume[part] = 1.0
        bill[pick] = fixed
        bill[part] = price
    model.equal(dict.fromkeys(chosen, 1.0), active)
    return volume, bill


# ---------------------------------------------------------------------------------------------------------------------
# first stage


@dataclass
class Contract:
    """A commitment by month: 1 while it runs, M tokens or USD committed a month, what it owes past the end."""

    terms: Data
    in_usd: bool
    active: list[Expression]
    committed: list[Expression]
    least: list[float]  #: committed for certain while it runs
    most: float
    beyond: list[
        tuple[int, Expression, Expression]
    ]  #: (start month, active, committed · hours past the horizon / 730)


def contract_of(model: Model, offer: Data, clock: Clock) -> Contract | None:
    terms = offer.get("commitment")
    if terms is None:
        return None
    in_usd = "min_usd_per_month" in terms or "max_usd_per_month" in terms
    unit = 1.0 if in_usd else 1e6
    kind = "usd" if in_usd else "tokens"
    least = terms.get(f"min_{kind}_per_month", 0.0) / unit
    most = terms.get(f"max_{kind}_per_month")
    most = least if most is None else most / unit
    # Reading: what is signed already is sunk; once it has ended the contract may be signed anew.
    runs = _signed_months(terms, clock)
    active: list[Expression] = [{ONE: run} for run in runs]
    committed: list[Expression] = [{ONE: run * least} for run in runs]
    beyond: list[tuple[int, Expression, Expression]] = []
    term = terms.get("term_months")
    # Reading: a start month is decided "where terms are shorter than the horizon"; a longer term starts with it,
    # unless the contract says otherwise.
    shorter = term is not None and term * MONTH < clock.end
    later = terms.get("start", "any" if shorter else "first") == "any"
    for start in clock.months if later else (0,):
        begun = model.first_stage((offer["name"], "start", start), 1.0, whole=True)
        if most > least:
            volume = model.first_stage((offer["name"], "committed", start), most)
            model.at_least({volume: 1.0}, {begun: least})
            model.at_most({volume: 1.0}, {begun: most})
            promised: Expression = {volume: 1.0}
            if "step_usd_per_month" in terms:
                steps = model.column(whole=True)
                model.equal({volume: 1.0}, {steps: terms["step_usd_per_month"]})
        else:
            promised = {begun: least}
        for month in clock.months:
            if term is None or start <= month < start + term:
                active[month] = total(active[month], {begun: 1.0})
                committed[month] = total(committed[month], promised)
        if term is not None:
            past = clock.beyond(start, term) / MONTH
            if past > 0:
                beyond.append((start, {begun: 1.0}, times(past, promised)))
    for month in clock.months:
        model.at_most(active[month], 1.0)  # Reading: a contract does not run twice at once
    return Contract(terms, in_usd, active, committed, [least] * len(clock.months), most, beyond)


def agreement_of(model: Model, terms: Data, clock: Clock) -> tuple[Data, list[Expression], list[Expression]]:
    """Whether it runs, and what is committed a month, by billing month; terms begin with one."""
    unit = MONTH if terms["settled"] == "hour" else 1.0
    least, most = terms.get("min_usd", 0.0) * unit, terms.get("max_usd")
    most = None if most is None else most * unit
    active: list[Expression] = [{} for _ in clock.months]
    committed: list[Expression] = [{} for _ in clock.months]
    term = terms.get("term_months")
    later = terms.get("start", "any" if term is not None and term * MONTH < clock.end else "first") == "any"
    for start in clock.months if later and term is not None else (0,):
        begun = model.first_stage((terms["name"], "start", start), 1.0, whole=True)
        promised: Expression = {begun: least}
        if most is not None:
            volume = model.first_stage((terms["name"], "committed", start), most)
            model.at_least({volume: 1.0}, {begun: least})
            model.at_most({volume: 1.0}, {begun: most})
            promised = {volume: 1.0}
            if "step_usd" in terms:
                steps = model.column(whole=True)
                model.equal({volume: 1.0}, {steps: terms["step_usd"] * unit})
        for month in clock.months:
            if term is None or start <= month < start + term:
                active[month] = total(active[month], {begun: 1.0})
                committed[month] = total(committed[month], promised)
    for month in clock.months:
        if not terms.get("stackable"):
            model.at_most(active[month], 1.0)
        elif most is not None:  # Reading: the maximum is of all that is in force
            model.at_most(committed[month], most)
    return terms, active, committed


def _signed_months(terms: Data, clock: Clock) -> list[float]:
    """1 for months in which a contract bought before runs: up to its end, else throughout."""
    if not terms.get("signed"):
        return [0.0 for _ in clock.months]
    if terms.get("signed_until") is None:
        return [1.0 for _ in clock.months]
    until = (datetime.fromisoformat(terms["signed_until"]) - clock.start).total_seconds() / 3600
    # Reading: a month counts where it begins before the end.
    return [float(month * MONTH < until - 1e-9) for month in clock.months]


def pools_of(offer: Data) -> list[str]:
    """Pools of instances: one per model, or one for all."""
    return ["*"] if offer["instances"].get("shared_by_models") else list(offer["models"])


def count_column(model: Model, rules: Data, most: float, key: Key | None) -> Expression:
    """A count: none, or the minimum and whole steps above it; any real from the minimum on where not integral."""
    least, step = rules.get("min", 0.0), rules.get("step", 1.0)
    if not rules.get("integral", True):
        count = model.first_stage(key, most) if key else model.column(most)
        if least > 0:
            is_open = model.column(1.0, whole=True)
            model.at_least({count: 1.0}, {is_open: least})
            model.at_most({count: 1.0}, {is_open: most})
        return {count: 1.0}
    opens: Expression = {ONE: 1.0}
    part: Expression = {}
    most_steps = math.floor((most - least) / step + 1e-9)
    if least > 0:
        is_open = model.first_stage((*key, "open"), 1.0, whole=True) if key else model.column(1.0, whole=True)
        opens, part = {is_open: 1.0}, {is_open: least}
        if most < least:
            model.at_most(opens, 0.0)
    steps = (
        model.first_stage((*key, "steps"), max(most_steps, 0), whole=True)
        if key
        else model.column(max(most_steps, 0), whole=True)
    )
    model.at_most({steps: 1.0}, times(max(most_steps, 0), opens))
    return total(part, {steps: step})


# ---------------------------------------------------------------------------------------------------------------------
# the extensive form


class Sizing:
    """All scenarios of a problem in one program."""

    def __init__(self, data: Data, futures: list[Future], fixed: dict[Key, float] | None = None) -> None:
        self.data = data
        self.futures = futures
        self.policy = data.get("policy", {})
        self.clock = Clock(data)
        self.work = {load["name"]: Work(load, self.clock) for load in data["workloads"]}
        self.model = Model(fixed)
        self.full = self.policy.get("end_of_horizon", "prorate") == "charge_in_full"
        self.fee: dict[str, int] = {}
        self.contracts: dict[str, Contract] = {}
        self.bought: dict[tuple[str, str], list[Expression]] = {}  #: counts by period, of pools decided ahead
        self.running: dict[tuple[str, str, int], Expression] = {}  #: what was bought and runs in a month
        #: what is bought at the start of a month, of pools with terms
        self.purchases: dict[tuple[str, str], dict[int, Expression]] = {}
        self.costs: list[Expression] = []
        self.committed: list[Expression] = []
        #: USD at the offer's own prices that an agreement may cover, by offer, kind and period; of one scenario
        self.use: dict[tuple[str, str, int], Expression] = {}
        for offer in data["offers"]:
            self._first_stage(offer)
        self.agreements = [
            agreement_of(self.model, terms, self.clock) for terms in data.get("commitments", ())
        ]
        if self.agreements and self.full:
            raise ValueError("agreements past the horizon are not covered")
        for future in futures:
            self.costs.append(self._scenario(future))
        limit = self.policy.get("max_committed_usd")
        if limit is not None and fixed is None:
            # Reading: first-stage money is one sum, at the prices expected.
            parts = [times(f.probability, part) for f, part in zip(futures, self.committed, strict=True)]
            self.model.at_most(total(*parts), limit)

    # first stage

    def _first_stage(self, offer: Data) -> None:
        name = offer["name"]
        if offer.get("fee_usd_per_month", 0.0) > 0:
            self.fee[name] = self.model.first_stage((name, "fee"), 1.0, whole=True)
        contract = contract_of(self.model, offer, self.clock)
        if contract is not None:
            self.contracts[name] = contract
        rules = offer.get("instances")
        if rules is None:
            priced = all("prompt_usd_per_m" in served for served in offer["models"].values())
            if not priced and not (contract is not None and contract.terms.get("tiers")):
                raise ValueError("no price")
            return
        for pool in pools_of(offer):
            most = self._most_instances(offer)
            key: Key = (name, pool, "count")
            if rules.get("term_months") is not None:
                self._term_purchases(offer, pool, most)
            elif rules.get("resize", "period") == "horizon":
                count = count_column(self.model, rules, most, key)
                self.bought[name, pool] = [count for _ in self.clock.periods]

    def _term_purchases(self, offer: Data, pool: str, most: float) -> None:
        rules, name, term = offer["instances"], offer["name"], offer["instances"]["term_months"]
        bought: dict[int, Expression] = {}
        for month in self.clock.months:
            whole = rules.get("integral", True)
            column = self.model.first_stage((name, pool, "purchase", month), most, whole)
            bought[month] = {column: 1.0}
        for month in self.clock.months:
            running = total(*(bought[m] for m in self.clock.months if m <= month < m + term))
            self.model.at_most(running, most)
            self.running[name, pool, month] = running
        self.purchases[name, pool] = bought

    def _most_instances(self, offer: Data) -> float:
        """A number no plan needs to exceed."""
        rules = offer["instances"]
        if rules.get("max") is not None:
            return float(rules["max"])
        usable = rules.get("availability", 1.0) * (rules.get("max_utilisation") or 1.0)
        needed = 0.0
        for future in (*futures_of(self.data), *self.futures):
            for t in self.clock.periods:
                load = 0.0
                for route in self._routes(offer):
                    tokens = self.work[route[0]].tokens[t] * future.demand[route[0]]
                    load += tokens * load_per_m(
                        offer["models"][route[1]], self.work[route[0]], self.clock.hours
                    )
                usable_now = usable * future.availability[offer["name"]]
                needed = max(needed, load / usable_now if usable_now > 0 else 0.0)
        asked = sum(
            group.get("min_units", 0.0) / rules.get("units", 1.0)
            for group in self.data.get("groups", [])
            if offer["name"] in group["offers"]
        )
        return math.ceil(needed + asked) + rules.get("min", 0.0) + 2 * rules.get("step", 1.0) + 1

    def _routes(self, offer: Data) -> list[tuple[str, str]]:
        """(workload, model) that the offer may serve."""
        found = []
        for load in self.data["workloads"]:
            routing = load.get("routing", {})
            if routing.get("allow_offers") and offer["name"] not in routing["allow_offers"]:
                continue
            if offer["name"] in routing.get("deny_offers", []):
                continue
            found += [(load["name"], model) for model in load["models"] if model in offer["models"]]
        return found

    # one scenario

    def _scenario(self, future: Future) -> Expression:
        """Rows of a scenario; its cost."""
        model, clock = self.model, self.clock
        tokens = {
            (name, t): work.tokens[t] * future.demand[name]
            for name, work in self.work.items()
            for t in clock.periods
        }
        flow: dict[tuple[str, str, str, int], int] = {}  # workload, offer, model, period: share
        for offer in self.data["offers"]:
            for load, served in self._routes(offer):
                for t in clock.periods:
                    if tokens[load, t] > 0:
                        flow[load, offer["name"], served, t] = model.column(1.0)
        cost: Expression = {}
        committed: Expression = {}
        cost = total(cost, self._demand(flow, tokens))
        self._shares(flow, tokens)
        counts: dict[tuple[str, int], Expression] = {}
        self.use = {}
        for offer in self.data["offers"]:
            paid, promised = self._tokens_and_contracts(offer, future, flow, tokens)
            cost, committed = total(cost, paid), total(committed, promised)
            self._quota(offer, flow, tokens)
            if "instances" in offer:
                paid, promised = self._instances(offer, future, flow, tokens, counts)
                cost, committed = total(cost, paid), total(committed, promised)
        paid, promised = self._covered()
        cost, committed = total(cost, paid), total(committed, promised)
        for group in self.data.get("groups", []):
            for t in clock.periods:
                units = total(*(times(self._units(name), counts[name, t]) for name in group["offers"]))
                model.at_least(units, group.get("min_units", 0.0))
                if group.get("max_units") is not None:
                    model.at_most(units, group["max_units"])
        # Reading: this budget holds in every scenario, in the same (discounted) money as the cost.
        if self.policy.get("max_spend_usd") is not None:
            model.at_most(cost, self.policy["max_spend_usd"])
        self.committed.append(committed)
        return cost

    def _units(self, name: str) -> float:
        return float(self._offer(name)["instances"].get("units", 1.0))

    def _offer(self, name: str) -> Data:
        return next(offer for offer in self.data["offers"] if offer["name"] == name)

    def _demand(self, flow: dict[Any, int], tokens: dict[Any, float]) -> Expression:
        """Every workload is carried in full, or what is left costs."""
        cost: Expression = {}
        for load in self.data["workloads"]:
            name = load["name"]
            for t in self.clock.periods:
                if tokens[name, t] <= 0:
                    continue
                carried = {column: 1.0 for key, column in flow.items() if (key[0], key[3]) == (name, t)}
                price = load.get("unserved_usd_per_m_tokens")
                if price is not None:
                    left = self.model.column(1.0)
                    carried[left] = 1.0
                    cost[left] = price * tokens[name, t] * self.clock.weight(t)
                self.model.equal(carried, 1.0)
                if not load.get("routing", {}).get("splittable", True):
                    picks = []
                    for key, column in flow.items():
                        if (key[0], key[3]) == (name, t):
                            picks.append(self.model.column(1.0, whole=True))
                            self.model.at_most({column: 1.0}, {picks[-1]: 1.0})
                            if price is None:
                                self.model.at_least({column: 1.0}, {picks[-1]: 1.0})
                    self.model.at_most(dict.fromkeys(picks, 1.0), 1.0)
        return cost

    def _provider(self, name: str) -> str:
        return str(self._offer(name).get("provider", name))

    def _shares(self, flow: dict[Any, int], tokens: dict[Any, float]) -> None:
        """Most of a workload, and most of all tokens, that one provider carries in a period."""
        providers = sorted({self._provider(offer["name"]) for offer in self.data["offers"]})
        overall = self.policy.get("max_share_per_provider", 1.0)
        for t in self.clock.periods:
            for provider in providers:
                of_all: Expression = {}
                everything: Expression = {}
                for load in self.data["workloads"]:
                    name = load["name"]
                    served = {column: 1.0 for key, column in flow.items() if (key[0], key[3]) == (name, t)}
                    own = {
                        column: 1.0
                        for key, column in flow.items()
                        if (key[0], key[3]) == (name, t) and self._provider(key[1]) == provider
                    }
                    limit = load.get("routing", {}).get("max_share_per_provider", 1.0)
                    # Reading: a share of what is served, not of what is asked for.
                    self.model.at_most(own, times(limit, served))
                    of_all = total(of_all, times(tokens[name, t], own))
                    everything = total(everything, times(tokens[name, t], served))
                if overall < 1.0:
                    self.model.at_most(of_all, times(overall, everything))

    def _quota(self, offer: Data, flow: dict[Any, int], tokens: dict[Any, float]) -> None:
        quota = offer.get("quota", {})
        minutes = self.clock.hours * 60
        for t in self.clock.periods:
            requests: Expression = {}
            all_tokens: Expression = {}
            units: Expression = {}
            for load, served in self._routes(offer):
                column = flow.get((load, offer["name"], served, t))
                if column is None:
                    continue
                work = self.work[load]
                requests[column] = tokens[load, t] * 1e6 / work.size
                all_tokens[column] = tokens[load, t]
                units[column] = tokens[load, t] * burndown_per_m(offer["models"][served], work)
            if quota.get("requests_per_minute") is not None:
                limit = quota["requests_per_minute"] * minutes
                self.model.at_most(times(1 / limit, requests), 1.0)
            if quota.get("tokens_per_minute") is not None:
                self.model.at_most(all_tokens, quota["tokens_per_minute"] * minutes / 1e6)
            if quota.get("units_per_minute") is not None:
                self.model.at_most(units, quota["units_per_minute"] * minutes / 1e6)

    # money by the token, fees, contracts

    def _tokens_and_contracts(
        self, offer: Data, future: Future, flow: dict[Any, int], tokens: dict[Any, float]
    ) -> tuple[Expression, Expression]:
        """(cost, first-stage part of it) of an offer's tokens, fee and contract."""
        model, clock, name = self.model, self.clock, offer["name"]
        raised = future.prices[name]
        contract = self.contracts.get(name)
        cost: Expression = {}
        committed: Expression = {}
        used: list[Expression] = [{} for _ in clock.months]
        used_usd: list[Expression] = [{} for _ in clock.months]
        for load, served in self._routes(offer):
            price = usd_per_m(offer["models"][served], self.work[load]) * raised
            for t in clock.periods:
                column = flow.get((load, name, served, t))
                if column is None:
                    continue
                month = clock.month_of[t]
                used[month][column] = tokens[load, t]
                used_usd[month][column] = tokens[load, t] * price
                if name in self.fee:
                    model.at_most({column: 1.0}, {self.fee[name]: 1.0})
                if contract is not None:
                    model.at_most({column: 1.0}, contract.active[month])
                else:
                    cost[column] = tokens[load, t] * price * clock.weight(t)
                    self.use.setdefault((name, "tokens", t), {})[column] = tokens[load, t] * price
        if name in self.fee:
            for month in clock.months:
                due = offer["fee_usd_per_month"] * raised * clock.month_hours[month] / MONTH
                paid = {self.fee[name]: due * clock.month_weight(month)}
                cost, committed = total(cost, paid), total(committed, paid)
        if contract is not None:
            for month in clock.months:
                scale = clock.month_hours[month] / MONTH
                bill, promised = self._bill(
                    offer, contract, raised, scale, month, used[month], used_usd[month]
                )
                cost = total(cost, times(clock.month_weight(month), bill))
                committed = total(committed, times(clock.month_weight(month), promised))
            if self.full:
                for start, active, volume in contract.beyond:
                    # Reading: what is owed past the horizon weighs as its last period, and is first-stage money too.
                    owed = self._minimum(offer, contract, raised, active, volume, self._past(contract, start))
                    weight = clock.weight(clock.periods[-1])
                    cost = total(cost, times(weight, owed))
                    committed = total(committed, times(weight, owed))
        return cost, committed

    def _minimum(
        self,
        offer: Data,
        contract: Contract,
        raised: float,
        active: Expression,
        volume: Expression,
        scale: float,
    ) -> Expression:
        """What a commitment costs unused: dollars as they are, tokens at the contract's price."""
        if contract.in_usd:
            return volume
        if not contract.terms.get("tiers"):
            return times(raised * self._one_price(offer), volume)
        bands = bands_of(contract.terms, scale)
        least = contract.terms.get("min_tokens_per_month", 0.0) / 1e6
        billed, bill = tiers_bill(self.model, bands, active, contract.most * scale, least * scale)
        self.model.at_least(billed, volume)  # units may be bought to reach a band
        return times(raised, bill)

    def _past(self, contract: Contract, start: int) -> float:
        """Months of a term that began with a month which lie past the horizon."""
        return self.clock.beyond(start, contract.terms["term_months"]) / MONTH

    @staticmethod
    def _one_price(offer: Data) -> float:
        prices = {
            price
            for served in offer["models"].values()
            for price in (
                served["prompt_usd_per_m"],
                served["completion_usd_per_m"],
                served.get("cached_prompt_usd_per_m", served["prompt_usd_per_m"]),
            )
        }
        if len(prices) != 1:
            raise ValueError("a token minimum needs one price")
        return float(prices.pop())

    def _bill(
        self,
        offer: Data,
        contract: Contract,
        raised: float,
        scale: float,
        month: int,
        used: Expression,
        used_usd: Expression,
    ) -> tuple[Expression, Expression]:
        """(bill, its first-stage part) of a month: at least the commitment, at least the use at contract rates."""
        model, terms, active = self.model, contract.terms, contract.active[month]
        committed = times(scale, contract.committed[month])
        none, dearer = terms.get("overage", "contract") == "none", terms.get("overage_usd_per_m")
        if terms.get("tiers"):
            bands = bands_of(terms, scale)
            most = 10 + 2 * contract.most * scale + 2 * bands[-1][0] + sum(abs(v) for v in used.values())
            if contract.in_usd:
                if dearer is not None:
                    raise ValueError("not covered: overage price, tiers and dollars")
                volume, priced = tiers_bill(model, bands, active, most, 0.0)
                model.at_least(volume, used)
                priced = times(raised, priced)
                bill = model.column()
                model.at_least({bill: 1.0}, priced)
                model.at_least({bill: 1.0}, committed)
                if none:
                    model.at_most(priced, committed)
                return {bill: 1.0}, committed
            minimum = self._minimum(offer, contract, raised, active, committed, scale)
            if dearer is not None:
                over = model.column()
                model.at_least({over: 1.0}, minus(used, committed))
                return total(minimum, {over: raised * dearer}), minimum
            volume, priced = tiers_bill(model, bands, active, most, contract.least[month] * scale)
            model.at_least(volume, used)
            model.at_least(volume, committed)
            if none:
                model.at_most(used, committed)
            return times(raised, priced), minimum
        minimum = self._minimum(offer, contract, raised, active, committed, scale)
        measured = used_usd if contract.in_usd else used
        if none:
            model.at_most(measured, committed)
            return minimum, minimum
        over = model.column()
        model.at_least({over: 1.0}, minus(measured, committed))
        if contract.in_usd:
            rate = 1.0 if dearer is None else dearer / self._one_price(offer)
        else:
            rate = raised * (self._one_price(offer) if dearer is None else dearer)
        return total(minimum, {over: rate}), minimum

    # agreements

    def _covered(self) -> tuple[Expression, Expression]:
        """(cost, first-stage part of it) of all agreements: what they bill, less what that would cost at list."""
        model, clock = self.model, self.clock
        cost: Expression = {}
        promised: Expression = {}
        taken: dict[tuple[str, str, int], Expression] = {key: {} for key in self.use}
        for terms, active, committed in self.agreements:
            by_hour, off = terms["settled"] == "hour", terms["discount"]
            spans = [[t] for t in clock.periods]
            if not by_hour:
                spans = [[t for t in clock.periods if clock.month_of[t] == m] for m in clock.months]
            for span in spans:
                month, weight = clock.month_of[span[0]], clock.weight(span[0])
                due = times(len(span) * clock.hours / MONTH, committed[month])
                billed: Expression = {}
                for name, kind, t in taken:
                    if name in terms["offers"] and t in span:
                        rate = 1.0 - (off.get(name, 0.0) if isinstance(off, dict) else off)
                        column = model.column()
                        taken[name, kind, t][column] = 1.0
                        billed[column] = rate
                        cost[column] = -clock.weight(t)
                        model.at_most({column: 1.0}, times(1e4, active[month]))
                promised = total(promised, times(weight, due))
                if terms["overage"] == "list":
                    model.at_most(billed, due)
                    cost = total(cost, times(weight, due))
                else:
                    bill = model.column()
                    model.at_least({bill: 1.0}, billed)
                    model.at_least({bill: 1.0}, due)
                    cost[bill] = weight
        for key, part in taken.items():
            model.at_most(part, self.use[key])
        return cost, promised

    # instances

    def _instances(
        self,
        offer: Data,
        future: Future,
        flow: dict[Any, int],
        tokens: dict[Any, float],
        counts: dict[tuple[str, int], Expression],
    ) -> tuple[Expression, Expression]:
        """(cost, first-stage part of it) of an offer's instances; fills in its counts by period."""
        model, clock, name, rules = self.model, self.clock, offer["name"], offer["instances"]
        raised = future.prices[name]
        most = self._most_instances(offer)
        usable = rules.get("availability", 1.0) * future.availability[name]
        usable *= rules.get("max_utilisation") or 1.0
        held = rules.get("reserved", 0.0)
        ahead = rules.get("resize", "period") == "horizon" or rules.get("term_months") is not None
        hourly = rules["usd_per_h"] * raised
        hourly_held = rules.get("reserved_usd_per_h")
        hourly_held = hourly if hourly_held is None else hourly_held * raised
        energy = self.policy.get("energy_usd_per_kwh", 0.0) * rules.get("power_kw", 0.0)
        by_pool: dict[tuple[str, int], Expression] = {}
        cost: Expression = {}
        committed: Expression = {}
        for t in clock.periods:
            for pool in pools_of(offer):
                if rules.get("term_months") is not None:
                    # Reading: the rules of counts hold for what runs in a month, not for each purchase; what is
                    # reserved runs beside what was bought, in any of the pools, and what was bought counts in full.
                    count = count_column(model, rules, most, None)
                    model.at_least(count, self.running[name, pool, clock.month_of[t]])
                elif ahead:
                    count = self.bought[name, pool][t]
                else:
                    count = count_column(model, rules, most, None)
                by_pool[pool, t] = count
                load: Expression = {}
                for workload, served in self._routes(offer):
                    column = flow.get((workload, name, served, t))
                    if column is not None and pool in ("*", served):
                        rate = load_per_m(offer["models"][served], self.work[workload], clock.hours)
                        load[column] = tokens[workload, t] * rate
                model.at_most(load, times(usable, count))
            counts[name, t] = total(*(by_pool[pool, t] for pool in pools_of(offer)))
            if rules.get("max") is not None:
                model.at_most(counts[name, t], most)
            hours = clock.hours * clock.weight(t)
            above: Expression = counts[name, t]
            if rules.get("term_months") is not None:
                above = total(*(self.running[name, pool, clock.month_of[t]] for pool in pools_of(offer)))
                model.at_most(counts[name, t], total(above, {ONE: held}))
            elif held > 0:
                extra = model.column()
                model.at_least({extra: 1.0}, minus(counts[name, t], held))
                above = {extra: 1.0}
            if rules.get("term_months") is None:
                self.use[name, "rent", t] = times(hourly * clock.hours, above)
            paid = total(times(hourly * hours, above), {ONE: hourly_held * held * hours})
            cost = total(cost, paid, times(energy * hours, total(above, {ONE: held})))
            # Reading: what is reserved is committed money too, whatever the rest is.
            committed = total(committed, paid if ahead else {ONE: hourly_held * held * hours})
            if t == 0 and ahead and rules.get("term_months") is None:
                upfront = times(rules.get("upfront_usd", 0.0) * raised, above)
                cost, committed = total(cost, upfront), total(committed, upfront)
        cost = total(cost, times(raised, self._starts(offer, by_pool)))
        extra_paid = times(raised, self._upfront(offer))
        return total(cost, extra_paid), total(committed, extra_paid)

    def _starts(self, offer: Data, by_pool: dict[tuple[str, int], Expression]) -> Expression:
        """Instances started, in the first period too; what is reserved runs already."""
        rules = offer["instances"]
        if rules.get("start_usd", 0.0) <= 0:
            return {}
        held = rules.get("reserved", 0.0)
        if held > 0 and len(pools_of(offer)) > 1:
            raise ValueError("not covered: starts of several pools with reserved instances")
        cost: Expression = {}
        for pool in pools_of(offer):
            before: Expression = {ONE: held}
            for t in self.clock.periods:
                running = by_pool[pool, t]
                if rules.get("term_months") is not None:
                    running = total(self.running[offer["name"], pool, self.clock.month_of[t]], {ONE: held})
                elif held > 0:
                    running = self._larger(running, held, self._most_instances(offer))
                started = self.model.column()
                self.model.at_least({started: 1.0}, minus(running, before))
                cost[started] = rules["start_usd"] * self.clock.weight(t)
                before = running
        return cost

    def _larger(self, part: Expression, least: float, most: float) -> Expression:
        """max(part, least), exactly."""
        found, pick = self.model.column(), self.model.column(1.0, whole=True)
        self.model.at_least({found: 1.0}, part)
        self.model.at_least({found: 1.0}, least)
        self.model.at_most({found: 1.0}, total(part, {ONE: most + least, pick: -(most + least)}))
        self.model.at_most({found: 1.0}, {ONE: least, pick: most + least})
        return {found: 1.0}

    def _upfront(self, offer: Data) -> Expression:
        """Paid once per instance bought, and, charged in full, the hours of a term past the horizon."""
        rules, clock = offer["instances"], self.clock
        cost: Expression = {}
        for pool in pools_of(offer):
            if rules.get("term_months") is not None:
                term = rules["term_months"]
                for month, bought in self.purchases[offer["name"], pool].items():
                    past = clock.beyond(month, term)
                    # Reading: the part of the term's hours that lies inside the horizon.
                    share = 1.0 if self.full or past <= 0 else 1 - past / (term * MONTH)
                    cost = total(
                        cost,
                        times(rules.get("upfront_usd", 0.0) * share * clock.month_weight(month), bought),
                    )
                    if self.full and past > 0:
                        weight = clock.weight(clock.periods[-1])
                        cost = total(cost, times(rules["usd_per_h"] * past * weight, bought))
        return cost

    # the whole

    def solve(self) -> Answer:
        risk = self.data.get("risk", {})
        weight, level = risk.get("cvar_weight", 0.0), risk.get("cvar_level", 0.95)
        expected = total(
            *(times(f.probability, cost) for f, cost in zip(self.futures, self.costs, strict=True))
        )
        objective = times(1 - weight, expected)
        if weight > 0:
            at_risk = self.model.column(lower=-math.inf)
            objective = total(objective, {at_risk: weight})
            for future, cost in zip(self.futures, self.costs, strict=True):
                worse = self.model.column()
                self.model.at_least({worse: 1.0}, minus(cost, {at_risk: 1.0}))
                objective = total(objective, {worse: weight * future.probability / (1 - level)})
        point = self.model.solve(objective)
        if point is None:
            return Answer(None)
        first = {key: float(point[column]) for key, column in self.model.first.items()}
        for key, column in self.model.first.items():
            if self.model.whole[column]:
                first[key] = float(round(first[key]))
        return Answer(value_of(objective, point), first, tuple(value_of(cost, point) for cost in self.costs))


def optimum(data: Data, futures: list[Future] | None = None, fixed: dict[Key, float] | None = None) -> Answer:
    """The best first stage and its objective; `fixed` holds a first stage."""
    return Sizing(data, futures_of(data) if futures is None else futures, fixed).solve()


def risk_of(data: Data, futures: list[Future], costs: list[float]) -> float:
    """(1 − ω) · mean + ω · CVaR of costs."""
    risk = data.get("risk", {})
    weight, level = risk.get("cvar_weight", 0.0), risk.get("cvar_level", 0.95)
    mean = sum(f.probability * cost for f, cost in zip(futures, costs, strict=True))
    tail, left = 0.0, 1 - level
    for cost, probability in sorted(
        zip(costs, (f.probability for f in futures), strict=True), key=lambda pair: -pair[0]
    ):
        part = min(probability, left)
        tail, left = tail + part * cost, left - part
    return (1 - weight) * mean + weight * tail / (1 - level)


def certain(future: Future) -> list[Future]:
    return [Future(future.name, 1.0, future.demand, future.prices, future.availability)]


def measures(data: Data) -> dict[str, float | None]:
    """RP, WS, EV and EEV; None where infeasible."""
    futures = futures_of(data)
    best = optimum(data)
    alone = [optimum(data, certain(future)).objective for future in futures]
    mean = optimum(data, [mean_of(futures)])
    eev = None
    if mean.objective is not None:
        kept = [optimum(data, certain(future), mean.first).objective for future in futures]
        if None not in kept:
            eev = risk_of(data, futures, [cost for cost in kept if cost is not None])
    known = [cost for cost in alone if cost is not None]
    ws = risk_of(data, futures, known) if len(known) == len(futures) else None
    return {"rp": best.objective, "ws": ws, "ev": mean.objective, "eev": eev}
