"""A plan as a person reads it: what it costs, who serves what, on how much, under which contracts, what was refused."""

from __future__ import annotations

from math import fsum, inf

from problems.core.costs import KINDS
from router.plan.document import Plan
from router.plan.rows import ContractRow, CostLine, InstanceRow, Refused, RouteRow, Settlement, UnservedRow
from router.reports.bursts import bursts_table
from router.reports.document import Report, ReportTable, columns
from router.reports.hosts import hosts_table
from router.reports.spilling import spilling_table
from router.reports.words import as_sentence, count, hours, instances, percent, proof, rate, span, usd

CENT = 0.005
EXAMPLES = 3  # offers named per reason
NOT_OFFERED = "model_not_offered"


def plan_report(plan: Plan) -> Report:
    """All that is worth saying about a plan."""
    tables = (
        _costs(plan),
        _routing(plan),
        _instances(plan),
        hosts_table(plan),
        bursts_table(plan),
        spilling_table(plan),
        _purchases(plan),
        _contracts(plan),
        _scenarios(plan),
        _refused(plan),
    )
    return Report(plan.name, _headline(plan), tuple(table for table in tables if table.rows), plan.notes)


def _headline(plan: Plan) -> tuple[str, ...]:
    p = plan.probabilities()
    cost = f"{usd(plan.cost_usd)} USD over {hours(plan.horizon_h)}"
    tokens = fsum(p[row.scenario] * row.tokens for row in plan.routes)
    rates = [f"{usd(plan.cost_usd_per_month)} USD a month of 730 h"]
    if tokens > 0:
        rates.append(f"{rate(plan.cost_usd / tokens * 1e6)} USD per M tokens")
    kind = "solver" if plan.proof is None else plan.proof.kind
    limit_s, by = plan.solver.options.time_limit_s, plan.solver.name
    good = proof(plan.gap, plan.stop, limit_s, kind=kind, solver=by, usd=plan.objective_usd)
    return cost, ", ".join(rates), *_owed_later(plan), as_sentence(good, plan.solver.name), verdict(plan)


def _owed_later(plan: Plan) -> tuple[str, ...]:
    """What terms that outlast the horizon owe after it, with whom and for which months."""
    owed: dict[str, float] = {}
    for bill in plan.settlements:
        owed[bill.seller] = max(owed.get(bill.seller, 0.0), bill.beyond_horizon_usd)
    for bought in plan.purchases:
        owed[bought.offer] = owed.get(bought.offer, 0.0) + (bought.beyond_horizon_usd or 0.0)
    due = {seller: amount for seller, amount in owed.items() if amount >= CENT}
    if not due:
        return ()
    spans: dict[str, str] = {}
    for row in plan.contracts:
        spans.setdefault(row.seller, f"{row.seller}, months {row.start_month + 1}–{row.end_month}")
    names = "; ".join(spans.get(seller, seller) for seller in due)
    return (f"Owed after the horizon: {usd(fsum(due.values()))} USD ({names})",)


def verdict(plan: Plan) -> str:
    """What the independent check said; which checks there are stands in the plan, under `verified`."""
    if plan.ok:
        return "Verified: every independent check passed"
    failed = [check.name for check in plan.verified.checks if not check.ok]
    return f"NOT VERIFIED: {', '.join(failed) or 'no check was made'}"


def _costs(plan: Plan) -> ReportTable:
    lines = sorted(plan.cost_lines, key=lambda line: -line.usd)
    rows = tuple(
        (line.offer or "–", _label(line), usd(line.usd), _part(line.usd, plan.cost_usd)) for line in lines
    )
    total = ("total", "", usd(plan.cost_usd), _part(plan.cost_usd, plan.cost_usd)) if len(rows) > 1 else None
    return ReportTable("Cost", columns("offer", "for", ">USD", ">share"), rows, total)


def _label(line: CostLine) -> str:
    return KINDS[line.kind].label if line.kind in KINDS else line.kind


