"""Routes: everything is served, or said to be unserved, where it may run and when it may.

Σ share + unserved = 1        per cell with work, within 1e-6, first steps of recipes included; no share outside [0, 1]
Σ share of step k = Σ share of step 0        per recipe, cell and period
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.verification.base.audit import Audit
from router.verification.base.cells import CellKey, share_limit
from router.verification.base.eligibility import Candidate
from router.verification.base.ledger import RELATIVE, Ledger


def check_fields(audit: Audit, ledger: Ledger) -> None:
    """Rows are well-formed and speak of work and pools that there are, no two of the same."""
    flows, unserved = audit.flows, audit.unserved
    keys: set[tuple[object, ...]] = set()
    for flow in flows:
        key: tuple[object, ...] = (flow.cell.key, flow.row.offer, flow.row.model, flow.row.period)
        if key in keys:
            ledger.fault(flow.cell, "on", flow.row.offer, flow.row.model, "is listed twice")
        keys.add(key)
    for work in unserved:
        if work.cell.key in keys:
            ledger.fault(work.cell, "is listed twice as unserved")
        keys.add(work.cell.key)
    _ = audit.pools  # notes the rows that are of no pool


def check_traces(audit: Audit, ledger: Ledger) -> None:
    """Recorded demand can be read: what cannot is noted while the case is made."""
    _ = audit.case


def check_demand(audit: Audit, ledger: Ledger) -> None:
    """Shares of every cell with work sum to 1, and only work that may be left is left."""
    shares: dict[CellKey, list[float]] = defaultdict(list)
    for work in audit.work:
        share = work.row.share
        if not -1e-12 <= share <= 1 + RELATIVE:
            ledger.fault(work.cell, f"share {share:.10g} is outside [0, 1]")
        shares[work.cell.key].append(share)
    for gap in audit.unserved:
        if gap.workload.unserved_usd_per_m_tokens is None and gap.row.share > RELATIVE and gap.units > 0:
            ledger.fault(gap.cell, "may not be left unserved")
    for work in audit.flows:  # a recipe's first step serves the workload
        step = audit.case.steps.get(work.row.workload)
        if step is not None and step.step == 0:
            shares[(step.whole, *work.cell.key[1:])].append(work.row.share)
    for key, cell in audit.cells.items():
        if cell.units > 0 and cell.workload not in audit.case.steps:
            ledger.equal(math.fsum(shares[key]), 1.0, cell, "shares sum to", slack=0.0)


def check_recipes(audit: Audit, ledger: Ledger) -> None:
    """All steps of a recipe carry the same share of a cell's work, in the same period."""
    carried: dict[tuple[CellKey, int], list[float]] = defaultdict(list)
    for flow in audit.flows:
        if flow.row.workload in audit.case.steps:
            carried[flow.cell.key, flow.row.period].append(flow.row.share)
    for (key, period), shares in list(carried.items()):
        step = audit.case.steps[key[0]]
        for name, other in audit.case.steps.items():
            if other.first == step.first:
                there = math.fsum(carried.get(((name, *key[1:]), period), ()))
                at = (audit.cells[key], "in period", period, "share, as of", name)
                ledger.equal(math.fsum(shares), there, *at, slack=0.0)


def check_windows(audit: Audit, ledger: Ledger) -> None:
    """Work runs in the periods of its cell only, on an offer while that is open, and is answered when it is due."""
    for work in audit.work:
        ledger.require(work.row.period in work.cell.runs, work.cell, "may not run in period", work.row.period)
    for flow in audit.flows:
        if flow.row.period not in flow.cell.runs:
            continue
        if flow.offer.turnaround_h is not None:
            in_time = flow.cell.answered_in_time(flow.offer, flow.row.period)
            ledger.require(in_time, flow.cell, "is answered too late by", flow.offer.name, flow.row.period)
        if flow.offer.schedule and flow.units > 0:
            most = share_limit(audit.case, flow.cell, flow.offer, flow.row.period)
            at = (flow.cell, "on", flow.offer.name, "in period", flow.row.period, "share while it is open")
            ledger.at_most(flow.row.served_share, most, *at)


def check_quantities(audit: Audit, ledger: Ledger) -> None:
    """Requests and tokens of every row are its share of what its cell asks for."""
    for work in audit.work:
        cell, unit, row, units = work.cell, work.unit, work.row, work.units
        if unit.requests is None:
            ledger.require(row.requests is None, cell, "states requests, though no size is given")
        elif row.requests is None:
            ledger.fault(cell, "states no requests")
        else:
            ledger.equal(row.requests, units, cell, "requests")
        ledger.equal(row.prompt_tokens, units * unit.prompt, cell, "prompt_tokens")
        ledger.equal(row.completion_tokens, units * unit.completion, cell, "completion_tokens")
    for gap in audit.unserved:
        ledger.money(gap.row.usd, gap.usd, gap.cell, "unserved usd")


def check_admissibility(audit: Audit, ledger: Ledger) -> None:
    """Every route that is used is admissible."""
    for candidate in dict.fromkeys((row.workload, row.offer, row.model) for row in audit.rows.routes):
        reasons = audit.verdicts.get(candidate, ("not a model of the workload",))
        ledger.require(not reasons, *candidate, "is refused:", ", ".join(reasons))


def check_refused(audit: Audit, ledger: Ledger) -> None:
    """The plan's refusals are ours, reason by reason, and it misses none."""
    listed: set[Candidate] = set()
    for row in audit.rows.refused:
        candidate = (row.workload, row.offer, row.model)
        if candidate in listed:
            ledger.fault(*candidate, "is listed twice")
        listed.add(candidate)
        ours = audit.verdicts.get(candidate)
        if ours is None:
            ledger.fault(*candidate, "is not a candidate")
        elif ours != row.reasons:
            ledger.fault(*candidate, f"is refused for {list(row.reasons)}, by our judgement for {list(ours)}")
        else:
            ledger.looked_at += 1
    for candidate, reasons in audit.verdicts.items():
        if reasons and candidate not in listed:
            ledger.fault(*candidate, f"is not listed, by our judgement refused for {list(reasons)}")
