"""Rows of a plan that speak of what the problem has; the others are faults with their paths, and are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from router.plan.document import TABLES, Plan
from router.plan.rows import month_at
from router.verification.base.case import Case
from router.verification.base.ledger import Ledger

type Rule = tuple[Callable[[Case, Any], bool], str]

RULES: Mapping[str, Rule] = {
    "workload": (lambda case, name: name in case.workloads, "is not a workload of the problem"),
    "offer": (lambda case, name: name is None or name in case.offers, "is not an offer of the problem"),
    "agreement": (
        lambda case, name: name is None or name in case.agreements,
        "is not an agreement of the problem",
    ),
    "host": (
        lambda case, name: any(host.name == name for host in case.problem.hosts),
        "is not a kind of host of the problem",
    ),
    "credit": (
        lambda case, name: name is None or any(name == each.name for each in case.problem.credits),
        "is not a credit of the problem",
    ),
    "model": (
        lambda case, name: name is None or name in case.problem.models,
        "is not a model of the problem",
    ),
    "period": (lambda case, period: 0 <= period < case.periods, "is not a period of the horizon"),
    "from_h": (lambda case, hour: 0 <= month_at(hour) < case.months, "is not an hour of the horizon"),
    "scenario": (lambda case, name: name in case.row_scenarios, "is not a scenario of this plan"),
}

SELLER: Rule = (
    lambda case, name: name is None or name in case.sellers,
    "is not an offer of the problem, or an agreement",
)
ONE_SELLER = frozenset(("contracts", "settlements"))
"""Tables whose rows are of an offer or of an agreement."""


def rows_of(plan: Plan, case: Case, ledger: Ledger) -> Plan:
    """The plan without rows of unknown workloads, offers, models, periods, hours or scenarios."""
    ledger.require(plan.periods == case.periods, f"periods: {plan.periods} is not {case.periods}")
    tables: dict[str, Any] = {table: _table(plan, table, case, ledger) for table in TABLES}
    return replace(plan, **tables)


def _table(plan: Plan, table: str, case: Case, ledger: Ledger) -> tuple[Any, ...]:
    rules = {field.name: RULES[field.name] for field in fields(TABLES[table]) if field.name in RULES}
    if table == "cost_lines":
        rules["offer"] = SELLER
    rows = []
    for i, row in enumerate(getattr(plan, table) or ()):
        wrong = next(
            (name for name, (holds, _) in rules.items() if not holds(case, getattr(row, name))), None
        )
        if wrong is None and table in ONE_SELLER and (row.offer is None) == (row.agreement is None):
            ledger.fault(f"{table}[{i}]: is of one offer or of one agreement")
        elif wrong is None:
            rows.append(row)
        else:
            ledger.fault(f"{table}[{i}].{wrong}: {getattr(row, wrong)!r}", rules[wrong][1])
    ledger.looked_at += len(rows)
    return tuple(rows)
