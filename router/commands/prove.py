"""`router prove`: a plan's claim put to the test by another road."""

from __future__ import annotations

import click

from router.commands.options import (
    allow_files_option,
    clock_s,
    json_option,
    output_option,
    problem_of,
    tracebacks_option,
)
from router.commands.terminal import answer, progress, remark

NOT_KNOWN, REFUTED = 4, 6


@click.command(short_help="Put a plan's bound to the test by another solver.")
@click.argument("file", metavar="FILE")
@allow_files_option
@click.argument("plan", metavar="PLAN")
@output_option
@click.option("--solver", metavar="NAME", help="Default: one that did not make the plan. See router solvers.")
@click.option(
    "--time-limit",
    type=float,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Of the search; inf: none.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The solver's random seed.")
@json_option
@tracebacks_option
def prove(
    file: str, plan: str, output: str | None, solver: str | None, time_limit: float, seed: int, machine: bool
) -> int:
    """Search by another road for a plan that costs less than PLAN's bound says any plan can.

    First the plan is checked as `router verify` does. Then another solver, from another seed and without presolve, is
    asked for nothing but a cheaper plan. Ends with 0 where there is none (confirmed), 4 where that is not known within
    the limit, 6 where a cheaper plan is found, which is shown (and written with -o), or where PLAN fails its check.
    """
    import math

    since = clock_s()
    from router.commands.plan_file import with_proof_beside
    from router.plan.file import read_plan
    from router.planning.doubts.second_road import another_solver, second_opinion
    from router.reports.second_opinion import opinion_report
    from router.verification import verify
    from solvers import SolveOptions

    problem = problem_of(file)
    stated = with_proof_beside(read_plan(plan, problem), plan)
    options = SolveOptions(seed=seed, time_limit_s=None if math.isinf(time_limit) else time_limit)
    options = options.begun(clock_s() - since)
    with progress("checking"):
        failed = verify(problem, stated).failed()
    if failed:
        remark(f"Error: {plan} does not keep what {file} asks: {', '.join(failed)}")
        return REFUTED
    with progress("searching for a cheaper plan"):
        opinion = second_opinion(problem, stated, solver or another_solver(stated), options)
    if opinion.cheaper is not None and output is not None:
        answer(opinion.cheaper, lambda: opinion_report(opinion, plan), machine, output, "plan")
    else:
        answer(opinion, lambda: opinion_report(opinion, plan), machine)
    return {"confirmed": 0, "not known": NOT_KNOWN, "refuted": REFUTED}[opinion.outcome]
