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

from router.verification.base.case import Case, Future
from router.verification.base.costs import cvar, mixed
from router.verification.base.work import unit_of
from router.verification.sizing.others import check_fresh, check_others
from router.verification.sizing.quotes import check_quotes
from router.verification.sizing.section import Section, listed, number
from router.verification.sizing.signs import check_signs

SHOWN = 5  # of the dearest scenarios


def check_figures(section: Section) -> None:
    """Everything in the section that can be worked out again."""
    _check_objective(section)
    if "ws_usd" in section.stated:
        _check_measures(section)
    check_signs(section)
    _check_worst(section)
    check_others(section)
    check_quotes(section)
    check_fresh(section)


def _check_objective(section: Section) -> None:
    case, risk = section.case, section.case.problem.risk
    section.same("rp_usd", section.rp)
    section.same("objective_usd", section.rp)
    section.same("expected_usd", section.audit.expected_usd)
    weighted = [(future.probability, section.audit.costs.of(future)) for future in case.futures]
    section.same("cvar_usd", cvar(weighted, risk.cvar_level))
    for name, value in (("cvar_level", risk.cvar_level), ("cvar_weight", risk.cvar_weight)):
        stated = section.stated.get(name)
        section.ledger.require(stated == value, name, f"is {stated!r}, not {value}")


def _check_measures(section: Section) -> None:
    """Regret gives each scenario's own best, and these WS; the differences follow."""
    case, ledger, stated = section.case, section.ledger, section.stated
    own = []
    for future in case.futures:
        value = section.of_future(stated.get("regret_usd"), future.name)
        if value is None or value < 0:
            ledger.fault("regret_usd of", future.name, f"is {value!r}")
            return
        own.append(section.audit.costs.of(future) - value)
    ws, eev = mixed(case, own), number(stated.get("eev_usd"))
    section.same("ws_usd", ws)
    section.same("evpi_usd", section.rp - ws)
    ledger.require(number(stated.get("ev_usd")) is not None, "ev_usd is not stated")
    fails = listed(stated.get("eev_fails_in"))
    known = {future.name for future in case.futures} | {row.name for row in section.audit.rows.scenarios}
    if fails:
        named = all(isinstance(name, str) and name in known for name in fails)
        ledger.require(named or len(case.futures) == 1, "eev_fails_in names no scenario of the plan")
        ledger.require(stated.get("eev_usd") is None, "eev_usd is stated, though it fails somewhere")
        ledger.require(stated.get("vss_usd") is None, "vss_usd is stated, though eev_usd is not")
    elif eev is None:
        ledger.fault("eev_usd is not stated")
    else:
        section.above_bound(eev, "eev_usd")
        section.same("vss_usd", eev - section.rp)


def _check_worst(section: Section) -> None:
    """The dearest scenarios, the dearest first; of those of one cost, whichever."""
    case, ledger = section.case, section.ledger
    rows = section.table("worst")
    by_name = {future.name: future for future in case.futures}
    dearest = sorted((section.audit.costs.of(future) for future in case.futures), reverse=True)
    whole = 0 if len(by_name) == 1 else min(len(by_name), SHOWN)
    ledger.require(
        "worst" not in section.stated or len(rows) == whole, f"worst: {len(rows)} rows, not {whole}"
    )
    tokens = _tokens(section)
    mean = math.fsum(future.probability * tokens[future.name] for future in case.futures)
    for i, row in enumerate(rows[:whole]):
        name = row.get("scenario")
        future = by_name.pop(name, None) if isinstance(name, str) else None
        if future is None:
            ledger.fault("worst:", name, "is not a scenario of the plan, or listed twice")
            continue
        at, cost = ("worst:", name), section.audit.costs.of(future)
        ledger.money(cost, dearest[i], *at, "is not in order of cost:")
        section.field(row, "cost_usd", cost, *at)
        section.field(row, "probability", future.probability, *at)
        section.field(row, "over_expected_usd", cost - section.audit.expected_usd, *at)
        section.field(row, "demand_over_mean", tokens[future.name] / mean if mean > 0 else None, *at)
        regret = section.of_future(section.stated.get("regret_usd"), future.name)
        section.field(row, "regret_usd", regret, *at)
        for what, moved in _moved(case, future).items():
            ledger.require(row.get(what, moved) == moved, *at, what, f"are {row.get(what)!r}, not {moved}")


def _tokens(section: Section) -> dict[str | None, float]:
    """All work of each future, in tokens; in requests where these have none."""
    each = {name: unit_of(load).tokens for name, load in section.case.workloads.items()}
    if not any(each.values()):
        each = dict.fromkeys(each, 1.0)
    parts: dict[str | None, list[float]] = defaultdict(list)
    for cell in section.audit.cells.values():
        parts[cell.future.name].append(cell.units * each[cell.workload])
    return {future.name: math.fsum(parts[future.name]) for future in section.case.futures}


def _moved(case: Case, future: Future) -> dict[str, dict[str, float]]:
    """Multipliers other than 1, by offer; availability is of instances."""
    prices = {name: future.price_of(name) for name in case.offers}
    owned = [name for name, offer in case.offers.items() if offer.instances is not None]
    available = {name: future.availability_of(name) for name in owned}
    return {
        what: {name: value for name, value in values.items() if value != 1.0}
        for what, values in (("prices", prices), ("availability", available))
    }