def _routing(plan: Plan) -> ReportTable:
    """Shares of a workload's tokens over the horizon; the range over its periods where it varies."""
    rows, p = [], plan.probabilities()
    by_workload: dict[str, dict[tuple[str, str, str, str], list[RouteRow | UnservedRow]]] = {}
    serving = (row for row in plan.routes if row.share > 0 or row.served_share > 0)
    both: tuple[RouteRow | UnservedRow, ...] = (*serving, *plan.unserved)
    for row in both:
        served = (row.offer, row.model) if isinstance(row, RouteRow) else ("left unserved", "")
        step = ""
        if isinstance(row, RouteRow) and row.recipe is not None:
            step = f"{row.recipe}, step {row.step}"
        to = (row.origin or "", step, *served)
        by_workload.setdefault(row.workload, {}).setdefault(to, []).append(row)
    for name, parts in by_workload.items():
        mine = [row for group in parts.values() for row in group]
        cells = {_cell(row) for row in mine}
        whole = fsum(p[row.scenario] * _volume(row) for row in mine)
        ordered = sorted(
            parts.items(),
            key=lambda part: -fsum(p[row.scenario] * _volume(row) for row in part[1]),
        )
        for k, ((origin, recipe, offer, model), group) in enumerate(ordered):
            volume = fsum(p[row.scenario] * _volume(row) for row in group)
            tokens = fsum(p[row.scenario] * row.tokens for row in group)
            free = fsum(p[row.scenario] * _free(row) for row in group)
            shares = _cell_shares(group, cells)
            low, high = min(shares), max(shares)
            varies = "" if percent(low) == percent(high) else span(low, high)
            rows.append(
                (
                    "" if k else name,
                    origin,
                    recipe,
                    offer,
                    model,
                    _part(volume, whole),
                    varies,
                    count(tokens) if tokens else "–",
                    _part(free, volume) if free > 0 else "",
                )
            )
    heads = columns(
        "workload", "from", "recipe", "offer", "model", ">share", ">by period", ">tokens", ">free"
    )
    table = ReportTable("Who serves what", heads, tuple(rows))
    return table.without_empty("by period", "from", "recipe", "free")


def _cell_shares(
    group: list[RouteRow | UnservedRow], cells: set[tuple[int | None, str | None]]
) -> list[float]:
    shares = dict.fromkeys(cells, 0.0)
    for row in group:
        shares[_cell(row)] += row.served_share if isinstance(row, RouteRow) else row.share
    return list(shares.values())


def _cell(row: RouteRow | UnservedRow) -> tuple[int | None, str | None]:
    """The piece of work that `share` is a share of."""
    return (row.period if row.occurrence is None else row.occurrence), row.scenario


def _instances(plan: Plan) -> ReportTable:
    """Counts by pool over the periods of the plan; mean and load are expected values, the load by instances."""
    p = plan.probabilities()
    futures = {row.scenario for row in plan.instances} | {row.scenario for row in plan.routes}
    cells = plan.periods * max(len(futures), 1)
    pools: dict[tuple[str, str], list[InstanceRow]] = {}
    for row in plan.instances:
        offer = row.offer if row.role is None else f"{row.offer} {row.role}"
        pools.setdefault((offer, row.model or "all its models"), []).append(row)
    rows = []
    for (offer, model), group in sorted(pools.items()):
        counts = [row.count for row in group]
        running = fsum(p[row.scenario] * row.count for row in group)
        busy = fsum(p[row.scenario] * row.count * row.utilisation for row in group)
        low = min(counts) if len(group) == cells else 0.0
        load = busy / running if running > 0 else None
        rows.append(
            (
                offer,
                model,
                instances(low),
                instances(running / plan.periods),
                instances(max(counts)),
                percent(load),
                percent(max(row.utilisation for row in group)),
            )
        )
    heads = columns("offer", "model", ">least", ">mean", ">most", ">load", ">highest load")
    return ReportTable("Instances", heads, tuple(rows))


def _contracts(plan: Plan) -> ReportTable:
    """Contracts in force, with their settlement over the horizon."""
    settled: dict[str, list[Settlement]] = {}
    for row in plan.settlements:
        if row.signed:
            settled.setdefault(row.seller, []).append(row)
    rows, p = [], plan.probabilities()
    for contract in plan.contracts:
        months = settled.get(contract.seller, [])
        if contract.committed_tokens_per_month is not None:
            committed = f"{count(contract.committed_tokens_per_month)} tokens"
        elif contract.committed_units is not None:
            committed = f"{count(contract.committed_units)} units"
        else:
            committed = f"{usd(contract.committed_usd_per_month)} USD"
        mine = [row for row in months if row.until_h > contract.from_h and row.from_h < contract.until_h]
        used = [row.utilisation for row in mine if row.utilisation is not None]
        parts = [(row, _part_in(plan, contract, row.from_h, row.until_h)) for row in mine]
        later = _part_in(plan, contract, plan.horizon_h, inf)
        rows.append(
            (
                contract.seller,
                "already" if contract.signed_by == "before" else "now",
                f"{contract.start_month + 1}–{contract.end_month}",
                committed,
                count(fsum(part * p[row.scenario] * row.used_tokens for row, part in parts)),
                span(min(used), max(used)) if used else "–",
                usd(fsum(part * p[row.scenario] * row.billed_usd for row, part in parts)),
                usd(later * max((row.beyond_horizon_usd for row in mine), default=0.0)),
                _by_vendor(plan, mine),
            )
        )
    heads = columns(
        "offer",
        "signed",
        "months",
        ">a month",
        ">tokens used",
        ">used of it",
        ">billed USD",
        ">owed later USD",
        ">by vendor's order USD",
    )
    return ReportTable("Contracts", heads, tuple(rows)).without_empty("by vendor's order USD")


