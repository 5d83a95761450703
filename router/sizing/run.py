"""`router size`: decide the first stage, price it in every scenario, ask what else it could be, publish it verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import fsum, isfinite
from pathlib import Path

from problems.core.admissible import admissible
from problems.core.decision import Decision
from problems.core.encode import encode
from problems.core.instance import Instance
from problems.core.view import view_of
from router.errors import Infeasible, NoPlanInTime
from router.loading.catalogue import load, problem_sha256
from router.normalise import normalise
from router.plan.document import Plan, ShadowPrices, SolverRun, StatedOptions
from router.plan.left_out import ended_by_clock
from router.plan.rows import Purchase, ScenarioCost, Settlement
from router.plan.sizing import Amount, Sizing
from router.plan.start import start_of
from router.plan.values import per_month
from router.planning.decode import refused_rows
from router.planning.minutes.closing import rows_of_relaxation
from router.planning.minutes.quota_rows import quota_rows
from router.planning.notes import burst_notes, notes_of, sizing_notes, turnaround_notes, waiting_notes
from router.planning.proving import proven_sizing
from router.planning.publish import checked, gap_of, options_of, versions
from router.planning.solve import DEFAULT_SOLVER
from router.schema import Generated, Problem
from router.sizing.alternatives import Weighed, amounts, weigh
from router.sizing.best import ROUNDING, Best, figures, plan_under, priced_plan, rows_of_program
from router.sizing.first_stage import decide
from router.sizing.joint import Asked, prepared
from router.sizing.measures import Baselines, baselines
from router.sizing.options import Inquiry, SizeOptions, Study
from router.sizing.outcomes import flows_of, outcomes
from router.sizing.sections import Sections
from router.workers import ALONE, begin, seldom_collected, start_workers
from solvers import SolveOptions, Stop

FOR_THE_ANSWER = 0.5  # of the time at most, where questions follow
PART_DECIDED = 0.3
"""Of the time that deciding and pricing every scenario took: what another decision takes at least."""
FOR_QUESTIONS = 0.9  # of what is then left; the rest is for the check
A_PART = 0.2  # of the time left, for measures and for amounts each
FOR_VARIANTS = 0.6  # the best plans without and with each offer: quotes are read from them
READ_S = 40e-6  # for each flow column, to read the plan of all scenarios and to check it
PRICED_S = 300e-6  # for each flow column, to price every scenario: writing, solving and reading its program
EACH = "its plan in every scenario"
TURNS = 5  # how often a better plan, met while looking for alternatives, is taken in its place
REFUTES = 1e-5  # relative: a plan this much below the bound shows that the solver's bound was wrong


@seldom_collected()
def size(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    how: SizeOptions | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Plan:
    """The plan that is best over all scenarios, with what it costs in each, verified scenario by scenario.

    problem     a `Problem`, or the path of its file
    solver      a name of `router solvers`
    options     as for `solve`; `time_limit_s`, in seconds, holds for the whole study
    how         `SizeOptions`: what else is asked, such as alternatives, quotes, a frontier; None: what suits the size
    progress    called with what is being done

    Gives a `Plan` whose section `sizing` has, in USD over the horizon, the expected cost and CVaR, what to sign, what
    each quote is worth and from which price on it is not, and where the advice flips as demand moves.

    Raises InputError, Infeasible, NoPlanInTime, SolverFailed, CertificateFailed.
    """
    begun = (options or SolveOptions()).begun()
    loaded, how = load(problem), how or SizeOptions()
    inst = normalise(loaded)
    flows = flows_of(inst, admissible(inst)[0])
    how = how.suited(flows, generated=isinstance(loaded.scenarios, Generated), limit_s=begun.time_limit_s)
    with start_workers(how.backend, how.workers or 1) as workers:
        watched, left_s = Study(solver, begun, how.method, workers), begun.left_s
        study = replace(
            watched, options=replace(begun, watch=None)
        )  # who watches is told of the first stage alone
        if how.weighs:
            begin(partial(prepared, Asked.of(inst), replace(study, workers=ALONE)), workers)
        best, left_out = _best(study, watched, how, inst, flows, progress)
        if begun.deadline is not None and isfinite(left_s):
            study = replace(study, step_s=PART_DECIDED * (left_s - begun.left_s))
        inquiry = Inquiry(study.within(FOR_QUESTIONS), progress)
        inquiry.left_out += left_out
        base = None
        if how.measures:
            base = inquiry.ask("what planning with scenarios is worth", partial(baselines, inst=inst), A_PART)
            best = best if base is None else _improved(study, best, _of_mean(inst, base))
        best, weighed, near = _weighed(inquiry, best, how)
        sizing = Sections(loaded, inquiry, how, best, base, weighed, near).all()
    progress("checking the plan")
    minutes = rows_of_relaxation(inst, study.options)
    plan, audit = proven_sizing(loaded, _plan(loaded, best, sizing, study), study.options, flows, minutes)
    plan = replace(plan, notes=(*plan.notes, *ended_by_clock(begun.ended_by_clock)))
    return checked(loaded, plan, before=audit)


def _best(
    study: Study,
    watched: Study,
    how: SizeOptions,
    inst: Instance,
    flows: int,
    progress: Callable[[str], None],
) -> tuple[Best, list[str]]:
    """The first stage, and its plan in every scenario; with what was left out for want of time.

    Where one program found the first stage, its own plan of all scenarios stands in: not the best of each, and a plan.
    """
    progress("what to sign")
    reading = READ_S * flows / max(study.options.left_s, READ_S * flows)
    share = FOR_THE_ANSWER if how.weighs else max(1.0 - reading, FOR_THE_ANSWER)
    try:
        first = decide(inst, watched.within(share), twice=True)
    except Infeasible as error:
        raise Infeasible(_why_none(study, inst, error)) from error
    progress(EACH)
    plan = first.plan
    if plan is None:
        return priced_plan(study.finishing, inst, first), []
    try:
        if not study.finishing.options.short_of(PRICED_S * flows / study.workers.count):
            return priced_plan(study.finishing, inst, first), []
    except NoPlanInTime:
        pass
    return rows_of_program(inst, first, plan), [f"{EACH} by itself"] if len(inst.scenarios) > 1 else []


def _why_none(study: Study, inst: Instance, error: Infeasible) -> str:
    """Which scenarios have no plan of their own; if all have, what is bought ahead cannot suit them all."""
    names = inst.scenarios.names
    if len(names) == 1:
        return str(error)
    alone = outcomes(inst, None, study)
    failing = [outcome for outcome in alone if outcome.cost_usd is None]
    if not failing:
        return (
            f"no plan serves all {len(names)} scenarios, though each has one of its own: limits on what is bought "
            "ahead (policy.max_committed_usd, policy.max_spend_usd, groups, instances.max) leave none for all.\n"
            f"  `router size` without them, or `router explain FILE --scenario {names[0]}` and the like, says how far."
        )
    more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
    reason = f"{failing[0].fault}".replace("explain FILE", f"explain FILE --scenario {failing[0].name}")
    return f'scenario "{failing[0].name}"{more} cannot be served: {reason}'


def _of_mean(inst: Instance, base: Baselines) -> Iterable[tuple[float, Decision]]:
    """The plan for the mean, where it serves all futures."""
    if not base.fails_in:
        yield figures(base.of_mean_usd, inst).objective_usd, base.mean_plan


def _improved(study: Study, best: Best, others: Iterable[tuple[float, Decision]]) -> Best:
    """The cheapest of others, by objective, in place of a plan that was not proven best."""
    usd, decision = min(others, key=lambda other: other[0], default=(best.objective_usd, best.decision))
    if usd >= best.objective_usd - ROUNDING * abs(best.objective_usd):
        return best
    first = replace(best.first, decision=decision)
    if usd < first.bound_usd - REFUTES * abs(first.bound_usd):  # nothing is proven any more
        first = replace(first, bound_usd=0.0, stop=Stop.UNKNOWN)
    try:
        return plan_under(study, best.inst, first)
    except NoPlanInTime:
        return best


def _weighed(inquiry: Inquiry, best: Best, how: SizeOptions) -> tuple[Best, Weighed, tuple[Amount, ...]]:
    """Alternatives to the plan, and its amounts changed. If one is cheaper, adopt it as the plan and start over."""
    weighed, late = Weighed({}, {}, None), 0
    near: list[tuple[Amount, Decision]] = []
    for turn in range(TURNS + 1 if how.weighs else 0):
        weighed = inquiry.ask("alternatives", partial(weigh, best=best), FOR_VARIANTS) or Weighed(
            {}, {}, None
        )
        near, late = [], 0
        if how.alternatives:
            near, late = inquiry.ask("signing more or less", partial(amounts, best=best), A_PART) or ([], 0)
        if turn == TURNS:
            break
        before = best
        others = [(plan.objective_usd, plan.decision) for plan in weighed.all() if plan is not None]
        others += [(row.objective_usd, decision) for row, decision in near if row.objective_usd is not None]
        best = _improved(inquiry.study, best, others)
        if best is before:
            break
    inquiry.left_out += [f"the best plan {what}" for what in weighed.late]
    inquiry.left_out += [f"{late} of the amounts around those signed"] if late else []
    return best, weighed, tuple(row for row, _ in near)


def _plan(problem: Problem, best: Best, sizing: Sizing, study: Study) -> Plan:
    """All scenarios' rows under one decision, as one plan."""
    inst, parts, lines = best.inst, best.parts, best.lines()
    signed = [*sizing.sign, *(row for other in sizing.alternatives or () for row in other.signs)]
    owes_later = any(row.beyond_horizon_usd > 0 for row in signed)
    bound = max(min(best.first.bound_usd, best.objective_usd), 0.0)
    first = encode(replace(inst, scenarios=inst.scenarios.only(0)), routed=admissible(inst))
    cost_usd = fsum(line.usd for line in lines)
    costs = (
        ScenarioCost(name, float(p), float(usd))
        for name, p, usd in zip(inst.scenarios.names, inst.scenarios.probability, best.cost, strict=True)
    )
    routes = tuple(row for part in parts for row in part.routes)
    futures = range(len(inst.scenarios))
    views = (view_of(inst, first.views[0].routes, s, first.views[0].boundary) for s in futures)
    quotas, minutes = quota_rows(problem, views, routes)
    return Plan(
        name=problem.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        problem_sha256=problem_sha256(problem),
        **start_of(problem),
        versions=versions(study.solver),
        solver=SolverRun(
            study.solver, StatedOptions(**options_of(study.options)), best.first.method, best.first.rounds
        ),
        stop=_stop(best, study).value,
        cost_usd=cost_usd,
        objective_usd=best.objective_usd,
        bound_usd=bound,
        gap=gap_of(best.objective_usd, bound),
        horizon_h=inst.time.horizon_h,
        cost_usd_per_month=per_month(cost_usd, inst.time.horizon_h),
        periods=inst.time.periods,
        cost_lines=lines,
        routes=routes,
        instances=tuple(row for part in parts for row in part.instances),
        hosts=_of_all([part.hosts for part in parts]),
        spill_order=_of_all([part.spill_order for part in parts]),
        purchases=_purchases(best),
        contracts=tuple({row: None for part in parts for row in part.contracts}),
        settlements=_settlements(best),
        coverage=_of_all([part.coverage for part in parts]),
        credits=_of_all([part.credits for part in parts]),
        quotas=quotas,
        minutes=minutes,
        unserved=tuple(row for part in parts for row in part.unserved),
        refused=refused_rows(first),
        prices=ShadowPrices("a sized plan has prices per scenario only; solve one scenario to see them", ()),
        scenarios=tuple(costs) if inst.scenarios.listed else (),
        notes=(
            *sizing_notes(problem, owes_later=owes_later),
            *notes_of(problem),
            *waiting_notes(problem, routes),
            *turnaround_notes(problem, routes),
            *burst_notes(quotas or ()),
        ),
        sizing=sizing,
    )


