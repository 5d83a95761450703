"""From what was found to a plan that has been checked: rows, prices, versions, proof."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from problems import demand
from problems.core.encode import FAMILIES, Encoded
from problems.core.instance import Time
from router.errors import CertificateFailed
from router.loading.catalogue import problem_sha256
from router.plan.document import (
    DrawnFutures,
    Plan,
    ShadowPrice,
    ShadowPrices,
    SolverRun,
    StatedOptions,
    Verified,
    VerifiedCheck,
)
from router.plan.left_out import ended_by_clock, out_of_time
from router.plan.proof import Proof
from router.plan.start import start_of
from router.plan.values import per_month
from router.planning.decode import Decoded, decode, refused_rows
from router.planning.kinds.alike import Kinds
from router.planning.kinds.apart import taken_apart
from router.planning.minutes.quota_rows import quota_rows
from router.planning.minutes.spill_rows import spill_notes
from router.planning.notes import (
    burst_notes,
    notes_of,
    schedule_notes,
    turnaround_notes,
    vendor_notes,
    waiting_notes,
)
from router.planning.two_steps import Incumbent
from router.scenarios import planned_draw
from router.schema import Generated, Problem
from router.verification import Audit, verify
from solvers import SolveOptions, get

if TYPE_CHECKING:
    from router.plan.running import Reoptimised, Running

ROUNDING = 1e-6  # a solver's point further than this from a plan is worth a note
UNITS = {family.name: family.worth.unit for family in FAMILIES if family.worth is not None}


def publish(
    problem: Problem,
    incumbent: Incumbent,
    *,
    running: Running | None = None,
    reoptimise: Reoptimised | None = None,
    proof: Proof | None = None,
    kinds: Kinds | None = None,
) -> Plan:
    """The verified plan. Raises CertificateFailed where the independent check finds it wrong.

    kinds    the incumbent plans `kinds.problem`, the problem is `kinds.whole`
    """
    decoded = incumbent.decoded
    if incumbent.encoded.after_losses:
        decoded = decode(incumbent.encoded, incumbent.point, stating=incumbent.options.finishing)
    bound = max(min(incumbent.bound, decoded.objective_usd), 0.0)  # no price is negative
    planned = problem if kinds is None else kinds.problem
    quotas, minutes = quota_rows(planned, incumbent.encoded.views, decoded.routes)
    plan = replace(
        draft(problem, incumbent.encoded.instance.time, decoded),
        quotas=quotas,
        minutes=minutes,
        problem_sha256=problem_sha256(problem),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(incumbent.solver),
        solver=SolverRun(incumbent.solver, StatedOptions(**options_of(incumbent.options))),
        stop=incumbent.stop.value,
        bound_usd=bound,
        gap=gap_of(decoded.objective_usd, bound),
        refused=refused_rows(incumbent.encoded),
        prices=_prices(incumbent),
        notes=(*_notes(planned, incumbent, decoded), *burst_notes(quotas or ())),
        running=running,
        reoptimise=reoptimise,
        proof=proof,
    )
    if kinds is not None:
        plan = taken_apart(plan, kinds, _cells(incumbent.encoded))
    return checked(problem, plan, relaxed=incumbent.options.relax, before=incumbent.audit)


def draft(problem: Problem, time: Time, decoded: Decoded) -> Plan:
    """The rows of a plan and its money, without anything on how it was found."""
    return Plan(
        name=problem.name,
        created="",
        problem_sha256="",
        **start_of(problem),
        versions={},
        solver=SolverRun("none"),
        stop="",
        cost_usd=decoded.cost_usd,
        objective_usd=decoded.objective_usd,
        bound_usd=0.0,
        gap=1.0,
        horizon_h=time.horizon_h,
        cost_usd_per_month=per_month(decoded.cost_usd, time.horizon_h),
        periods=time.periods,
        cost_lines=decoded.cost_lines,
        routes=decoded.routes,
        instances=decoded.instances,
        purchases=decoded.purchases,
        contracts=decoded.contracts,
        settlements=decoded.settlements,
        coverage=decoded.coverage,
        hosts=decoded.hosts,
        spill_order=decoded.spill_order,
        credits=decoded.credits,
        unserved=decoded.unserved,
        scenarios=decoded.scenarios,
    )


def checked(problem: Problem, plan: Plan, *, relaxed: bool = False, before: Audit | None = None) -> Plan:
    """The plan with the verdict of the independent check; `before` as in `verify`. Raises CertificateFailed.

    A relaxed plan is a bound with fractions in it: that it cannot be bought as it stands is said, and no fault of ours.
    """
    plan = with_draw(problem, plan)
    verdict = verify(problem, plan, before)
    if not verdict.ok and not relaxed:
        failed = "\n".join(f"  {check.name}: {check.detail}" for check in verdict.checks if not check.ok)
        raise CertificateFailed(
            f'the plan found for "{problem.name}" failed its own check. This is a bug of the planner; please report '
            f"it with the problem file.\n{failed}"
        )
    checks = tuple(VerifiedCheck(check.name, check.ok) for check in verdict.checks)
    return replace(plan, verified=Verified(verdict.ok, checks))


def with_draw(problem: Problem, plan: Plan) -> Plan:
    """The plan with the demand that generated scenarios drew, so that it says what it was made for."""
    if not isinstance(problem.scenarios, Generated):
        return plan
    draw = planned_draw(problem)
    paths = dict(zip(draw.names, draw.multiplier.tolist(), strict=True))
    rows = tuple(replace(row, demand_path=tuple(paths[row.name])) for row in plan.scenarios)
    how = DrawnFutures(draw.count, draw.seed, len(draw.names), draw.distance)
    return replace(plan, scenarios=rows, drawn=how)


def gap_of(cost: float, bound: float) -> float:
    """(cost − bound) / cost, 0 where they agree; bound ≥ 0."""
    return 0.0 if cost <= bound else (cost - bound) / cost


def versions(solver: str) -> Mapping[str, str]:
    """What made the plan."""
    return {
        "planner": _own_version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        solver: get(solver).VERSION,
    }


@cache
def _own_version() -> str:
    """Of what is installed: it is asked of the disk once, not with every plan."""
    return version("llm-inference-planner")


def options_of(options: SolveOptions) -> dict[str, Any]:
    """What the solver was asked, as the plan states it."""
    stated = {field.name: getattr(options, field.name) for field in fields(StatedOptions)}
    stated["native"] = dict(options.native) or None
    return {name: value for name, value in stated.items() if value is not None}


def _prices(incumbent: Incumbent) -> ShadowPrices:
    """Shadow prices of the business rows, with what was fixed to get them."""
    if incumbent.row_duals is None:
        return ShadowPrices("the solver gave no shadow prices", ())
    rows = []
    largest = float(np.abs(incumbent.row_duals).max(initial=0.0))
    for family, first, end, _ in incumbent.encoded.row_families:
        if family not in UNITS:
            continue
        duals = incumbent.row_duals[first:end]
        for i in np.flatnonzero(np.abs(duals) > 1e-9 * max(largest, 1e-9)):
            label = incumbent.encoded.row_label(first + int(i))
            rows.append(ShadowPrice(family, label, float(duals[i])))
    return ShadowPrices(incumbent.prices_of, tuple(rows), UNITS, checked=False)


def _cells(encoded: Encoded) -> Iterator[tuple[str, str, int]]:
    """Rows of demand by name, the workload of each, and its period or occurrence."""
    loads = encoded.instance.workloads
    for family, first, _, s in encoded.row_families:
        if family != demand.NAME:
            continue
        view = encoded.views[s]
        for i, cell in enumerate(np.flatnonzero(view.answered == np.arange(len(view.cells)))):
            w = view.cells.workload[cell]
            yield encoded.row_label(first + i), loads.file_names[w], int(view.cells.occurrence[cell])


def _notes(problem: Problem, incumbent: Incumbent, decoded: Decoded) -> tuple[str, ...]:
    """The problem's notes, and what solving added to them."""
    notes = []
    if incumbent.options.relax:
        notes.append(
            "integrality relaxed: instance counts and contracts may be fractions, which nobody can sign"
        )
    settled = decoded.settled
    if max(settled.moved_share, settled.moved_count) > ROUNDING:
        notes.append(
            f"rounding moved a share by up to {settled.moved_share:.1e} "
            f"and an integer by up to {settled.moved_count:.1e}"
        )
    notes += out_of_time(incumbent.out_of_time)
    notes += ended_by_clock(incumbent.options.ended_by_clock)
    if incumbent.equal_plans:
        notes.append(incumbent.equal_plans)
    if incumbent.found_by:
        notes.append(f"the plan was {incumbent.found_by}")
    if incumbent.rounds:
        notes.append(
            f"plan and bound took {incumbent.rounds} rounds to close in on the waiting that keeps within every SLO"
        )
    return (
        *notes_of(problem),
        *schedule_notes(problem, incumbent.encoded.instance),
        *waiting_notes(problem, decoded.routes),
        *turnaround_notes(problem, decoded.routes),
        *vendor_notes(decoded.settlements),
        *spill_notes(incumbent.encoded, decoded.settled.point),
        *notes,
    )
