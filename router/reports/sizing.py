"""A sized plan as a buyer reads it: what to sign, what it is expected to cost, and how much that can be relied on.

What else was on the table stands in `sizing_choices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from router.plan.document import Plan
from router.plan.left_out import out_of_time
from router.plan.sizing import Advised, Sizing, WorstFuture
from router.plan.values import MONTH_H
from router.reports.document import Report, ReportTable, columns
from router.reports.plan import plan_report, verdict
from router.reports.sizing_choices import (
    alternatives,
    amount,
    amounts,
    evaluated,
    failing,
    flips,
    frontier,
    quotes,
    signs,
)
from router.reports.words import as_sentence, count, hours, percent, proof, usd

UNPROVEN = 1e-3  # gap from which on an advice is only the best that was found
ROUGH = "95 % confidence, about"  # of a tail of few futures
CLOSE = 1e-5  # gap up to which searches behind alternatives and quotes need no word


def report_of(plan: Plan) -> Report:
    """A plan's report, whichever command made it."""
    return plan_report(plan) if plan.sizing is None else sizing_report(plan, plan.sizing)


def sizing_report(plan: Plan, sizing: Sizing) -> Report:
    """The recommendation first, then what it rests on, then the plan's own tables."""
    tables = (
        _sign(sizing),
        _measures(sizing),
        alternatives(sizing),
        amounts(sizing),
        quotes(sizing),
        flips(sizing),
        *evaluated(plan, sizing),
        frontier(sizing),
        _worst(sizing),
        _fresh(sizing),
        *(
            table
            for table in plan_report(plan).tables
            if table.title != "Futures" or len(plan.scenarios) <= 12
        ),
    )
    notes = (*_notes(sizing), *plan.notes)
    return Report(plan.name, _headline(plan, sizing), tuple(table for table in tables if table.rows), notes)


def _headline(plan: Plan, sizing: Sizing) -> tuple[str, ...]:
    now = [row for row in sizing.sign if not row.from_h]
    later = [row for row in sizing.sign if row.from_h]
    first = f"sign {signs(now)}{' now' if later else ''}"
    if plan.gap is None or plan.gap > UNPROVEN:
        first = f"best found so far: {first}"
    money = f"{usd(plan.cost_usd)} USD expected over {hours(plan.horizon_h)}"
    if len(plan.scenarios) > 1:
        tail = percent(1.0 - sizing.cvar_level)
        money += f"; {usd(sizing.cvar_usd)} USD in the worst {tail} of {len(plan.scenarios)} futures"
    kind = "solver" if plan.proof is None else plan.proof.kind
    limit_s, by = plan.solver.options.time_limit_s, plan.solver.name
    good = proof(plan.gap, plan.stop, limit_s, kind=kind, solver=by, usd=plan.objective_usd)
    planned = (f"Planned for later: {signs(later)}",) if later else ()
    return (
        first,
        *planned,
        money,
        *_liability(now, later),
        *_reservations(sizing),
        as_sentence(good, plan.solver.name),
        verdict(plan),
    )


def _liability(now: Sequence[Advised], later: Sequence[Advised]) -> tuple[str, ...]:
    """What signing binds to."""
    if not later:
        return (f"Owed whatever comes: {_owed(now)}",) if now else ()
    parts = [
        f"{_owed(rows)} by {what}"
        for rows, what in ((now, "what is signed now"), (later, "what is planned for later"))
        if rows
    ]
    return (f"Owed whatever comes: {'; '.join(parts)}",)


def _owed(rows: Sequence[Advised]) -> str:
    after = fsum(row.beyond_horizon_usd for row in rows)
    inside = f"{usd(fsum(row.least_usd for row in rows))} USD within the horizon"
    return f"{inside} and {usd(after)} after it" if after > 0 else inside


