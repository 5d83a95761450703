"""An independent re-check of a plan: plain loops over the problem file and the plan, as if by another team.

    rows, reading                the plan as typed rows; malformed ones are faults, not tracebacks
    records, traces              recorded demand, read again
    case, work, cells, flows     what must be served, where it may run, and what each row moves
    eligibility, latency, rates  which routes are admissible, and what an instance does in a second
    demand, load, waiting, instances, limits, sharing, bills, contracts, money, summary    the promises
    survival                     the same, when a provider is lost
    drawn                        generated futures: `router.scenarios` draws them again from the file's seed
    churn                        what changes against a running plan
    sizing, section, signs, others, quotes, fresh    the figures of a sized plan

Imports neither `problems` nor `solvers`, and no numpy; scipy's linear programming in `survival` alone, and in `drawn`
the generator of futures, which is part of what a problem file means. `verify` is the whole interface.
"""

from __future__ import annotations

from collections.abc import Mapping

from router.schema import Problem
from router.verification import (
    bills,
    churn,
    contracts,
    demand,
    drawn,
    eligibility,
    flows,
    instances,
    limits,
    load,
    money,
    sharing,
    sizing,
    summary,
    survival,
    traces,
    waiting,
)
from router.verification.case import Case, futures_of
from router.verification.cells import cells_of
from router.verification.checks import Check, Ledger, Verification
from router.verification.reading import Names, read

__all__ = ["Check", "Verification", "verify"]


def verify(problem: Problem, plan: Mapping[str, object]) -> Verification:
    """Re-check every promise of a plan and recompute its cost. Never raises for what a plan contains.

    A failed `fields` check means that rows were left out of the others.
    """
    checks: list[Ledger] = []

    def ledger(name: str) -> Ledger:
        checks.append(Ledger(name))
        return checks[-1]

    futures, fault = futures_of(problem, plan)
    case = Case(problem, futures)
    fields = ledger("fields")
    names = Names(case.workloads, case.offers, problem.models, case.periods, case.months, case.row_scenarios)
    rows = read(plan, names, fields)
    summary.check_problem(case, rows, ledger("problem"))
    changes = ledger("churn")
    running = churn.read(plan, changes)
    ran = running or churn.NOTHING
    case = Case(churn.as_signed(traces.with_records(problem, ledger("traces")), running, changes), futures)

    cells = cells_of(case)
    moved, left = flows.flows_of(case, cells, rows, fields)
    flows.check_once(moved, left, fields)
    pools = instances.pools_of(case, rows, fields)
    demand.check_demand(cells, moved, left, ledger("demand"))
    demand.check_windows(moved, left, ledger("windows"))
    flows.check_quantities(moved, left, ledger("quantities"))

    verdicts = eligibility.judge(case)
    eligibility.check_routes(rows, verdicts, ledger("admissibility"))
    eligibility.check_refused(rows, verdicts, ledger("refused"))

    throughput = ledger("throughput")
    loads = load.loads_of(case, moved, throughput)
    load.check_throughput(case, pools, loads, throughput)
    load.check_utilisation(pools, loads, ledger("utilisation"))
    waiting.check_waiting(case, pools, moved, ledger("waiting"))

    instances.check_counts(case, pools, ledger("counts"))
    instances.check_reserved(case, pools, ledger("reserved"))
    instances.check_horizon_counts(case, pools, ledger("horizon_counts"))
    instances.check_purchases(case, rows, pools, ran.purchases, ledger("purchases"))
    instances.check_starts(case, pools, ran.before, ledger("starts"))
    churn.check_churn(case, cells, moved, pools, running, plan, changes)

    limits.check_quotas(case, moved, ledger("quota"))
    limits.check_groups(case, pools, ledger("groups"))
    limits.check_power(case, pools, ledger("power"))

    sharing.check_provider_shares(case, moved, ledger("provider_shares"))
    sharing.check_min_providers(case, cells, moved, ledger("min_providers"))
    sharing.check_unsplittable(moved, ledger("unsplittable"))

    losses = ledger("survival")
    survival.check_survival(case, rows, cells, moved, pools, verdicts, losses)

    billed = bills.bills_of(case, rows, moved)
    contracts.check_contracts(case, rows, moved, ledger("contracts"))
    contracts.check_overage(case, billed, ledger("overage"))
    contracts.check_settlements(case, rows, billed, ledger("commitments"))

    change_usd = churn.churn_usd(case, cells, moved, pools, running)
    costs = money.costs_of(case, rows, moved, left, pools, billed, change_usd)
    money.check_budgets(case, costs, ledger("budgets"))
    money.check_lines(case, rows, costs, ledger("cost_lines"))
    summary.check_cost(case, rows, costs, ledger("cost"))
    summary.check_bound(case, rows, costs, ledger("bound"))
    scenarios = ledger("scenarios")
    summary.check_scenarios(case, rows, costs, fault, scenarios)
    drawn.check_drawn(case, plan, rows, scenarios)
    sizing.check_sizing(case, plan, rows, costs, cells, billed, pools, ledger("sizing"))

    verdict = tuple(one.check() for one in checks)
    return Verification(all(check.ok for check in verdict), verdict, summary.expected(case, costs))
