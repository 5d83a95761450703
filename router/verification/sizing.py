"""The section `sizing` of a sized plan: its figures follow from the scenarios' costs, and from each other.

    rp = objective of the scenarios' costs        expected, cvar    the same costs        (all recomputed)
    own best of a scenario = cost − regret        ws = objective of these,  ws ≤ rp
    evpi = rp − ws,   vss = eev − rp              eev ≥ bound; null where futures fail under the plan for the mean
    worst                                         the dearest scenarios, with their demand, prices and regret
    signs, others, quotes, fresh                  what is signed, what other decisions cost, quotes, fresh futures

What other decisions cost cannot be told from one plan: such figures are held against the bound and against each other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from router.verification.bills import Bill, BillKey
from router.verification.case import Case, Future
from router.verification.cells import Cell, CellKey
from router.verification.checks import Ledger
from router.verification.fresh import check_fresh
from router.verification.instances import Pool, PoolKey
from router.verification.money import Costs
from router.verification.others import check_others
from router.verification.quotes import check_quotes
from router.verification.rows import PlanRows
from router.verification.section import Section, listed, number
from router.verification.signs import check_signs
from router.verification.summary import cvar, expected, mixed
from router.verification.work import unit_of

SHOWN = 5  # of the dearest scenarios


def check_sizing(
    case: Case,
    plan: Mapping[str, object],
    rows: PlanRows,
    costs: Costs,
    cells: Mapping[CellKey, Cell],
    bills: Mapping[BillKey, Bill],
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
    told = Section(case, sizing, rows, costs, cells, bills, pools, ledger)
    _check_objective(told)
    if "ws_usd" in sizing:
        _check_measures(told)
    check_signs(told)
    _check_worst(told)
    check_others(told)
    check_quotes(told)
    check_fresh(told)


def _check_objective(told: Section) -> None:
    case, risk = told.case, told.case.problem.risk
    told.same("rp_usd", told.rp)
    told.same("objective_usd", told.rp)
    told.same("expected_usd", expected(case, told.costs))
    weighted = [(future.probability, told.costs.of(future)) for future in case.futures]
    told.same("cvar_usd", cvar(weighted, risk.cvar_level))
    for name, value in (("cvar_level", risk.cvar_level), ("cvar_weight", risk.cvar_weight)):
        stated = told.stated.get(name)
        told.ledger.require(stated == value, name, f"is {stated!r}, not {value}")


def _check_measures(told: Section) -> None:
    """Regret gives each scenario's own best, and these WS; the differences follow."""
    case, ledger, stated = told.case, told.ledger, told.stated
    own = []
    for future in case.futures:
        value = told.of_future(stated.get("regret_usd"), future.name)
        if value is None or value < 0:
            ledger.fault("regret_usd of", future.name, f"is {value!r}")
            return
        own.append(told.costs.of(future) - value)
    ws, eev = mixed(case, own), number(stated.get("eev_usd"))
    told.same("ws_usd", ws)
    told.same("evpi_usd", told.rp - ws)
    ledger.require(number(stated.get("ev_usd")) is not None, "ev_usd is not stated")
    fails = listed(stated.get("eev_fails_in"))
    known = {future.name for future in case.futures} | {row.name for row in told.rows.scenarios}
    if fails:
        named = all(isinstance(name, str) and name in known for name in fails)
        ledger.require(named or len(case.futures) == 1, "eev_fails_in names no scenario of the plan")
        ledger.require(stated.get("eev_usd") is None, "eev_usd is stated, though it fails somewhere")
        ledger.require(stated.get("vss_usd") is None, "vss_usd is stated, though eev_usd is not")
    elif eev is None:
        ledger.fault("eev_usd is not stated")
    else:
        told.above_bound(eev, "eev_usd")
        told.same("vss_usd", eev - told.rp)


def _check_worst(told: Section) -> None:
    """The dearest scenarios, the dearest first; of those of one cost, whichever."""
    case, ledger = told.case, told.ledger
    rows = told.table("worst")
    by_name = {future.name: future for future in case.futures}
    dearest = sorted((told.costs.of(future) for future in case.futures), reverse=True)
    whole = 0 if len(by_name) == 1 else min(len(by_name), SHOWN)
    ledger.require("worst" not in told.stated or len(rows) == whole, f"worst: {len(rows)} rows, not {whole}")
    tokens = _tokens(told)
    mean = math.fsum(future.probability * tokens[future.name] for future in case.futures)
    for i, row in enumerate(rows[:whole]):
        name = row.get("scenario")
        future = by_name.pop(name, None) if isinstance(name, str) else None
        if future is None:
            ledger.fault("worst:", name, "is not a scenario of the plan, or listed twice")
            continue
        at, cost = ("worst:", name), told.costs.of(future)
        ledger.money(cost, dearest[i], *at, "is not in order of cost:")
        told.field(row, "cost_usd", cost, *at)
        told.field(row, "probability", future.probability, *at)
        told.field(row, "over_expected_usd", cost - expected(case, told.costs), *at)
        told.field(row, "demand_over_mean", tokens[future.name] / mean if mean > 0 else None, *at)
        regret = told.of_future(told.stated.get("regret_usd"), future.name)
        told.field(row, "regret_usd", regret, *at)
        for what, moved in _moved(case, future).items():
            ledger.require(row.get(what, moved) == moved, *at, what, f"are {row.get(what)!r}, not {moved}")


def _tokens(told: Section) -> dict[str | None, float]:
    """All work of each future, in tokens; in requests where these have none."""
    each = {name: unit_of(load).tokens for name, load in told.case.workloads.items()}
    if not any(each.values()):
        each = dict.fromkeys(each, 1.0)
    parts: dict[str | None, list[float]] = defaultdict(list)
    for cell in told.cells.values():
        parts[cell.future.name].append(cell.units * each[cell.workload])
    return {future.name: math.fsum(parts[future.name]) for future in told.case.futures}


def _moved(case: Case, future: Future) -> dict[str, dict[str, float]]:
    """Multipliers other than 1, by offer; availability is of instances."""
    prices = {name: future.price_of(name) for name in case.offers}
    owned = [name for name, offer in case.offers.items() if offer.instances is not None]
    available = {name: future.availability_of(name) for name in owned}
    return {
        what: {name: value for name, value in values.items() if value != 1.0}
        for what, values in (("prices", prices), ("availability", available))
    }