def _by_vendor(plan: Plan, rows: list[Settlement]) -> str:
    """What the bills of an agreement would be with the highest discount first, where that is another figure."""
    p = plan.probabilities()
    known = [(p[row.scenario], row.vendor_order_usd, row.billed_usd) for row in rows]
    by_vendor = fsum(each * (billed if vendor is None else vendor) for each, vendor, billed in known)
    billed = fsum(each * billed for each, _, billed in known)
    return usd(by_vendor) if abs(by_vendor - billed) > 1e-6 * billed + 0.005 else ""


def _part_in(plan: Plan, contract: ContractRow, from_h: float, until_h: float) -> float:
    """A term's part of a bill that several of a seller may share: by what each commits to, and for how long."""

    def weight(row: ContractRow) -> float:
        hours = min(row.until_h, until_h) - max(row.from_h, from_h)
        return max(hours, 0.0) * (row.committed_tokens_per_month or row.committed_usd_per_month or 0.0)

    sharing = [
        row
        for row in plan.contracts
        if row.seller == contract.seller and row.from_h < until_h and row.until_h > from_h
    ]
    whole = fsum(map(weight, sharing))
    return weight(contract) / whole if whole > 0 else 1.0 / max(len(sharing), 1)


def _purchases(plan: Plan) -> ReportTable:
    """Instances bought for a term, and what they owe after the horizon."""
    rows = tuple(
        (
            row.offer if row.role is None else f"{row.offer} {row.role}",
            row.model or "all its models",
            instances(row.count),
            f"{row.from_h:,.10g}",
            "–" if row.until_h is None else f"{row.until_h:,.10g}",
            "–" if row.billed_usd is None else usd(row.billed_usd),
            "–" if row.beyond_horizon_usd is None else usd(row.beyond_horizon_usd),
        )
        for row in plan.purchases
    )
    heads = columns("offer", "model", ">instances", ">from h", ">until h", ">billed USD", ">owed later USD")
    return ReportTable("Bought for a term", heads, rows)


def _scenarios(plan: Plan) -> ReportTable:
    rows = tuple((row.name, percent(row.probability), usd(row.cost_usd)) for row in plan.scenarios)
    shown = rows if len(rows) > 1 else ()
    return ReportTable("Futures", columns("scenario", ">probability", ">USD"), shown)


def _refused(plan: Plan) -> ReportTable:
    """Candidates that were refused, counted by reason; one may have several.

    A model that the offer does not list counts for that alone, and not at all where it lists another that would do.
    """
    models: dict[str, set[str]] = {}  # of each workload, as far as the plan names them
    lacking: dict[tuple[str, str], set[str]] = {}
    named: tuple[RouteRow | Refused, ...] = (*plan.routes, *plan.refused)
    for route in named:
        models.setdefault(route.workload, set()).add(route.model)
    for row in plan.refused:
        if NOT_OFFERED in row.reasons:
            lacking.setdefault((row.workload, row.offer), set()).add(row.model)
    found: dict[str, list[tuple[str, str]]] = {}
    alike = {
        kind.workload: 1 + len(kind.alike) for kind in plan.kinds or ()
    }  # of which the first alone is listed
    for row in plan.refused:
        reasons = row.reasons
        if NOT_OFFERED in reasons:
            lists_none = lacking[row.workload, row.offer] == models[row.workload]
            reasons = (NOT_OFFERED,) if lists_none else ()
        for code in reasons:
            found.setdefault(code, []).append((row.workload, row.offer))
    rows = []
    for code, pairs in sorted(found.items(), key=lambda item: (item[0] == NOT_OFFERED, -len(item[1]))):
        offers = list(dict.fromkeys(offer for _, offer in pairs))
        more = f", and {len(offers) - EXAMPLES} more" if len(offers) > EXAMPLES else ""
        workloads = list(dict.fromkeys(workload for workload, _ in pairs))
        many = sum(alike.get(workload, 1) for workload in workloads)
        served = workloads[0] if many == 1 else f"{many:,} of them"
        routes = sum(alike.get(workload, 1) for workload, _ in pairs)
        rows.append((code, f"{routes:,}", served, ", ".join(offers[:EXAMPLES]) + more))
    return ReportTable("Refused", columns("reason", ">routes", "workloads", "offers"), tuple(rows))


def _free(row: RouteRow | UnservedRow) -> float:
    """What of the volume of a row an allowance pays."""
    if not isinstance(row, RouteRow) or not row.free_share or row.served_share <= 0:
        return 0.0
    return _volume(row) * row.free_share / row.served_share


def _volume(row: RouteRow | UnservedRow) -> float:
    """Tokens, or requests where a request has no tokens at all."""
    return row.tokens or row.requests or 0.0


def _part(amount: float, whole: float) -> str:
    return percent(amount / whole) if whole else "–"
