"""`router backtest`: the scheduled run, replayed on demand that is known by now."""

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
    writable,
)
from router.commands.terminal import answer, deliver, progress, remark

METHODS = ("perfect", "same-hour-last-week", "same-hour-yesterday", "last", "trend")
PICTURES = (".svg", ".html")


def _picture(context: click.Context, option: click.Parameter, path: str | None) -> str | None:
    if path is not None and not path.endswith(PICTURES):
        raise click.UsageError(f"--picture: {path} must end in {' or '.join(PICTURES)}")
    return writable(context, option, path)


@click.command(short_help="Scheduled re-optimisation, replayed on recorded demand.")
@problem_argument
@click.option("--trace", metavar="FILE", help="Replay this record, whole, in place of the file's own.")
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="PERIODS",
    help="Plan again so often.",
)
@click.option(
    "--lookahead", type=click.IntRange(1), metavar="PERIODS", help="Periods planned for; default: a day."
)
@click.option(
    "--forecast",
    type=click.Choice(METHODS),
    default="same-hour-last-week",
    show_default=True,
    help="Made from the past alone; perfect: what really came.",
)
@click.option(
    "--warm-up",
    type=click.IntRange(0),
    metavar="PERIODS",
    help="First periods, history only; default: what the forecast takes.",
)
@click.option(
    "--picture",
    metavar="FILE",
    callback=_picture,
    help="Demand, capacity and cost over time, as .svg or .html.",
)
@output_option
@search_options
@json_option
@verbose_option
def backtest(
    file: str,
    trace: str | None,
    picture: str | None,
    output: str | None,
    search: SearchFlags,
    machine: bool,
    verbose: bool,
    **settings: Any,
) -> None:
    """Replay demand that is known by now, as `router reoptimise` would have run, and settle what it would have cost.

    Each step sees the past alone. Its plan is checked, its counts stay as planned, and the demand that really came is
    met: by the plan's own routes as far as they reach, then by whatever has room or sells by the token. The cost stands
    beside that of the best plan in hindsight (regret), of the first plan kept throughout, and of the cheapest offer.
    A step's search takes 5 s at most and ends at a gap of 0.1 %; --time-limit and --gap hold for hindsight.
    """
    if search.relax:
        raise click.UsageError("--relax gives bounds, and a bound cannot be put in force")
    from router.backtesting import Settings
    from router.backtesting import backtest as replayed
    from router.backtesting.record import with_trace
    from router.planning.solve import Search
    from router.reports.backtest import backtest_report, to_html
    from router.reports.backtest_picture import to_svg

    problem = problem_of(file)
    if trace is not None:
        problem = with_trace(problem, trace)
    with progress("replaying") as doing:
        result = replayed(problem, Settings(**settings), Search(search.solver, search.options()), doing)
    if picture is not None:
        deliver(to_html(result) if picture.endswith(".html") else to_svg(result), picture, "picture")
    if verbose:
        remark(", ".join(f"{part}: {seconds:.2f} s" for part, seconds in result.seconds.items()))
    answer(result.to_dict(), lambda: backtest_report(result), machine, output, "backtest")