def _reservations(sizing: Sizing) -> tuple[str, ...]:
    """What fresh futures say against the figures above."""
    fresh = sizing.out_of_sample
    if fresh is None:
        return ()
    if fresh.failed:
        share = percent(fresh.failed / fresh.count)
        return (f"NOT SERVED: {fresh.failed} of {fresh.count} fresh futures ({share}) under what is signed",)
    told = []
    tail = f"the worst {percent(1.0 - fresh.cvar_level)} of fresh futures"
    for what, planned, drawn, (low, high), sure in (
        ("fresh futures", sizing.expected_usd, fresh.mean_usd, fresh.ci95_usd, "95 % confidence"),
        (tail, sizing.cvar_usd, fresh.cvar_usd, fresh.cvar_ci95_usd, ROUGH),
    ):
        if low is not None and high is not None and not low <= planned <= high:
            side = "more" if low > planned else "less"
            text = f"{what} cost {side}: {usd(drawn)} USD, {sure} {usd(low)} to {usd(high)}"
            told.append(text[0].upper() + text[1:])
    return tuple(told)


def _sign(sizing: Sizing) -> ReportTable:
    rows = tuple(
        (
            str(row.offer) + (f", {row.model}" if row.model else ""),
            amount(row),
            _months(row),
            usd(row.expected_usd),
            usd(row.least_usd),
            percent(row.expected_use),
            usd(row.beyond_horizon_usd),
        )
        for row in sizing.sign
    )
    heads = columns(
        "offer", ">how much", "months", ">USD expected", ">owed at least", ">used of it", ">owed later"
    )
    expected = usd(fsum(row.expected_usd for row in sizing.sign))
    least = usd(fsum(row.least_usd for row in sizing.sign))
    later = usd(fsum(row.beyond_horizon_usd for row in sizing.sign))
    total = ("total", "", "", expected, least, "", later)
    return ReportTable("What to sign", heads, rows, total if len(rows) > 1 else None)


def _months(row: Advised) -> str:
    start, end = row.start_month, row.end_month
    if row.start_h is not None or row.end_h is not None:
        end_h = (end or 0) * MONTH_H if row.end_h is None else row.end_h
        return f"hours {row.from_h:g}–{end_h:g}"
    return "–" if start is None else f"{start + 1}–{end}"


def _measures(sizing: Sizing) -> ReportTable:
    heads = columns("", ">USD", "which is")
    title = "What planning with scenarios is worth"
    if sizing.ws_usd is None or len(sizing.regret_usd or {}) < 2:
        return ReportTable(title, heads, ())
    fails = sizing.eev_fails_in
    mean = f"EEV: signing {signs(sizing.eev_signs or ())}, then meeting all futures"
    rows = [
        ("this plan", usd(sizing.rp_usd), "RP: the best that can be signed now"),
        ("knowing the future", usd(sizing.ws_usd), "WS: each future at its own best"),
        ("worth of knowing it", usd(sizing.evpi_usd), "EVPI = RP − WS"),
        ("the mean future", usd(sizing.ev_usd), "EV: if nothing were uncertain"),
        ("signing for that", usd(sizing.eev_usd), mean),
        (
            "worth of scenarios",
            usd(sizing.vss_usd),
            f"none: that fails in {failing(fails)}" if fails else "VSS = EEV − RP",
        ),
        ("dearest futures", usd(sizing.cvar_usd), f"CVaR at {percent(sizing.cvar_level)}"),
    ]
    if sizing.budgets_cost_usd is not None:
        rows.append(
            ("the budgets", usd(sizing.budgets_cost_usd), "what the plan would cost less without them")
        )
    return ReportTable(title, heads, tuple(rows))


def _worst(sizing: Sizing) -> ReportTable:
    rows = tuple(
        (
            str(row.scenario),
            percent(row.probability),
            percent(row.demand_over_mean),
            _moved(row),
            usd(row.cost_usd),
            usd(row.over_expected_usd),
            usd(row.regret_usd),
        )
        for k, row in enumerate(sizing.worst)
        if k == 0 or row.over_expected_usd > 1e-9 * row.cost_usd  # the others are not bad
    )
    heads = columns(
        "future",
        ">probability",
        ">demand of the mean",
        "and",
        ">USD",
        ">above expected",
        ">regret of the signing",
    )
    return ReportTable("The worst futures", heads, rows).without_empty("and")


