"""An explanation as a person reads it."""

from __future__ import annotations

from router.explaining import Explanation
from router.explaining.commitments import CommitmentUse
from router.explaining.marginal import Binding
from router.explaining.savings import Saving
from router.plan.document import Plan
from router.plan.left_out import out_of_time
from router.reports.bursts import bursts_table
from router.reports.document import Report, ReportTable, columns
from router.reports.moving import moving_notes, moving_tables
from router.reports.words import percent, proof, usd

MOST_ROUTES = 30
MOST_RUNS = 6
CENT = 0.005
BINDS_MS = 1e-3


def explanation_report(explanation: Explanation) -> Report:
    """Repairs and conflict where there is no plan; what binds and what offers would need where there is one."""
    moving = tuple(moving_tables(explanation.moving))
    notes = (*moving_notes(explanation.moving), *out_of_time(explanation.out_of_time))
    if explanation.plan is None:
        return Report(
            title=explanation.name,
            headline=_ways_out(explanation),
            tables=_shown(*moving, _repairs(explanation), _conflict(explanation), _refused(explanation)),
            notes=notes,
        )
    plan = explanation.plan
    binding = (_bindings(explanation), _spills(explanation), _commitments(explanation), bursts_table(plan))
    prices = (_schedules(explanation), _offers(explanation), _refused(explanation))
    return Report(
        title=explanation.name,
        headline=(_least(plan), *_advice(explanation)),
        tables=_shown(*moving, _savings(explanation), *binding, _origins(explanation), *prices),
        notes=(*_on_offer(explanation), *plan.notes, *notes),
    )


def _least(plan: Plan) -> str:
    kind = "solver" if plan.proof is None else plan.proof.kind
    good = proof(plan.gap, "optimal", kind=kind, solver=plan.solver.name, usd=plan.objective_usd)
    return f"{usd(plan.cost_usd)} USD ({good}); this is what decides it"


def _advice(explanation: Explanation) -> tuple[str, ...]:
    """What saves most as it is offered, and more than both gaps could make up."""
    sure = [
        saving
        for saving in explanation.savings
        if saving.price == "as offered" and saving.usd > saving.within_usd
    ]
    if not sure:
        tried = [saving for saving in explanation.savings if saving.price == "as offered"]
        return ("No change that was tried is sure to save anything at the prices asked.",) if tried else ()
    best = max(sure, key=lambda saving: saving.usd)
    return (f"Of the changes tried, {best.text} saves most: {_amount(best)} USD.",)


def _shown(*tables: ReportTable) -> tuple[ReportTable, ...]:
    return tuple(table for table in tables if table.rows)


def _ways_out(explanation: Explanation) -> tuple[str, ...]:
    none = "no plan keeps every promise"
    if explanation.repairs:
        ways = (f"  {repair.text}" for repair in explanation.repairs)
        return (none, "Any one of these changes makes a plan possible:", *ways)
    return (none, "No change that makes a plan possible was found in time.")


def _repairs(explanation: Explanation) -> ReportTable:
    rows = tuple((repair.promise, repair.text) for repair in explanation.repairs)
    combined = any(repair.left_out for repair in explanation.repairs)
    title = "Repair of several fields together" if combined else "Least repair of each promise alone"
    return ReportTable(title, columns("promise", "would do"), rows)


def _conflict(explanation: Explanation) -> ReportTable:
    if explanation.conflict is None:
        return ReportTable("Conflict", (), ())
    minimal = (
        "none of them can be left out"
        if explanation.conflict.proven_minimal
        else "perhaps not all are needed"
    )
    rows = tuple((promise.name, promise.field) for promise in explanation.conflict.promises)
    return ReportTable(f"These contradict each other ({minimal})", columns("promise", "field"), rows)


def _amount(saving: Saving) -> str:
    """`170.09 ± 86`: what lies within both gaps."""
    saved = usd(max(saving.usd, 0.0))
    return saved if saving.within_usd < CENT else f"{saved} ± {usd(saving.within_usd)}"


def _on_offer(explanation: Explanation) -> tuple[str, ...]:
    """What instances for nothing are worth beside what they are rented for."""
    return tuple(
        f"{saving.text}: that is the most one should pay; at {usd(saving.on_offer_usd_per_h)} USD an hour it is on "
        "offer, and the plan takes no more"
        for saving in explanation.savings
        if saving.on_offer_usd_per_h is not None
    )


def _savings(explanation: Explanation) -> ReportTable:
    rows = tuple(
        (
            saving.text.removesuffix(", for nothing"),
            "nothing" if saving.price == "for nothing" else "the prices asked",
            _amount(saving),
            usd(saving.cost_usd),
            percent(saving.gap),
        )
        for saving in explanation.savings
    )
    heads = columns("change, solved beside the plan", "at", ">saves USD", ">plan with it USD", ">its gap")
    return ReportTable("What changes would save", heads, rows)


