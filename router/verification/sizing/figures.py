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
from router.verification.sizing.section import Section
from router.verification.sizing.signs import check_signs

SHOWN = 5  # of the dearest scenarios


def check_figures(section: Section) -> None:
    """Everything in the section that can be worked out again."""
    _check_objective(section)
    if section.stated.ws_usd is not None:
        _check_measures(section)
    check_signs(section)
    _check_worst(section)
    check_others(section)
    check_quotes(section)
    check_fresh(section)


def _check_objective(section: Section) -> None:
    case, stated, ledger, risk = section.case, section.stated, section.ledger, section.case.problem.risk
    ledger.money(stated.rp_usd, section.rp, "rp_usd")
    ledger.money(stated.objective_usd, section.rp, "objective_usd")
    ledger.money(stated.expected_usd, section.audit.expected_usd, "expected_usd")
    weighted = [(future.probability, section.audit.costs.of(future)) for future in case.futures]
    ledger.money(stated.cvar_usd, cvar(weighted, risk.cvar_level), "cvar_usd")
    ledger.require(stated.cvar_level == risk.cvar_level, "cvar_level is", stated.cvar_level)
    ledger.require(stated.cvar_weight == risk.cvar_weight, "cvar_weight is", stated.cvar_weight)


def _check_measures(section: Section) -> None:
    """Regret gives each scenario's own best, and these WS; the differences follow."""
    case, ledger, stated = section.case, section.ledger, section.stated
    own = []
    for future in case.futures:
        value = section.of_future(stated.regret_usd, future.name)
        if value is None or value < 0:
            ledger.fault("regret_usd of", future.name, f"is {value!r}")
            return
        own.append(section.audit.costs.of(future) - value)
    ws, eev = mixed(case, own), stated.eev_usd
    section.money(stated.ws_usd, ws, "ws_usd")
    section.money(stated.evpi_usd, section.rp - ws, "evpi_usd")
    ledger.require(stated.ev_usd is not None, "ev_usd is not stated")
    names = {future.name for future in case.futures} | {row.name for row in section.audit.rows.scenarios}
    if stated.eev_fails_in:
        right = set(stated.eev_fails_in) <= names
        ledger.require(
            right or len(case.futures) == 1, "eev_fails_in names a scenario that the plan does not have"
        )
        ledger.require(eev is None, "eev_usd is stated, though it fails somewhere")
        ledger.require(stated.vss_usd is None, "vss_usd is stated, though eev_usd is not")
    elif eev is None:
        ledger.fault("eev_usd is not stated")
    else:
        section.above_bound(eev, "eev_usd")
        section.money(stated.vss_usd, eev - section.rp, "vss_usd")


def _check_worst(section: Section) -> None:
    """The dearest scenarios, the dearest first; of those of one cost, whichever."""
    case, ledger = section.case, section.ledger
    rows = section.stated.worst
    by_name = {future.name: future for future in case.futures}
    dearest = sorted((section.audit.costs.of(future) for future in case.futures), reverse=True)
    whole = 0 if len(by_name) == 1 else min(len(by_name), SHOWN)
    ledger.require(len(rows) == whole, f"worst: {len(rows)} rows, not {whole}")
    tokens = _tokens(section)
    mean = math.fsum(future.probability * tokens[future.name] for future in case.futures)
    for i, row in enumerate(rows[:whole]):
        future = by_name.pop(row.scenario, None)
        if future is None:
            ledger.fault("worst:", row.scenario, "is not a scenario of the plan, or listed twice")
            continue
        at, cost = ("worst:", row.scenario), section.audit.costs.of(future)
        ledger.money(cost, dearest[i], *at, "is not in order of cost:")
        section.equal(row.cost_usd, cost, *at, "cost_usd")
        section.equal(row.probability, future.probability, *at, "probability")
        section.equal(row.over_expected_usd, cost - section.audit.expected_usd, *at, "over_expected_usd")
        over = tokens[future.name] / mean if mean > 0 else None
        section.equal(row.demand_over_mean, over, *at, "demand_over_mean")
        regret = section.of_future(section.stated.regret_usd, future.name)
        section.equal(row.regret_usd, regret, *at, "regret_usd")
        prices, availability = _moved(case, future)
        ledger.require(row.prices == prices, *at, f"prices are {row.prices}, not {prices}")
        ledger.require(
            row.availability == availability, *at, f"availability is {row.availability}, not {availability}"
        )


def _tokens(section: Section) -> dict[str | None, float]:
    """All work of each future as it is asked for, in tokens; in requests where these have none."""
    each = {name: unit_of(load).tokens for name, load in section.case.workloads.items()}
    if not any(each.values()):
        each = dict.fromkeys(each, 1.0)
    parts: dict[str | None, list[float]] = defaultdict(list)
    for cell in section.audit.cells.values():
        if cell.workload not in section.case.steps:
            parts[cell.future.name].append(cell.units * each[cell.workload])
    return {future.name: math.fsum(parts[future.name]) for future in section.case.futures}


def _moved(case: Case, future: Future) -> tuple[dict[str, float], dict[str, float]]:
    """Multipliers of prices (of offers and hosts) and of availability (of instances) other than 1."""
    priced = [name for name in (*case.offers, *case.hosts) if name not in case.halves]
    running = [name for name in case.instances if name not in case.halves]
    return (
        {name: value for name in priced if (value := future.price_of(name)) != 1.0},
        {name: value for name in running if (value := future.availability_of(name)) != 1.0},
    )
