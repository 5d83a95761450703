"""The page of a problem without a plan, from what `router explain FILE -o explain.json` wrote."""

from __future__ import annotations

from router.reports.document import ReportTable, columns
from router.reports.page.companions import Json
from router.reports.page.elements import PageSection, figures, listed, missing, paragraph, table
from router.reports.page.why import MOST_REFUSED


def without_a_plan(explanation: Json) -> tuple[tuple[str, str], list[PageSection]]:
    """The decision in two sentences, and the sections: what would do, what contradicts, what was refused."""
    repairs = explanation["repairs"]
    first = (
        f"The smallest change that makes one possible: {repairs[0]['text']}."
        if repairs
        else "No change that makes one possible was found in time."
    )
    decision = ("No plan keeps every promise.", first)
    return decision, [_ways_out(explanation), _conflict(explanation), _refused(explanation)]


def _ways_out(explanation: Json) -> PageSection:
    rows = tuple((f"{k + 1}", row["text"], row["promise"]) for k, row in enumerate(explanation["repairs"]))
    heads = columns(">", "change", "what gives way")
    blocks = (
        figures(
            [
                (
                    "repairs",
                    f"{len(rows)} change{'s' * (len(rows) != 1)}",
                    "any one of which makes a plan possible",
                )
            ]
        ),
        table(ReportTable("Each tried, the smallest first", heads, rows)),
        listed([f"left untried: {what}" for what in explanation["out_of_time"]]),
        missing(
            "What the plan with one of them would cost is computed by", "router whatif FILE --set PATH=VALUE"
        ),
    )
    return PageSection("repairs", "What would make a plan possible", blocks)


def _conflict(explanation: Json) -> PageSection:
    conflict = explanation["conflict"]
    if conflict is None:
        return PageSection("conflict", "What contradicts", (paragraph("There was no time to look for it."),))
    rows = tuple((row["promise"], row["field"]) for row in conflict["promises"])
    sure = "none of them can be left out" if conflict["proven_minimal"] else "perhaps not all are needed"
    own = ReportTable(f"These contradict each other ({sure})", columns("promise", "field"), rows)
    lines = [
        line.strip() for line in (explanation["why"] or "").splitlines()[1:] if "router explain" not in line
    ]
    return PageSection("conflict", "What contradicts", (listed(lines), table(own)))


def _refused(explanation: Json) -> PageSection:
    rows = tuple(
        (row["workload"], row["offer"], row["model"], "; ".join(row["changes"]))
        for row in explanation["refused"][:MOST_REFUSED]
    )
    heads = columns("workload", "offer", "model", "all of")
    own = table(ReportTable("Refused; would be admitted with", heads, rows))
    return PageSection("refused", "What was refused", (own or paragraph("Nothing was refused."),))
