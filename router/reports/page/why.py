"""Why this plan: what binds, what was refused, what else there was; and what it all rests on."""

from __future__ import annotations

from router.explaining.marginal import LIMITS
from router.plan.document import Plan
from router.reports.document import ReportTable, columns
from router.reports.page.companions import Companions
from router.reports.page.elements import PageSection, figures, heading, listed, missing, paragraph, table
from router.reports.words import bound, far, proof, usd
from router.schema import Problem

MOST_REFUSED = 60
CENT = 0.005
BOUND = {"own": "no plan costs less, proven", "two_searches": "two searches found none that costs less"}


def why(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> list[PageSection]:
    """What binds, what was refused with the least change, alternatives."""
    return [_binds(plan, beside), _refused(plan, tables, beside), _alternatives(plan, tables)]


def _binds(plan: Plan, beside: Companions) -> PageSection:
    told = beside.explanation
    if told is None:
        seen: dict[tuple[str, str], int] = {}
        for row in plan.prices.rows:
            if row.family in LIMITS and row.usd_per_unit < 0:
                label = row.row.partition("(")[2].rstrip(")")
                key = LIMITS[row.family].limit, label.rsplit(",", 1)[0] if "," in label else label
                seen[key] = seen.get(key, 0) + 1
        rows = tuple((name, limit, f"{n:,}") for (limit, name), n in sorted(seen.items()))
        own = ReportTable(
            "Limits with a marginal price, by the solver's word", columns("of", "limit", ">periods"), rows
        )
        text = "What a change would save is found by solving it:"
        return PageSection(
            "binds", "What binds", (table(own), missing(text, "router explain FILE -o explain.json"))
        )
    limits = tuple(
        (row["name"], LIMITS[row["family"]].limit, f"{row['periods']:,}", usd(row["unit_usd"]))
        for row in told["binding"]
    )
    saved = tuple(
        (
            row["text"],
            row["price"],
            usd(max(row["usd"], 0.0)) + (f" ± {usd(row['within_usd'])}" if row["within_usd"] >= CENT else ""),
            usd(row["cost_usd"]),
        )
        for row in told.get("savings", ())
    )
    blocks = (
        table(ReportTable("What binds", columns("of", "limit", ">periods", ">a unit more, USD"), limits)),
        table(
            ReportTable(
                "Changes, each solved", columns("change", "at", ">saves USD", ">plan with it USD"), saved
            )
        ),
        listed([f"left untried: {what}" for what in told.get("out_of_time", ())]),
        "" if limits or saved else paragraph("No limit is reached."),
    )
    return PageSection("binds", "What binds, and what a change would save", blocks)


def _refused(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> PageSection:
    told = beside.explanation
    if told is not None and told["refused"]:
        rows = tuple(
            (row["workload"], row["offer"], row["model"], "; ".join(row["changes"]))
            for row in told["refused"][:MOST_REFUSED]
        )
        heads = columns("workload", "offer", "model", "the least that would admit it")
        return PageSection(
            "refused", "What was refused", (table(ReportTable("Refused, and the least change", heads, rows)),)
        )
    if not plan.refused:
        return PageSection(
            "refused", "What was refused", (paragraph("Nothing: every offer may serve every workload."),)
        )
    text = "The least change that would admit each is computed by"
    return PageSection(
        "refused",
        "What was refused",
        (table(tables.get("Refused")), missing(text, "router explain FILE -o explain.json")),
    )


def _alternatives(plan: Plan, tables: dict[str, ReportTable]) -> PageSection:
    found = [
        table(tables.get(name))
        for name in ("The nearest alternatives", "The commitment given, beside the best")
    ]
    if not any(found):
        text = "Each offer alone, side by side, is computed by"
        found = [
            missing(text, "router compare FILE"),
            missing("A change beside the plan, by", "router whatif FILE --set PATH=VALUE"),
        ]
    return PageSection("alternatives", "Alternatives", tuple(found))


def rests_on(plan: Plan, problem: Problem | None) -> list[PageSection]:
    """Proof, and where prices come from."""
    kind = "solver" if plan.proof is None else plan.proof.kind
    limit_s, by = plan.solver.options.time_limit_s, plan.solver.name
    good = proof(plan.gap, plan.stop, limit_s, kind=kind, solver=by, usd=plan.objective_usd)
    shown = [
        (
            "bound",
            f"{bound(plan.bound_usd, plan.objective_usd)} USD",
            BOUND.get(kind, f"as {by} states it, not re-checked"),
        ),
        ("gap", far(plan.gap), "gap between plan and bound"),
        (
            "checks",
            f"{sum(check.ok for check in plan.verified.checks)} of {len(plan.verified.checks)}",
            "independent checks passed",
        ),
    ]
    checks = [f"{'✓' if check.ok else 'BROKEN:'} {check.name}" for check in plan.verified.checks]
    hashes = (
        ("problem_sha256", plan.problem_sha256),
        ("made", plan.created),
        ("solver", plan.solver.name),
        *((name, version) for name, version in sorted(plan.versions.items())),
    )
    blocks = (
        figures(shown),
        paragraph(good[:1].upper() + good[1:] + "."),
        heading("Independent checks"),
        listed(checks, "checks"),
        table(ReportTable("What it was made from", columns("what", "is"), tuple(hashes))),
    )
    return [PageSection("proof", "Proof", blocks), _sources(problem), _notes(plan)]


def _sources(problem: Problem | None) -> PageSection:
    if problem is None:
        text = "Where prices come from stands in the problem file:"
        return PageSection(
            "sources",
            "Sources of prices",
            (missing(text, "router report PLAN --problem FILE -o report.html"),),
        )
    rows = []
    for offer in problem.offers:
        rows.append(
            (
                offer.name,
                "",
                offer.source or "not stated",
                "" if offer.as_of is None else str(offer.as_of),
                offer.note or "",
            )
        )
        rows += [
            ("", name, entry.source or "", "" if entry.as_of is None else str(entry.as_of), entry.note or "")
            for name, entry in offer.models.items()
            if entry.source or entry.as_of or entry.note
        ]
    heads = columns("offer", "model", "source", "read on", "note")
    return PageSection(
        "sources", "Sources of prices", (table(ReportTable("Sources and dates", heads, tuple(rows))),)
    )


def _notes(plan: Plan) -> PageSection:
    text = "" if plan.notes else "Nothing was assumed beyond the problem file."
    return PageSection("notes", "Assumptions and notes", (listed(list(plan.notes)), paragraph(text)))
