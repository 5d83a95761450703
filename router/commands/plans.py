"""`router verify`, `report` and `diff`: the commands that read plans."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from router.commands.options import (
    allow_files_option,
    json_option,
    output_option,
    problem_of,
    problem_option,
    tracebacks_option,
)
from router.commands.terminal import answer, deliver, progress, remark, say_report

if TYPE_CHECKING:
    from router.plan.document import Plan
    from router.schema import Problem

FORMATS = ("table", "markdown", "csv", "json", "html")
ENDINGS = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv", ".json": "json"}
PROMISES_BROKEN = 6


@click.command(short_help="Check a plan against its problem.")
@click.argument("file", metavar="FILE")
@allow_files_option
@click.argument("plan", metavar="PLAN")
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    default=1,
    show_default=True,
    help="Processes that share the periods of tables beside the plan. The verdict is the same.",
)
@json_option
@tracebacks_option
def verify(file: str, plan: str, threads: int, machine: bool) -> int:
    """Check a plan against its problem: every promise, and the cost to the cent.

    Plain loops over the two files, apart from everything that made the plan. Ends with 6 where a promise is broken.
    Tables beside the plan are read a day at a time, where nothing but contracts and fees reaches across periods.
    """
    from router.commands.plan_file import with_proof_beside
    from router.plan.file import read_plan
    from router.reports.comparison import verification_report
    from router.verification import verify as check

    problem = problem_of(file)
    stated = with_proof_beside(read_plan(plan, problem, apart=True), plan)
    with progress("checking"):
        if stated.tables is None:
            verdict = check(problem, stated)
        else:
            from router.verification.blocks.streaming import verify_tables
            from router.workers import start_workers

            with start_workers("loky", threads) as workers:
                verdict = verify_tables(problem, stated, plan, workers)
    answer(verdict, lambda: verification_report(verdict, f"{plan} for {file}"), machine)
    if verdict.ok and (stated.proof is None or stated.proof.kind != "own"):
        remark(f"The bound stands as {stated.solver.name} states it; it is not re-checked.")
    if not verdict.ok:
        remark(f"Error: {plan} does not keep what {file} asks: {', '.join(verdict.failed())}")
    return 0 if verdict.ok else PROMISES_BROKEN


@click.command(short_help="Show a plan again: a page, tables, Markdown, CSV.")
@click.argument("plan", metavar="PLAN")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Default: table, or as the name of -o ends (.html, .md, .csv, …).",
)
@click.option(
    "--table", metavar="NAME", help="Rows for --format csv: cost_lines (default), routes, instances, …"
)
@problem_option("The problem of the plan: sources and dates of prices, for the page.")
@click.option(
    "--with",
    "beside",
    multiple=True,
    metavar="FILES",
    help="What explain, simulate or backtest wrote as JSON, for the page; several with commas.",
)
@output_option
@json_option
@tracebacks_option
def report(
    plan: str,
    form: str | None,
    table: str | None,
    problem: str | None,
    beside: tuple[str, ...],
    output: str | None,
    machine: bool,
) -> None:
    """Show a plan that was written with `solve -o`: as tables, Markdown, CSV, JSON, or as one HTML page.

    The page (-o report.html) opens offline and can be sent on: cost, contracts, instances over time, latency, why, and
    proof. What was not computed is named there with the command that computes it. Where no plan exists, what
    `explain -o` wrote of the problem stands in its place: what would make one possible, and what contradicts.
    """
    from router.plan.file import read_plan

    chosen = form or ENDINGS.get(os.path.splitext(output or "")[1].lower(), "table")
    chosen = "json" if machine else chosen
    if table is not None and chosen != "csv":
        raise click.UsageError("--table goes with --format csv")
    if (beside or problem) and chosen != "html":
        raise click.UsageError("--with and --problem go with the page: -o report.html, or --format html")
    stated = None if problem is None else problem_of(problem)
    if chosen == "html" and (unplanned := _without_a_plan(plan)) is not None:
        deliver(unplanned, output, "page")
        return
    document = read_plan(plan, stated)
    if chosen == "html":
        deliver(_page(document, stated, beside), output, "page")
    elif chosen == "table" and output is None:
        from router.reports.sizing import report_of

        say_report(report_of(document))
    else:
        deliver(_in_form(document, chosen, table), output, "report")


def _without_a_plan(file: str) -> str | None:
    """The page of what `explain -o` wrote of a problem that has no plan; None for any other file."""
    from router.plan.file import read_json
    from router.reports.page.companions import HOLDS
    from router.reports.page.document import to_html_without

    if file == "-":  # it is read once
        return None
    document = read_json(file)
    explained = all(key in document for key in HOLDS["explanation"])
    return to_html_without(document) if explained and not document["feasible"] else None


def _page(document: Plan, problem: Problem | None, beside: tuple[str, ...]) -> str:
    from router.errors import InputError, Issue
    from router.loading.fingerprint import matches
    from router.plan.start import as_planned
    from router.reports.page.companions import companions
    from router.reports.page.document import to_html

    if problem is not None and not matches(as_planned(problem, document), document.problem_sha256):
        rule = "is not the problem that the plan was made from: its hash is another"
        raise InputError(Issue(("--problem",), rule, hint="router verify FILE PLAN says what differs"))
    files = [file for text in beside for file in text.split(",") if file]
    return to_html(document, problem, companions(files))


@click.command(short_help="What changes between two plans.")
@click.argument("old", metavar="PLAN")
@click.argument("new", metavar="PLAN")
@click.option("--store", metavar="URL", help="Numbers are plans of this store; see router history.")
@json_option
@tracebacks_option
def diff(old: str, new: str, store: str | None, machine: bool) -> None:
    """Show what changes from one plan to another: cost, shares, instances, contracts."""
    from router.plan.difference import difference
    from router.reports.difference import difference_report

    before, after = _plans((old, new), store)
    change = difference(before, after)
    answer(change, lambda: difference_report(change, f"{old} → {new}"), machine)


def _plans(names: tuple[str, ...], store: str | None) -> list[Plan]:
    """Plans by file, or by number where a store is named."""
    from router.plan.file import read_plan

    if store is None:
        return [read_plan(name) for name in names]
    from router.store import open_store

    with open_store(store, create=False) as opened:
        return [opened.get(int(name)).plan if name.isdecimal() else read_plan(name) for name in names]


def _in_form(plan: Plan, form: str, table: str | None) -> str:
    from router.reports.markdown import to_markdown
    from router.reports.sizing import report_of
    from router.reports.table_csv import tables_of, to_csv
    from router.reports.text import to_text

    if form == "csv":
        known = tables_of(plan)
        if table is not None and table not in known:
            raise click.UsageError(f"no table {table!r} in this plan; there are {', '.join(known)}")
        return to_csv(plan, table or known[0])
    if form == "json":
        return plan.to_json()
    return (to_markdown if form == "markdown" else to_text)(report_of(plan))
