"""The section `sizing` of a sized plan: its figures follow from the scenarios' costs, and from each other.

    rp = objective of the scenarios' costs        expected, cvar    the same costs        (all recomputed)
    own best of a scenario = cost − regret        ws = objective of these,  ws ≤ rp
    evpi = rp − ws,   vss = eev − rp              eev ≥ bound; null where futures fail under the plan for the mean
    sign                                          just what the plan signs: contracts, purchases, counts, fees
    more_usd of another decision                  = its objective − rp, and no decision is better than the bound

What other decisions cost cannot be told from one plan: such figures are held against the bound and against each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from router.verify.case import Case
from router.verify.checks import Ledger
from router.verify.instances import Pool, PoolKey
from router.verify.money import Costs
from router.verify.reading import is_number
from router.verify.rows import PlanRows
from router.verify.summary import cvar, expected, mixed

type Section = Mapping[str, object]

NEAR = 1e-9  # relative, of what other solves found: no decision is better than the bound by more


def check_sizing(
    case: Case,
    plan: Mapping[str, object],
    rows: PlanRows,
    costs: Costs,
    pools: Mapping[PoolKey, Pool],
    ledger: Ledger,
) -> None:
    """Everything in the section that can be worked out again. A plan of `solve` has none."""
    sizing = plan.get("sizing") if isinstance(plan, Mapping) else None
    if sizing is None:
        return
    if not isinstance(sizing, Mapping):
        ledger.fault("sizing is no mapping")
        return
    _Sizing(case, sizing, rows, costs, pools, ledger).check()


class _Sizing:
    def __init__(
        self,
        case: Case,
        stated: Section,
        rows: PlanRows,
        costs: Costs,
        pools: Mapping[PoolKey, Pool],
        ledger: Ledger,
    ) -> None:
        self.case, self.stated, self.rows, self.costs = case, stated, rows, costs
        self.pools, self.ledger = pools, ledger
        self.rp = mixed(case, [costs.of(future) for future in case.futures])
        self.bound = rows.bound_usd if rows.bound_usd is not None else -math.inf

    def check(self) -> None:
        ledger, case = self.ledger, self.case
        risk = case.problem.risk
        self._same("rp_usd", self.rp)
        self._same("objective_usd", self.rp)
        self._same("expected_usd", expected(case, self.costs))
        weighted = [(future.probability, self.costs.of(future)) for future in case.futures]
        self._same("cvar_usd", cvar(weighted, risk.cvar_level))
        for name, value in (("cvar_level", risk.cvar_level), ("cvar_weight", risk.cvar_weight)):
            ledger.require(self.stated.get(name) == value, name, f"is {self.stated.get(name)!r}, not {value}")
        if "ws_usd" in self.stated:
            self._measures()
        self._signed()
        self._worst()
        for row in self._list("alternatives"):
            self._other(row, str(row.get("what")))
        evaluated = self.stated.get("evaluated")
        if isinstance(evaluated, Mapping) and not evaluated.get("fails_in"):
            self._other(evaluated, "evaluated")
        self._fresh()

    def _measures(self) -> None:
        """Regret gives each scenario's own best, and these WS; the differences follow."""
        ledger, stated = self.ledger, self.stated
        regret = stated.get("regret_usd")
        own = []
        for row in self.case.futures:
            value = self._of_future(regret, row.name)
            if value is None or value < 0:
                ledger.fault("regret_usd of", row.name, f"is {value!r}")
                return
            own.append(self.costs.of(row) - value)
        ws, eev = mixed(self.case, own), _number(stated.get("eev_usd"))
        self._same("ws_usd", ws)
        self._same("evpi_usd", self.rp - ws)
        ledger.require(_number(stated.get("ev_usd")) is not None, "ev_usd is not stated")
        fails = stated.get("eev_fails_in")
        known = {future.name for future in self.case.futures} | {row.name for row in self.rows.scenarios}
        if isinstance(fails, Sequence) and not isinstance(fails, str) and fails:
            ledger.require(self._all_known(fails, known), "eev_fails_in names no scenario of the plan")
            ledger.require(stated.get("eev_usd") is None, "eev_usd is stated, though it fails somewhere")
            ledger.require(stated.get("vss_usd") is None, "vss_usd is stated, though eev_usd is not")
        elif eev is None:
            ledger.fault("eev_usd is not stated")
        else:
            self._above_bound(eev, "eev_usd")
            self._same("vss_usd", eev - self.rp)

    def _all_known(self, names: Sequence[object], known: set[str | None]) -> bool:
        named = all(isinstance(name, str) and name in known for name in names)
        return named or len(self.case.futures) == 1

    def _signed(self) -> None:
        """The rows of `sign` and what the plan signs are the same things, in the same amounts."""
        ours = self._signs()
        theirs: Counter[tuple[object, ...]] = Counter()
        for row in self._list("sign"):
            key = tuple(row.get(name) for name in ("offer", "kind", "model", "start_month"))
            if not all(isinstance(part, str | int | None) for part in key):
                self.ledger.fault("sign:", *key, "is not signed by the plan")
                continue
            theirs[key] += 1
            amount = ours.get(key)
            if amount is None:
                self.ledger.fault("sign:", *key, "is not signed by the plan")
                continue
            stated = [
                _number(row.get(name))
                for name in ("committed_tokens_per_month", "committed_usd_per_month", "count")
            ]
            self.ledger.equal(next((v for v in stated if v is not None), 1.0), amount, "sign:", *key)
        for key in ours:
            self.ledger.require(theirs[key] == 1, "sign:", *key, "is stated", theirs[key], "times")

    def _signs(self) -> dict[tuple[object, ...], float]:
        """What the plan's rows sign, by (offer, kind, model, first month), and how much of it; 1 of a fee."""
        found: dict[tuple[object, ...], float] = {}
        for row in self.rows.contracts:
            amount = row.committed_tokens_per_month
            amount = row.committed_usd_per_month if amount is None else amount
            if row.signed_by == "plan":
                found[row.offer, "contract", None, row.start_month] = amount or 0.0
        for one in self.rows.purchases:
            found[one.offer, "instances", one.model, one.month] = one.count
        for (offer, model, _, _), pool in self.pools.items():
            instances = self.case.offers[offer].instances
            ahead = instances is not None and instances.resize == "horizon" and instances.term_months is None
            if ahead and pool.row.paid_count > 0:
                found[offer, "instances", model, 0] = pool.row.paid_count
        for route in self.rows.routes:
            if route.share > 0 and self.case.offers[route.offer].fee_usd_per_month > 0:
                found[route.offer, "fee", None, 0] = 1.0
        return found

    def _worst(self) -> None:
        cost = {future.name: self.costs.of(future) for future in self.case.futures}
        last = math.inf
        for row in self._list("worst"):
            name, usd = row.get("scenario"), _number(row.get("cost_usd"))
            if usd is None or not isinstance(name, str) or name not in cost:
                self.ledger.fault("worst:", name, "is not a scenario of the plan with its cost")
                continue
            self.ledger.money(usd, cost[name], "worst:", name, "cost_usd")
            self.ledger.require(usd <= last, "worst:", name, "is not in order of cost")
            last = usd

    def _other(self, row: Section, name: str) -> None:
        """A decision that is not the plan's: its objective is above the bound, and `more_usd` says by how much."""
        usd, more = _number(row.get("objective_usd")), _number(row.get("more_usd"))
        if usd is None or more is None:
            self.ledger.fault(name, "states no objective_usd or more_usd")
            return
        self._above_bound(usd, name)
        self.ledger.money(more, usd - self.rp, name, "more_usd")
        by_scenario = row.get("by_scenario_usd")
        if by_scenario is not None:
            each = [self._of_future(by_scenario, future.name) for future in self.case.futures]
            if any(value is None for value in each):
                self.ledger.fault(name, "by_scenario_usd lacks a scenario")
            else:
                known = [value for value in each if value is not None]
                self.ledger.money(usd, mixed(self.case, known), name, "objective_usd of by_scenario_usd")

    def _fresh(self) -> None:
        """Mean and CVaR lie within their own intervals."""
        fresh = self.stated.get("out_of_sample")
        if not isinstance(fresh, Mapping):
            self.ledger.require(fresh is None, "out_of_sample is no mapping")
            return
        for name, of in (("mean_usd", "ci95_usd"), ("cvar_usd", "cvar_ci95_usd")):
            value, interval = _number(fresh.get(name)), fresh.get(of)
            if value is not None and isinstance(interval, Sequence) and len(interval) == 2:
                low, high = (_number(end) for end in interval)
                if low is not None and high is not None:
                    room = 1e-9 * abs(value)
                    inside = low - room <= value <= high + room
                    self.ledger.require(inside, f"out_of_sample: {name} is outside {of}")

    def _above_bound(self, usd: float, name: str) -> None:
        room = NEAR * abs(self.rp) + 1e-6
        self.ledger.require(
            usd >= self.bound - room, name, f"is {usd:.10g}, below bound_usd {self.bound:.10g}"
        )

    def _same(self, name: str, value: float) -> None:
        stated = _number(self.stated.get(name))
        if stated is None:
            self.ledger.fault(name, "is not stated")
        else:
            self.ledger.money(stated, value, name)

    def _list(self, name: str) -> list[Section]:
        rows = self.stated.get(name, ())
        if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
            self.ledger.fault(name, "is no list of rows")
            return []
        return list(rows)

    def _of_future(self, values: object, name: str | None) -> float | None:
        """By scenario; of a certain future whatever its name."""
        if not isinstance(values, Mapping):
            return None
        alone = len(self.case.futures) == 1 and len(values) == 1
        return _number(next(iter(values.values())) if alone else values.get(name))


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None  # type: ignore[arg-type]
