"""`router size`: what to commit, to whom, for how long, before demand is known."""

from __future__ import annotations

from typing import Any

import click

from router.commands.options import (
    SearchFlags,
    json_option,
    output_option,
    problem_argument,
    problem_of,
    search_options,
    verbose_option,
)
from router.commands.terminal import answer, progress


@click.command(short_help="What to sign before demand is known, and what each quote is worth.")
@problem_argument
@output_option
@search_options
@click.option(
    "--method",
    type=click.Choice(("auto", "program", "cuts")),
    default="auto",
    show_default=True,
    help="All scenarios as one program, or one by one with cuts; auto: by size.",
)
@click.option(
    "--evaluate",
    multiple=True,
    metavar="OFFER=AMOUNT|FILE",
    help="Price this commitment beside the best one: 500M a month, 4 instances, yes; or a plan. May be repeated.",
)
@click.option(
    "--frontier",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="Expected cost against CVaR, at N weights from 0 to 1.",
)
@click.option(
    "--alternatives",
    type=click.IntRange(0, 100),
    metavar="N",
    help="How many to show; default 3, none where the problem is large.",
)
@click.option(
    "--quotes/--no-quotes",
    "questions",
    default=None,
    help="Walk-away prices, and when the advice flips; default: unless the problem is large.",
)
@click.option(
    "--out-of-sample",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="Price what is signed again in N scenarios drawn afresh; default 200 where they are generated, none where "
    "the problem is large.",
)
@click.option(
    "--measures/--no-measures", default=True, show_default=True, help="WS, EV, EEV, EVPI, VSS and regret."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 4096),
    help="Processes that share the scenarios; default: one for each core, 8 at most, and 1 where the problem is small "
    "or the limit under 20 s.",
)
@click.option(
    "--backend",
    type=click.Choice(("loky", "dask", "ray")),
    default="loky",
    show_default=True,
    help="Where they run: this machine, or a Dask or Ray cluster.",
)
@json_option
@verbose_option
def size(
    file: str,
    output: str | None,
    search: SearchFlags,
    evaluate: tuple[str, ...],
    machine: bool,
    verbose: bool,
    **choices: Any,
) -> None:
    """Decide what to sign before demand is known: contracts and their volumes, instances bought ahead, fees.

    The plan is the best over all scenarios of the file, and says what each quote is worth, what the nearest
    alternatives cost, and at which demand the advice changes. One --time-limit holds for the plan and all questions.
    """
    from dataclasses import replace

    from router.reports.sizing import report_of
    from router.sizing import SizeOptions, orders_of
    from router.sizing import size as sized

    how = SizeOptions(evaluate=orders_of(evaluate), seed=search.seed, **choices)
    options = search.begun(log=verbose)
    with progress("sizing", lambda: options.left_s) as doing:
        watched = replace(options, watch=doing.reached)
        plan = sized(problem_of(file), solver=search.solver, options=watched, how=how, progress=doing)
    answer(plan, lambda: report_of(plan), machine, output, "plan")