def _moved(row: WorstFuture) -> str:
    """Prices and availability that are not as stated."""
    parts = [f"{offer} at {percent(at)} of its price" for offer, at in row.prices.items()]
    parts += [f"{offer} {percent(at)} available" for offer, at in row.availability.items()]
    return ", ".join(parts)


def _fresh(sizing: Sizing) -> ReportTable:
    found = sizing.out_of_sample
    heads = columns("", ">USD", "")
    if found is None:
        return ReportTable("", heads, ())
    low, high = found.ci95_usd
    served = found.count - found.failed
    of = "" if served == found.count else f" of the {served} that are served"
    inside = "inside" if found.rp_inside_ci else "outside"
    rows = [
        (f"mean{of}", usd(found.mean_usd), f"95 % confidence: {usd(low)} to {usd(high)}"),
        ("expected by the plan", usd(sizing.expected_usd), f"{inside} that interval"),
    ]
    level = percent(found.cvar_level)
    low, high = found.cvar_ci95_usd
    if found.failed:
        rows.append((f"CVaR at {level}", "–", "not known: some futures have no plan"))
    else:
        sure = "" if low is None else f"{ROUGH}: {usd(low)} to {usd(high)}"
        rows.append((f"CVaR at {level}", usd(found.cvar_usd), sure))
        if low is not None and high is not None:
            inside = "inside" if low <= sizing.cvar_usd <= high else "outside"
            rows.append(("CVaR by the plan", usd(sizing.cvar_usd), f"{inside} that interval"))
    if found.unserved_usd > 0:
        rows.append(("of it for work left unserved", usd(found.unserved_usd), "on average"))
    rows.append(("not served", str(found.failed), f"of {found.count} futures"))
    for row in found.against:
        low, high = row.ci95_usd
        told = f"{_plus(low)} to {_plus(high)}; dearer in {percent(row.dearer_in)} of futures"
        if row.failed:
            told = f"NOT SERVED in {row.failed} of {found.count}; in the others {told}"
        rows.append((f"{row.what} instead", _plus(row.more_usd), told))
    return ReportTable(f"In {found.count} futures drawn afresh", heads, tuple(rows))


def _plus(amount_usd: float | None) -> str:
    return "–" if amount_usd is None else f"{'+' if amount_usd >= 0 else '−'}{usd(abs(amount_usd))}"


def _notes(sizing: Sizing) -> tuple[str, ...]:
    notes = []
    weight = sizing.cvar_weight
    if weight:
        notes.append(
            f"RP, WS, EEV and every “more” are {1 - weight:g} × expected cost + {weight:g} × CVaR (risk.cvar_weight)"
        )
    if sizing.quotes:
        notes.append("walk away above: all prices of a quote multiplied alike, not each by itself")
    if left := sizing.left_out:
        notes.append(f"large problem: {' and '.join(left)} look into more, with some forty further searches")
    notes += out_of_time(sizing.out_of_time or ())
    gap = max(_gaps(sizing), default=0.0)
    if gap > CLOSE:
        notes.append(
            f"searches behind alternatives, quotes and flips ended up to {percent(gap)} short of proof: differences "
            f"below {count(gap * sizing.rp_usd)} USD are not certain, nor are flips that rest on them, and "
            "walk-away prices may be higher; a longer --time-limit or a smaller --gap helps"
        )
    return tuple(notes)


def _gaps(sizing: Sizing) -> Sequence[float]:
    tables = (sizing.alternatives, sizing.quotes, sizing.flips, sizing.frontier)
    return [row.gap for table in tables for row in table or ()]
