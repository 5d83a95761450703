"""Change against a running plan: its caps, freezes and pins; `base.change` says what is moved and resized.

frozen   a cell or a count of the first freeze_h hours     moved = 0, resized = 0
pinned   a workload's routes stay; an offer's routes and counts stay; or the share of the one on the other
cap      Σ tokens · moved / tokens ≤ max_moved_share       in every future; tokens: what is asked for, by recipe what
                                                          its steps take

Of the section `reoptimise`, moved_share, resized and churn_usd follow from the rows and `running`, and gain_usd is
running_usd − cost_usd. What going on would cost, and which plan it replaces, stand in no other place of the file.
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.verification.base.audit import Audit
from router.verification.base.case import Future
from router.verification.base.cells import CellKey
from router.verification.base.change import EarlierPlan, steps_of, where_of
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.parts import stated_name
from router.verification.base.work import unit_of

SLACK = 1e-6
"""Of a share; the shares of a cell sum to 1 within as much."""


def check_churn(audit: Audit, ledger: Ledger) -> None:
    """What may not move does not, and no more than may does."""
    case, before = audit.case, audit.earlier
    change = case.problem.reoptimise
    _check_report(audit, ledger)
    if before is None:
        return
    _check_known(audit, before, ledger)
    report = audit.plan.reoptimise
    thawed = report is not None and bool(report.broken) and before.freeze_h == 0
    freeze_h = change.freeze_h if change is not None else 0.0
    ledger.require(thawed or before.freeze_h == freeze_h, "freeze_h applied is", before.freeze_h)
    _check_frozen(audit, before, ledger)
    if change is None:
        return
    for pin in change.pins:
        if pin.offer is None:
            _check_pinned_workload(audit, pin.workload, ledger)
        else:
            _check_pinned_offer(audit, before, pin.workload, pin.offer, ledger)
    if change.max_moved_share is not None:
        for future in case.futures:
            share = _moved_share(audit, future)
            ledger.at_most(share, change.max_moved_share, future.name, "moved share", slack=SLACK)


def _moved_share(audit: Audit, future: Future) -> float:
    """Σ tokens · moved / Σ tokens; 0 of nothing. Of what recipes answer, tokens of their steps are all there are."""
    case, cells = audit.case, [cell for cell in audit.cells.values() if cell.future is future]
    each = {name: unit_of(load).tokens for name, load in case.workloads.items()}
    tokens = {cell.key: cell.units * each[cell.workload] for cell in cells}
    run = [tokens[cell.key] for cell in cells if cell.workload not in case.steps]
    for flow in audit.flows:
        if flow.future is future and flow.cell.workload in case.steps:
            answered, requests = case.answered(flow.cell.workload)
            run.append(flow.tokens - flow.units * requests * each[answered])
    whole = math.fsum(run)
    part = math.fsum(audit.moved.get(key, 0.0) * amount for key, amount in tokens.items())
    return part / whole if whole > 0 else 0.0


def _check_report(audit: Audit, ledger: Ledger) -> None:
    """The figures of a plan that a scheduled run put in force."""
    report, before, case = audit.plan.reoptimise, audit.earlier, audit.case
    if report is None:
        return
    stated = (report.replaces, report.churn_usd, report.moved_share, report.resized)
    if before is None:
        ledger.require(
            report.reason == "first", "reoptimise.reason is", report.reason, "with nothing running"
        )
        figures = (*stated, report.running_usd, report.gain_usd)
        ledger.require(
            figures == (None,) * 6 and not report.broken, "reoptimise has figures of the first plan"
        )
        return
    repaired = bool(report.broken)
    right = "repair" if repaired else "cheaper"
    ledger.require(report.reason == right, "reoptimise.reason is", report.reason, "not", right)
    ledger.require((report.running_usd is None) == repaired, "reoptimise.running_usd", report.running_usd)
    gain = None if report.running_usd is None else report.running_usd - audit.plan.cost_usd
    future = case.futures[0]
    steps = (step for _, _, step in steps_of(case, audit.pools, before, future))
    churn = math.fsum(line.usd for line in audit.plan.cost_lines if line.kind == "churn")
    for name, theirs, ours, slack in (
        ("moved_share", report.moved_share, _moved_share(audit, future), SLACK),
        ("resized", report.resized, math.fsum(steps), SLACK),
        ("churn_usd", report.churn_usd, churn, SLACK),
        ("gain_usd", report.gain_usd, gain, SLACK),
    ):
        if theirs is None or ours is None:
            ledger.require(theirs is ours, "reoptimise", name, "is", theirs, "not", ours)
        else:
            ledger.equal(theirs, ours, "reoptimise", name, slack=slack * max(1.0, abs(ours)))


def _check_known(audit: Audit, before: EarlierPlan, ledger: Ledger) -> None:
    """The section speaks of this problem's cells and pools."""
    case, places = audit.case, {where_of(cell) for cell in audit.cells.values()}
    for at, shares in before.shares.items():
        ledger.require(at in places, "running: no such work:", *at)
        ledger.at_most(math.fsum(shares.values()), 1.0, "running:", *at, "shares sum to", slack=SLACK)
    for offer, model, period in before.counts:
        there = offer in case.offers and case.offers[offer].instances is not None and period < case.periods
        ledger.require(there, "running: no such pool:", offer, model, period)


def _check_frozen(audit: Audit, before: EarlierPlan, ledger: Ledger) -> None:
    case = audit.case
    for key, share in audit.moved.items():
        if min(audit.cells[key].runs) * case.period_h < before.freeze_h - 1e-9:
            ledger.at_most(share, 0.0, audit.cells[key], "is frozen, moved", slack=SLACK)
    for future in case.futures:
        for place, period, step in steps_of(case, audit.pools, before, future):
            if period * case.period_h < before.freeze_h - 1e-9:
                ledger.at_most(step, 0.0, *place, "period", period, "is frozen, resized", slack=RELATIVE)


def _check_pinned_workload(audit: Audit, workload: str | None, ledger: Ledger) -> None:
    for key, share in audit.moved.items():
        if _stated(audit, key) == workload:
            ledger.at_most(share, 0.0, audit.cells[key], "is pinned, moved", slack=SLACK)


def _stated(audit: Audit, key: CellKey) -> str:
    """The workload of the file that a cell is a part of."""
    return stated_name(audit.case.workloads[audit.cells[key].workload])


def _check_pinned_offer(
    audit: Audit, before: EarlierPlan, workload: str | None, offer: str, ledger: Ledger
) -> None:
    """The share of a workload on it stays; where none is named, that of all workloads, and its counts."""
    now: dict[CellKey, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for flow in audit.flows:
        if flow.row.offer == offer:
            now[flow.cell.key][flow.row.model].append(flow.row.share)
    for key in audit.moved:
        cell = audit.cells[key]
        if workload is None or _stated(audit, key) == workload:
            old = {m: share for (o, m), share in before.shares[where_of(cell)].items() if o == offer}
            for model in old.keys() | now[key].keys():
                share = math.fsum(now[key][model]) if model is not None else 0.0
                at = (cell, "on", offer, model, "is pinned, share")
                ledger.equal(share, old.get(model, 0.0), *at, slack=SLACK)
    if workload is None:
        for future in audit.case.futures:
            for place, period, step in steps_of(audit.case, audit.pools, before, future):
                if audit.case.halves.get(place[0], place[0]) == offer:
                    ledger.at_most(step, 0.0, *place, "period", period, "is pinned, resized", slack=RELATIVE)
