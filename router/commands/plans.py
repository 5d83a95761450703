"""`router verify`, `report` and `diff`: the commands that read plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from router.commands.options import json_option, output_option, tracebacks_option
from router.commands.terminal import answer, deliver, progress, remark, say_report

if TYPE_CHECKING:
    from router.plan.document import Plan

FORMATS = ("table", "markdown", "csv", "json")
PROMISES_BROKEN = 6


@click.command(short_help="Check a plan against its problem.")
@click.argument("file", metavar="FILE")
@click.argument("plan", metavar="PLAN")
@json_option
@tracebacks_option
def verify(file: str, plan: str, machine: bool) -> int:
    """Check a plan against its problem: every promise, and the cost to the cent.

    Plain loops over the two files, apart from everything that made the plan. Ends with 6 where a promise is broken.
    """
    from router.commands.plan_file import with_proof_beside
    from router.loading.catalogue import load
    from router.plan.file import read_plan
    from router.reports.comparison import verification_report
    from router.verification import verify as check

    problem = load(file)
    stated = with_proof_beside(read_plan(plan, problem), plan)
    with progress("checking"):
        verdict = check(problem, stated)
    answer(verdict, lambda: verification_report(verdict, f"{plan} for {file}"), machine)
    if not verdict.ok:
        remark(f"Error: {plan} does not keep what {file} asks: {', '.join(verdict.failed())}")
    return 0 if verdict.ok else PROMISES_BROKEN


@click.command(short_help="Show a plan again, in several forms.")
@click.argument("plan", metavar="PLAN")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option(
    "--table", metavar="NAME", help="Rows for --format csv: cost_lines (default), routes, instances, …"
)
@output_option
@json_option
@tracebacks_option
def report(plan: str, form: str, table: str | None, output: str | None, machine: bool) -> None:
    """Show a plan that was written with `solve -o`: as tables, Markdown, CSV or JSON."""
    from router.plan.file import read_plan

    if table is not None and form != "csv":
        raise click.UsageError("--table goes with --format csv")
    document = read_plan(plan)
    if form == "table" and output is None and not machine:
        from router.reports.sizing import report_of

        say_report(report_of(document))
    else:
        deliver(_in_form(document, "json" if machine else form, table), output, "report")


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
