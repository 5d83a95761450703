"""`router reoptimise`: the scheduled run."""

from __future__ import annotations

import re
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from router.commands.options import (
    SearchFlags,
    allow_files,
    json_option,
    output_option,
    problem_argument,
    scenario_option,
    search_options,
    verbose_option,
    writable,
)
from router.commands.terminal import answer, progress, remark
from router.errors import InputError, Issue, RouterError

if TYPE_CHECKING:
    from router.reoptimisation.run import Result
    from router.reoptimisation.scheduled import Journal

CHANGED = 10
FIGURES = (
    *("outcome", "changed", "id", "run_key", "running_id", "running_usd", "best_usd", "unconstrained_usd"),
    *("gain_usd", "churn_usd", "moved_share", "resized", "broken"),
)
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def span(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Seconds of `90s`, `15m`, `2h`, `1d`. Raises InputError: a plain number is minutes to some, seconds to others."""
    if value is None:
        return None
    at, number = (option.opts[0],), value.strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", number)
    if match is None or float(match[1]) <= 0:
        raise InputError(Issue(at, "is not a length of time", value, "write 90s, 15m, 2h or 1d"))
    if not match[2]:
        raise InputError(Issue(at, f"needs a unit: {number}m or {number}s", value))
    return float(match[1]) * UNITS[match[2]]


store_option = click.option(
    "--store",
    metavar="URL",
    envvar="ROUTER_STORE",
    default="sqlite:///router.db",
    show_default=True,
    help="SQLAlchemy URL of the plan store; also ROUTER_STORE.",
)


@click.command(short_help="The scheduled run: a new plan only where it pays.")
@problem_argument
@store_option
@output_option
@click.option("--start", metavar="WHEN", help="Another start of the horizon: a local time, or now.")
@click.option(
    "--repeat-daily",
    is_flag=True,
    help="Lists of demand go by the clock at another start: each day is like theirs.",
)
@click.option(
    "--max-age", "max_age_s", callback=span, metavar="SPAN", help="Refuse recorded demand older than this."
)
@click.option(
    "--lease",
    "lease_s",
    callback=span,
    default="10m",
    show_default=True,
    metavar="SPAN",
    help="A dead run's lock ends so.",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="10 where a new plan is in force, 0 where the old one is."
)
@click.option("--every", callback=span, metavar="SPAN", help="Run again and again, until stopped.")
@click.option("--log-json", is_flag=True, help="Say what happens as JSON lines on stderr.")
@click.option(
    "--metrics", metavar="FILE", callback=writable, help="Write figures there in the Prometheus text format."
)
@search_options
@scenario_option
@json_option
@verbose_option
def reoptimise(
    detailed_exitcode: bool,
    every: float | None,
    log_json: bool,
    search: SearchFlags,
    scenario: str | None,
    machine: bool,
    verbose: bool,
    **job_settings: Any,
) -> int:
    """Plan again as demand and prices move, from the running plan, and change only what pays for itself.

    One bounded run: it takes the store's lock (another one at work: exit 7), prices the running plan under the new
    data, and puts a better one in force if that gains more than it disrupts. Equal inputs change nothing. With -o the
    plan in force is written, for `router export`.
    """
    if search.relax:
        raise click.UsageError("--relax gives bounds, and a bound cannot be put in force")
    from router.planning.solve import Search
    from router.reoptimisation.scheduled import Job, Journal, check_needs, forever, once, stamp

    journal = Journal(as_json=log_json, verbose=verbose)
    job = Job(
        search=Search(search.solver, search.options(), scenario), allow_files=allow_files(), **job_settings
    )
    if every is not None:
        check_needs(job)
        forever(job, journal, every, lambda end: _report(end, journal, machine, at=stamp()))
        return 0
    try:
        with progress("re-optimising"):
            result = once(job, journal)
    except RouterError as error:
        if machine or not log_json:  # else every line of stderr is JSON
            raise
        _report(error, journal, machine)
        return error.exit_code
    _report(result, journal, machine)
    return CHANGED if detailed_exitcode and result.changed else 0


def _report(end: Result | Exception, journal: Journal, machine: bool, at: str | None = None) -> None:
    """A result on stdout, an error on stderr; `at`: when it was, in the loop."""
    if isinstance(end, Exception):
        _report_error(end, journal, at)
        return
    from router.reports.reoptimise import result_report

    report = result_report(end)
    if at:
        report = replace(report, title=f"{at} {report.title}")
    answer(_document(end), lambda: report, machine, delivered=True)  # the store has the plan


def _report_error(error: Exception, journal: Journal, at: str | None) -> None:
    """In the loop a bug is reported with its traceback, for the next run may succeed."""
    message, code = str(error), error.exit_code if isinstance(error, RouterError) else 1
    if not isinstance(error, RouterError):
        trace = "".join(traceback.format_exception(error))
        message = (
            f"unexpected {type(error).__name__}: a bug of the planner; please report it with this:\n{trace}"
        )
    if not journal.as_json:
        remark(f"{at} Error: {message}" if at else f"Error: {message}")
        return
    issues = [issue.as_dict() for issue in error.issues] if isinstance(error, InputError) else []
    kind = type(error).__name__
    journal("run failed", level="error", kind=kind, exit_code=code, message=message, issues=issues)


def _document(result: Result) -> dict[str, Any]:
    return {name: getattr(result, name) for name in FIGURES} | {
        "gap": result.plan.gap,
        "stop": result.plan.stop,
        "notes": list(result.notes),
        "seconds": dict(result.seconds),
    }