def _commitments(explanation: Explanation) -> ReportTable:
    """Spans in which all that is committed is used: there more of it would be."""
    rows = tuple(
        (use.seller, f"{use.used_whole} of {use.spans}", _more(use), usd(use.unused_usd))
        for use in explanation.commitments
    )
    heads = columns("commitment", ">used whole in", ">one more saves there, USD", ">paid unused USD")
    return ReportTable("What is committed", heads, rows).without_empty("one more saves there, USD")


def _spills(explanation: Explanation) -> ReportTable:
    """Limits that refuse what is too much in a minute."""
    rows = tuple(
        (
            row.offer if row.model is None else f"{row.offer} {row.model}",
            str(row.periods),
            percent(row.full),
            percent(row.spilled),
        )
        for row in explanation.spills
    )
    heads = columns("limit", ">periods", ">minutes in which it is full", ">spilled of what is sent there")
    return ReportTable("What spills", heads, rows)


def _origins(explanation: Explanation) -> ReportTable:
    """Ways from where requests come, and which of them could not be longer."""
    rows = tuple(
        (
            row.workload,
            row.origin,
            row.offer,
            percent(row.share),
            f"{row.rtt_ms:,.4g}",
            "–"
            if row.room_ms is None
            else "0, it binds"
            if row.room_ms < BINDS_MS
            else f"{row.room_ms:,.4g}",
            usd(row.network_usd) if row.network_usd else "",
        )
        for row in explanation.origins
    )
    heads = columns(
        "workload",
        "from",
        "to",
        ">of its tokens",
        ">round trip, ms",
        ">could be longer by, ms",
        ">network USD",
    )
    return ReportTable("Where requests come from", heads, rows).without_empty("network USD")


def _more(use: CommitmentUse) -> str:
    """Per USD, or per M tokens, of the span."""
    if use.more_from_usd is None or use.more_to_usd is None:
        return ""
    least, most = usd(use.more_from_usd), usd(use.more_to_usd)
    return least if least == most else f"{least}–{most}"


def _schedules(explanation: Explanation) -> ReportTable:
    """Rules of offers in time: when each decides something."""
    rows = []
    for rule in explanation.schedules:
        runs = [str(first) if first == last else f"{first}–{last}" for first, last in rule.periods]
        more = f" and {len(runs) - MOST_RUNS} more" if len(runs) > MOST_RUNS else ""
        rows.append(
            (rule.offer, str(rule.rule), rule.text, f"{rule.hours:,.6g}", ", ".join(runs[:MOST_RUNS]) + more)
        )
    heads = columns("offer", ">rule", "says", ">h in force", "periods")
    return ReportTable("What is in force when", heads, tuple(rows))


def _bindings(explanation: Explanation) -> ReportTable:
    rows = tuple(
        (
            binding.name,
            binding.worth.limit,
            str(binding.periods),
            binding.worth.more,
            usd(binding.usd_per_unit) if binding.holds or not binding.usd_per_unit else "–",
            _range(binding),
            usd(binding.unit_usd),
        )
        for binding in explanation.bindings
    )
    heads = columns("of", "limit", ">periods", "unit", ">USD a unit", "holds for", ">whole unit USD")
    return ReportTable("What binds: marginal prices, with counts and contracts as planned", heads, rows)


def _range(binding: Binding) -> str:
    if not binding.usd_per_unit:
        return "a little more saves nothing"
    if binding.from_units is None or binding.to_units is None:
        return "not looked into"
    if not binding.holds:
        return "no amount"
    return f"{binding.from_units:+.3g} to {binding.to_units:+.3g} units"


def _offers(explanation: Explanation) -> ReportTable:
    rows = []
    for offer in explanation.offers:
        if offer.price_multiple is None:
            text = "stays at any price: no plan can do without it" if offer.used else "not even for nothing"
        else:
            text = (
                f"{'leaves above' if offer.used else 'enters below'} {offer.price_multiple:.4g} × its prices"
            )
        how = "tried 0.1 % to either side" if offer.price_multiple is not None and offer.crossed else ""
        if offer.price_multiple is not None and not offer.crossed:
            how = "crossing it by 0.1 % was not decided"
        rows.append((offer.offer, "used" if offer.used else "not used", text, how))
    heads = columns("offer", "now", "price at which that changes", "")
    return ReportTable("Prices at which offers leave or enter", heads, tuple(rows)).without_empty("")


def _refused(explanation: Explanation) -> ReportTable:
    rows = [
        (
            route.workload,
            "" if route.recipe is None else f"{route.recipe}, step {route.step}",
            route.offer,
            route.model,
            "; ".join(route.changes),
        )
        for route in explanation.refused[:MOST_ROUTES]
    ]
    more = len(explanation.refused) - len(rows)
    title = "Refused; would be admitted with" + (
        f" (first {len(rows)} of {len(explanation.refused)})" if more else ""
    )
    heads = columns("workload", "recipe", "offer", "model", "all of")
    return ReportTable(title, heads, tuple(rows)).without_empty("recipe")