def _stop(best: Best, study: Study) -> Stop:
    """Cuts that end well may still leave a gap: they see no whole numbers of the second stage."""
    unclosed = best.first.stop is Stop.OPTIMAL and best.gap > max(10 * study.options.gap, ROUNDING)
    return Stop.UNKNOWN if unclosed else best.first.stop


def _purchases(best: Best) -> tuple[Purchase, ...]:
    """What is bought for a term, at mean prices: each scenario's own plan states it at its own."""
    if len(best.parts) == 1:
        return best.parts[0].purchases
    weights = best.inst.scenarios.probability.tolist()
    each = zip(*(part.purchases for part in best.parts), strict=True)
    return tuple(
        replace(
            rows[0],
            billed_usd=fsum(p * (row.billed_usd or 0.0) for p, row in zip(weights, rows, strict=True)),
            beyond_horizon_usd=fsum(
                p * (row.beyond_horizon_usd or 0.0) for p, row in zip(weights, rows, strict=True)
            ),
        )
        for rows in each
    )


def _of_all[R](parts: Sequence[tuple[R, ...] | None]) -> tuple[R, ...] | None:
    """Rows of every scenario: what agreements bill, and credits pay; None where there are none of either."""
    rows = tuple(row for part in parts for row in part or ())
    return None if all(part is None for part in parts) else rows


