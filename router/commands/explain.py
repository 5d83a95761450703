"""`router explain`: why there is no plan, or what decides the one there is."""

from __future__ import annotations

import click

from router.commands.options import (
    SearchFlags,
    json_option,
    output_option,
    problem_argument,
    problem_of,
    scenario_option,
    search_options,
    verbose_option,
    writable,
)
from router.commands.terminal import answer, progress, remark


@click.command(short_help="Why no plan exists, or what decides the best one.")
@problem_argument
@click.option(
    "--vary",
    "ranges",
    multiple=True,
    metavar="PATH=a:b",
    help="Where the plan changes as a field, or a factor of demand or prices, moves from a to b; may be repeated.",
)
@click.option("--picture", metavar="FILE", callback=writable, help="With --vary: what moves as an SVG.")
@output_option
@search_options
@scenario_option
@json_option
@verbose_option
def explain(
    file: str,
    ranges: tuple[str, ...],
    picture: str | None,
    output: str | None,
    search: SearchFlags,
    scenario: str | None,
    machine: bool,
    verbose: bool,
) -> int:
    """Say why no plan keeps every promise and the least change that makes one; or what binds, and what it is worth.

    Savings are differences of two solved plans. With --vary workloads.chat.demand=0.5:2 (factors, as for
    offers.acme.prices; values for any other field): the values at which what is signed, or who carries work, changes.

    Exit code 3 where no plan exists, as with `router solve`; the explanation is on stdout all the same.
    """
    from dataclasses import replace

    from router.errors import Infeasible
    from router.explaining import explain as run
    from router.explaining.moving import Moving, vary
    from router.output import write_text
    from router.reports.explanation import explanation_report
    from router.reports.moving import moving_svg

    if picture is not None and not ranges:
        raise click.UsageError("--picture goes with --vary")
    options, spans = search.begun(log=verbose), [_span(text) for text in ranges]
    problem, moving = problem_of(file), list[Moving]()
    with progress("explaining", lambda: options.left_s) as doing:
        for k, (path, low, high) in enumerate(spans):
            doing(f"{path} from {low:g} to {high:g}")
            share = options.within(1.0 / (len(spans) + 1 - k))
            moving.append(
                vary(problem, path, low, high, solver=search.solver, options=share, scenario=scenario)
            )
        doing("the plan, and questions about it")
        watched = replace(options, watch=doing.reached)
        explanation = run(problem, solver=search.solver, options=watched, scenario=scenario)
    explanation = replace(explanation, moving=tuple(moving))
    if picture is not None:
        write_text(picture, moving_svg(moving), "--picture")
        remark(f"picture written to {picture}")
    answer(explanation.as_dict(), lambda: explanation_report(explanation), machine, output, "explanation")
    return 0 if explanation.plan is not None else Infeasible.exit_code


def _span(text: str) -> tuple[str, float, float]:
    """Path and ends of `PATH=a:b`. Raises InputError."""
    from router.errors import InputError, Issue
    from router.schema.numbers import parse_number
    from router.schema.paths import split_setting

    path, ends = split_setting(text)
    low, colon, high = ends.partition(":")
    try:
        if not (path and colon):
            raise ValueError("must be PATH=a:b")
        return path, parse_number(low), parse_number(high)
    except ValueError as error:
        raise InputError(Issue(("--vary",), str(error), text, "as in workloads.chat.demand=0.5:2")) from error
