"""`router simulate`: requests replayed against a plan."""

from __future__ import annotations

from typing import Any

import click

from router.commands.options import json_option, output_option, problem_of, problem_option, tracebacks_option
from router.commands.terminal import answer, progress

ARRIVALS = ("stated", "poisson", "bursty", "trace")


@click.command(short_help="Replay requests against a plan, by discrete events.")
@click.argument("plan", metavar="PLAN")
@problem_option("The problem file that the plan was made from.")
@click.option(
    "--hours",
    default="all",
    show_default=True,
    metavar="WHICH",
    help="all, busiest (a pool with a promise is fullest), median, drawn:N, or periods such as 0,5,10-14.",
)
@click.option(
    "--arrivals",
    "arrivals_as",
    type=click.Choice(ARRIVALS),
    default="stated",
    show_default=True,
    help="How requests come; stated: with each workload's arrival_cv.",
)
@click.option(
    "--arrival-cv",
    type=click.FloatRange(min=0),
    metavar="X",
    help="Coefficient of variation of the gaps, for all workloads.",
)
@click.option(
    "--trace",
    metavar="FILE",
    help="Record to replay in place of the problem's; implies --arrivals trace.",
)
@click.option("--scenario", metavar="NAME", help="The future to simulate, of those in the plan.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the requests drawn."
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="Requests of the rarest workload with a promise, in each period.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=500_000,
    show_default=True,
    metavar="N",
    help="Most requests in a period.",
)
@output_option
@json_option
@tracebacks_option
def simulate(
    plan: str,
    problem: str | None,
    arrivals_as: str,
    trace: str | None,
    output: str | None,
    machine: bool,
    **choices: Any,
) -> None:
    """Replay requests against the instances of a plan, and report the percentiles achieved beside those promised.

    Every promise on the first token and the whole request is kept, broken or undecided, at 95 % confidence. With -o
    the result is written as JSON.
    """
    from router.errors import InputError, Issue
    from router.plan.file import read_plan
    from router.reports.simulation import simulation_report
    from router.simulation import simulate as replay

    if problem is None:
        rule = "a plan does not hold the service rates of its offers: name the problem file it was made from"
        raise InputError(Issue(("--problem",), rule, hint=f"router simulate {plan} --problem FILE"))
    arrivals_as = "trace" if trace is not None else arrivals_as
    with progress("simulating") as doing:
        stated = problem_of(problem)
        simulation = replay(
            stated, read_plan(plan, stated), arrivals_as=arrivals_as, trace=trace, progress=doing, **choices
        )
    answer(simulation.to_dict(), lambda: simulation_report(simulation), machine, output, "simulation")