def _settlements(best: Best) -> tuple[Settlement, ...]:
    """Every scenario's months; a contract without a minimum that others use stands idle where it is not used.

    What such a one could cover there, beside others in force, hangs on all of them: a vendor's order is not stated.
    """
    rows = [row for part in best.parts for row in part.settlements]
    spans = {(row.seller, row.from_h, row.until_h): row for row in rows}
    names = best.inst.scenarios.names
    scenario_of = [row.scenario if len(names) > 1 else names[0] for row in rows]
    settled = {
        (name, row.seller, row.from_h, row.until_h) for name, row in zip(scenario_of, rows, strict=True)
    }
    idle = [_idle(row, name) for name in names for key, row in spans.items() if (name, *key) not in settled]
    beside = {row.scenario for row in idle if row.agreement is not None}
    rows = [
        replace(row, vendor_order_usd=None) if name in beside else row
        for name, row in zip(scenario_of, rows, strict=True)
    ]
    return (*rows, *idle)


def _idle(row: Settlement, scenario: str) -> Settlement:
    """The settlement of a scenario that uses nothing of it."""

    def nothing(usd: float | None) -> float | None:
        return None if usd is None else 0.0

    return replace(
        row,
        scenario=scenario,
        used_tokens=0.0,
        used_usd=0.0,
        billed_usd=0.0,
        utilisation=None,
        rolled_usd=nothing(row.rolled_usd),
        unused_usd=nothing(row.unused_usd),
        covered_usd=nothing(row.covered_usd),
        vendor_order_usd=None,
        so_far=None if row.so_far is None else replace(row.so_far, used=0.0),
    )
