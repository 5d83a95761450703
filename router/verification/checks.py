"""Every promise that is looked at, in order: a check to add is a function beside its like, and its line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.verification import (
    agreements,
    allowances,
    answers,
    bursts,
    churn,
    contracts,
    hosts,
    instances,
    kinds,
    limits,
    routes,
    spilling,
    summary,
    survival,
    throughput,
)
from router.verification.base.audit import Audit
from router.verification.base.ledger import Ledger
from router.verification.blocks import proof
from router.verification.sizing import check_sizing


class CheckEntry(NamedTuple):
    """A name that stays, a function of the audit and its own ledger, and the families of constraints it looks at again.

    Without a family it is about what a plan states besides: no row of the program answers for it. `spans`: it looks at
    the horizon as a whole, and at rows by period in their sums alone; all others look at periods (see `blocks`).
    """

    name: str
    look: Callable[[Audit, Ledger], None]
    families: tuple[str, ...] = ()
    spans: bool = False


CHECKS: tuple[CheckEntry, ...] = (
    CheckEntry("fields", routes.check_fields),
    CheckEntry("problem", summary.check_problem, spans=True),
    CheckEntry("kinds", kinds.check_kinds, spans=True),
    CheckEntry("churn", churn.check_churn, ("churn",), spans=True),
    CheckEntry("traces", routes.check_traces, spans=True),
    CheckEntry("demand", routes.check_demand, ("demand",)),
    CheckEntry("recipes", routes.check_recipes, ("recipes",)),
    CheckEntry("answer_times", answers.check_answer_times, ("answer_times",)),
    CheckEntry("windows", routes.check_windows, ("demand",)),
    CheckEntry("quantities", routes.check_quantities),
    CheckEntry("admissibility", routes.check_admissibility),
    CheckEntry("refused", routes.check_refused, spans=True),
    CheckEntry("throughput", throughput.check_throughput, ("linking", "throughput")),
    CheckEntry("utilisation", throughput.check_utilisation, ("throughput",)),
    CheckEntry("waiting", throughput.check_waiting, ("latency",)),
    CheckEntry("counts", instances.check_counts, ("instances",)),
    CheckEntry("reserved", instances.check_reserved, ("instances",)),
    CheckEntry("horizon_counts", instances.check_horizon_counts, ("instances",)),
    CheckEntry("purchases", instances.check_purchases, ("instances",), spans=True),
    CheckEntry("starts", instances.check_starts, ("starts",)),
    CheckEntry("bursts", bursts.check_bursts),
    CheckEntry("quota", limits.check_quotas, ("quota",)),
    CheckEntry("spilling", spilling.check_spilling, ("spilling",)),
    CheckEntry("groups", limits.check_groups, ("groups",)),
    CheckEntry("hosts", hosts.check_hosts, ("hosts",)),
    CheckEntry("adapters", instances.check_adapters, ("adapters",)),
    CheckEntry("power", limits.check_power, ("power",)),
    CheckEntry("provider_shares", limits.check_provider_shares, ("diversity",)),
    CheckEntry("shares", limits.check_shares, ("shares",)),
    CheckEntry("min_providers", limits.check_min_providers, ("diversity",)),
    CheckEntry("unsplittable", limits.check_unsplittable, ("unsplittable",)),
    CheckEntry("survival", survival.check_survival, ("survival",), spans=True),
    CheckEntry("contracts", contracts.check_contracts, ("commitments", "linking"), spans=True),
    CheckEntry("overage", contracts.check_overage, ("commitments",), spans=True),
    CheckEntry("allowances", allowances.check_allowances, ("allowances", "linking"), spans=True),
    CheckEntry("credits", allowances.check_credits, ("credits",), spans=True),
    CheckEntry("coverage", agreements.check_coverage, ("agreements",), spans=True),
    CheckEntry("settlements", contracts.check_settlements, ("commitments", "overage", "tiers"), spans=True),
    CheckEntry("budgets", summary.check_budgets, ("budget",), spans=True),
    CheckEntry("cost_lines", summary.check_cost_lines, ("churn", "linking", "pricing"), spans=True),
    CheckEntry("cost", summary.check_cost, ("pricing",), spans=True),
    CheckEntry("bound", summary.check_bound, ("budget",), spans=True),
    CheckEntry("proof", proof.check_proof, spans=True),
    CheckEntry("scenarios", summary.check_scenarios, spans=True),
    CheckEntry("sizing", check_sizing, ("signing",), spans=True),
)
