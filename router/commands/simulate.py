"""`router simulate`: requests replayed against a plan."""

from __future__ import annotations

import click

from router.commands.options import json_option, output_option, verbose_option
from router.commands.terminal import progress, remark, say_json, say_report

ARRIVALS = ("stated", "poisson", "bursty", "trace")


@click.command(short_help="Replay requests against a plan, by discrete events.")
@click.argument("plan", metavar="PLAN")
@click.option("--problem", metavar="FILE", help="The problem file that the plan was made from.")
@click.option(
    "--hours",
    default="all",
    show_default=True,
    metavar="WHICH",
    help="all, busiest, median, drawn:N, or periods such as 0,5,10-14.",
)
@click.option(
    "--arrivals",
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
@verbose_option
def simulate(
    plan: str,
    problem: str | None,
    hours: str,
    arrivals: str,
    arrival_cv: float | None,
    trace: str | None,
    scenario: str | None,
    seed: int,
    requests: int,
    most: int,
    output: str | None,
    machine: bool,
    verbose: bool,
) -> None:
    """Replay requests against the instances of a plan, and report the percentiles achieved beside those promised.

    Every promise on the first token and the whole request is kept, broken or undecided, at 95 % confidence. With -o
    the result is written as JSON.
    """
    from router.errors import InputError, Issue
    from router.loading.catalogue import load
    from router.output import check_writable, write_text
    from router.plan.file import read_plan
    from router.plan.values import to_json
    from router.reports.simulation import simulation_report
    from router.simulation import simulate as replay

    if problem is None:
        rule = "a plan does not hold the service rates of its offers: name the problem file it was made from"
        raise InputError(Issue(("--problem",), rule, hint=f"router simulate {plan} --problem FILE"))
    if output is not None:
        check_writable(output)
    with progress("simulating") as doing:
        found = replay(
            stated := load(problem),
            read_plan(plan, stated),
            hours=hours,
            arrivals_as="trace" if trace is not None else arrivals,
            arrival_cv=arrival_cv,
            trace=trace,
            scenario=scenario,
            seed=seed,
            requests=requests,
            most=most,
            progress=doing,
        )
    if output is not None:
        write_text(output, to_json(found.to_dict()))
        remark(f"simulation written to {output}")
    if machine:
        say_json(found.to_dict())
    else:
        say_report(simulation_report(found))
