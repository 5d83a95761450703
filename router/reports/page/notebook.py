"""A plan in a notebook: the decision, what it costs as one table, and who serves what as one chart."""

from __future__ import annotations

from collections import defaultdict

from router.plan.document import Plan
from router.reports.page.charts import flows
from router.reports.page.document import decision
from router.reports.page.elements import chart, paragraph, table
from router.reports.page.engineering import largest
from router.reports.sizing import report_of
from router.reports.words import count


def plan_html(plan: Plan) -> str:
    """A fragment without a style of its own: a notebook has one."""
    costs = next((each for each in report_of(plan).tables if each.title == "Cost"), None)
    p = plan.probabilities()
    amounts: dict[tuple[str, str], float] = defaultdict(float)
    for row in plan.routes:
        amounts[row.workload, row.offer] += p[row.scenario] * (row.tokens or row.requests or 0.0)
    kept = largest(amounts)
    picture = chart(
        flows("Tokens from workloads to offers", kept, {pair: count(kept[pair]) for pair in kept})
    )
    return "\n".join(
        ("<div>", *(paragraph(sentence) for sentence in decision(plan)), table(costs), picture, "</div>")
    )
