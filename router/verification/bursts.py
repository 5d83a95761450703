"""What caps by the minute meet inside a period, worked out again from its minutes.

X in a minute is the sum over flows of what each takes of the cap in the period, over the period's minutes, times the
shape of its workload's demand in that minute (1 for work that moves). The cap is that of the provider, before
`max_utilisation`, and where rules change it the mean by hours of the period:

    utilisation = mean of X / cap,   minutes_above = P(X > cap),   refused = E[(X − cap)⁺] / E[X]
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from router.plan.rows import QuotaRow
from router.verification.base.audit import Audit
from router.verification.base.case import Case
from router.verification.base.flows import Flow
from router.verification.base.ledger import Ledger
from router.verification.base.quotas import BY_MINUTE, Allowance, Cap

if TYPE_CHECKING:
    from router.verification.minutes import Minutes, Shape

NEAR = 1e-9

type Sent = dict[tuple[str, str, int, str | None], list[tuple[Cap, Flow, float]]]
"""By quota, kind, period and scenario: the flows that count, and what each takes of the cap."""


def check_bursts(audit: Audit, ledger: Ledger) -> None:
    """A row for every cap by the minute in every period in which it counts anything, with the right figures.

    Plans without the table say nothing of minutes, and nothing is looked at.
    """
    if audit.plan.quotas is None:
        return
    sent = _sent(audit)
    rows = {(row.quota, row.kind, row.period, row.scenario): row for row in audit.rows.quotas or ()}
    ledger.require(len(rows) == len(audit.plan.quotas), "quotas: a cap and period stand there twice")
    for key in sent.keys() ^ rows.keys():
        ledger.fault(*key, "is not stated" if key in sent else "counts nothing there")
    if sent:
        _figures(audit, ledger, sent, rows)


def _sent(audit: Audit) -> Sent:
    allowance = Allowance(audit.case)
    sent: Sent = defaultdict(list)
    for flow in audit.flows:
        if flow.entry is None or flow.units <= 0 or flow.offer.spills:
            continue
        row = flow.row
        for cap in allowance.of(row.workload, row.offer, row.model):
            if cap.kind not in BY_MINUTE:
                continue
            amount = flow.units * cap.amount(flow.unit, flow.entry)
            most = allowance.mean(cap, *audit.case.span(row.period)) / cap.utilisation
            if amount > 0 and 0 < most < math.inf:
                sent[cap.name, cap.kind, row.period, row.scenario].append((cap, flow, amount))
    return sent


def _figures(
    audit: Audit, ledger: Ledger, sent: Sent, rows: dict[tuple[str, str, int, str | None], QuotaRow]
) -> None:
    from router.verification.minutes import stated_minutes  # here: it loads arrays, and few plans need it

    case, minutes = audit.case, stated_minutes(ledger, audit)
    if minutes is None:
        return
    allowance = Allowance(case)
    for key, flows in sent.items():
        row = rows.get(key)
        if row is None:
            continue
        cap = flows[0][0]
        most = allowance.mean(cap, *case.span(key[2])) / cap.utilisation
        parts = [(amount / (60.0 * case.period_h), _shape(case, minutes, flow)) for _, flow, amount in flows]
        utilisation, above, refused = minutes.met(parts, most)
        ledger.equal(row.utilisation, utilisation, *key, "utilisation")
        ledger.equal(row.minutes_above, above, *key, "minutes_above", slack=NEAR)
        ledger.equal(row.refused, refused, *key, "refused", slack=NEAR)


def _shape(case: Case, minutes: Minutes, flow: Flow) -> Shape | None:
    """Of the work that comes from an origin, of which a flow may be a step of a recipe; None: even."""
    load, step = flow.workload, case.steps.get(flow.workload.name)
    if load.window is not None or load.deferrable_h is not None:
        return None
    whole = load if step is None else case.workloads[step.whole]
    units = flow.cell.units / (1.0 if step is None else step.requests)
    sized = flow.unit.requests is not None
    return minutes.shape(whole, flow.row.period, units, sized=sized)
