"""Every promise that is looked at, in order: a name that stays, and a function of the audit and its own ledger.

A check to add is a function beside its like, and its line here. Which families of constraints each one re-checks
stands in `tests/test_router_verify_checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from router.verification import churn, contracts, instances, limits, routes, summary, survival, throughput
from router.verification.base.audit import Audit
from router.verification.base.ledger import Ledger
from router.verification.sizing import check_sizing

CHECKS: tuple[tuple[str, Callable[[Audit, Ledger], None]], ...] = (
    ("fields", routes.check_fields),
    ("problem", summary.check_problem),
    ("churn", churn.check_churn),
    ("traces", routes.check_traces),
    ("demand", routes.check_demand),
    ("windows", routes.check_windows),
    ("quantities", routes.check_quantities),
    ("admissibility", routes.check_admissibility),
    ("refused", routes.check_refused),
    ("throughput", throughput.check_throughput),
    ("utilisation", throughput.check_utilisation),
    ("waiting", throughput.check_waiting),
    ("counts", instances.check_counts),
    ("reserved", instances.check_reserved),
    ("horizon_counts", instances.check_horizon_counts),
    ("purchases", instances.check_purchases),
    ("starts", instances.check_starts),
    ("quota", limits.check_quotas),
    ("groups", limits.check_groups),
    ("power", limits.check_power),
    ("provider_shares", limits.check_provider_shares),
    ("min_providers", limits.check_min_providers),
    ("unsplittable", limits.check_unsplittable),
    ("survival", survival.check_survival),
    ("contracts", contracts.check_contracts),
    ("overage", contracts.check_overage),
    ("settlements", contracts.check_settlements),
    ("budgets", summary.check_budgets),
    ("cost_lines", summary.check_cost_lines),
    ("cost", summary.check_cost),
    ("bound", summary.check_bound),
    ("scenarios", summary.check_scenarios),
    ("sizing", check_sizing),
)
