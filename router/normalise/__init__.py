"""Schema → Instance: the only unit conversion and indexing in the program.

USD per million tokens become USD per token, milliseconds seconds, quotas per minute per second, percentiles and names
indices. Absent limits become +inf. Nothing is decided here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.instance import Instance, Models, PolicyLimits
from problems.core.supply import Groups
from router.normalise.agreements import agreements, refuse_dear_counts, refuse_own_spans
from router.normalise.columns import flags, floats
from router.normalise.contracts import contracts
from router.normalise.demand import cells, time_of, work_units, workloads
from router.normalise.fleets import fleets, refuse_parts_of_changing_periods
from router.normalise.hosts import hosts
from router.normalise.network import by_origin, network, widened
from router.normalise.offers import entries, offers
from router.normalise.pending import refuse_parts_of_periods, refuse_parts_of_spans
from router.normalise.quotas import allowances, credits, quotas
from router.normalise.recipes import answer_limits, by_step
from router.normalise.roles import by_role
from router.normalise.scenarios import scenarios
from router.normalise.schedule import timetable
from router.normalise.shares import refuse_minimum_of_refused, shares
from router.normalise.sizes import refuse_too_large
from router.normalise.spilling import with_spilling
from router.schema import Problem
from router.traces import recorded
from solvers.two_stage.risk import TailRisk

__all__ = ["normalise"]


def normalise(problem: Problem, scenario: str | None = None) -> Instance:
    """The instance of a problem; with `scenario`, that future alone, as if it were certain.

    Raises `InputError` for what no plan is made for yet, and for what is wrong in a record of demand.
    """
    file = problem
    stated = recorded(problem).problem
    counted, halves = by_role(stated)
    problem, steps = by_step(*by_origin(counted))
    of = steps.of
    time, clock = time_of(problem), problem.horizon.clock
    rules = timetable(problem, clock, 0.0, time.horizon_h)
    time = replace(time, edge_h=rules.edge_h)
    lives = offers(problem, clock, rules, halves)
    work = [work_units(workload, time) for workload in problem.workloads]
    rented = fleets(problem, lives, time, rules)
    inst = Instance(
        name=problem.name,
        time=time,
        models=_models(problem),
        workloads=workloads(problem, steps),
        cells=cells(problem, time, clock, work),
        offers=lives,
        entries=entries(problem, rules, halves),
        quotas=quotas(problem, rules),
        shares=shares(stated, of),
        answers=answer_limits(steps),
        network=network(problem),
        allowances=allowances(problem, time),
        credits=credits(problem, time),
        fleets=rented,
        contracts=contracts(problem, lives, time, rules),
        agreements=agreements(problem),
        groups=_groups(problem),
        hosts=hosts(problem, rented, lives, time, rules),
        policy=_policy(problem),
        scenarios=widened(scenarios(stated, scenario), of, lives.seller_of(len(stated.offers))),
    )
    inst = with_spilling(file, inst)
    refuse_own_spans(problem, inst)
    refuse_dear_counts(problem, inst)
    refuse_parts_of_periods(problem, inst)
    refuse_parts_of_spans(problem, inst)
    refuse_parts_of_changing_periods(problem, inst)
    refuse_too_large(problem, inst)
    refuse_minimum_of_refused(stated, inst, of)
    return inst


def _models(problem: Problem) -> Models:
    models = problem.models.values()
    return Models(
        names=tuple(problem.models),
        parameters_b=floats(models, "parameters_b", 0.0),
        memory_gb=floats(models, "memory_gb", 0.0),
        context_tokens=floats(models, "context_tokens"),
        quality=floats(models, "quality", -np.inf),
        open_weights=flags(models, "open_weights"),
    )


def _groups(problem: Problem) -> Groups:
    """One for units, or one for each resource."""
    rented = [(offer.name, offer.instances) for offer in problem.offers if offer.instances is not None]
    rows: list[tuple[str, bool, float, float, list[float]]] = []
    for group in problem.groups:
        if not group.weights:
            weight = [each.units if name in group.offers else 0.0 for name, each in rented]
            most = np.inf if group.max_units is None else group.max_units
            rows.append((group.name, False, most, group.min_units, weight))
        for resource, most in group.limits.items():
            weight = [group.weight(name, resource) for name, _ in rented]
            rows.append((f"{group.name},{resource}", True, most, 0.0, weight))
    return Groups(
        names=tuple(row[0] for row in rows),
        resource=np.array([row[1] for row in rows], dtype=bool),
        weight=np.array([row[4] for row in rows], dtype=float).reshape(len(rows), len(rented)),
        max_units=np.array([row[2] for row in rows], dtype=float),
        min_units=np.array([row[3] for row in rows], dtype=float),
    )


def _policy(problem: Problem) -> PolicyLimits:
    policy = problem.policy

    def limit(value: float | None) -> float:
        return np.inf if value is None else value

    return PolicyLimits(
        max_spend_usd=limit(policy.max_spend_usd),
        max_committed_usd=limit(policy.max_committed_usd),
        max_share_per_provider=policy.max_share_per_provider,
        max_power_kw=limit(policy.max_power_kw),
        p99_over_mean=policy.p99_over_mean or 0.0,
        wait_margin=policy.wait_margin,
        load_margin=policy.load_margin,
        charge_in_full=policy.end_of_horizon == "charge_in_full",
        survive_loss_of=policy.survive_loss_of,
        risk=TailRisk(problem.risk.cvar_level, problem.risk.cvar_weight),
    )
