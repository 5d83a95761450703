"""`router schema`, `solvers` and `examples`: what can be written, what can be used, what is shipped."""

from __future__ import annotations

import click

from router.commands.options import json_option, output_option
from router.commands.terminal import answer, deliver, remark, say


@click.command(short_help="JSON Schema of the problem file, or of plans.")
@click.option("--plan", is_flag=True, help="Of plans, for programs that read them.")
@output_option
def schema(plan: bool, output: str | None) -> None:
    """Print the JSON Schema of the problem file, for editors.

    In a problem file: # yaml-language-server: $schema=router.schema.json
    """
    from router.plan.values import to_json

    if plan:
        from router.plan.published import plan_json_schema as schema_of
    else:
        from router.schema import json_schema as schema_of
    deliver(to_json(schema_of()), output, "schema")


@click.command(short_help="Solvers that --solver takes.")
@json_option
def solvers(machine: bool) -> None:
    """List the solvers that --solver takes, and how to install those that are missing."""
    from router.reports.document import Report, ReportTable, columns
    from solvers import available

    entries = available()
    features = {solver.name: sorted(feature.value for feature in solver.features) for solver in entries}
    document = [
        {
            "name": solver.name,
            "installed": solver.installed,
            "version": solver.version,
            "features": features[solver.name],
            "remedy": solver.remedy or None,
        }
        for solver in entries
    ]
    here = tuple(
        (solver.name, solver.version or "–", ", ".join(features[solver.name]))
        for solver in entries
        if solver.installed
    )
    missing = tuple((solver.name, solver.remedy) for solver in entries if not solver.installed)
    tables = (
        ReportTable("Installed", columns("--solver", "version", "can"), here),
        ReportTable("Known, but not installed", columns("--solver", "to get it"), missing),
    )
    report = Report("solvers", (f"{len(here)} of {len(entries)} are installed",), tables)
    answer(document, lambda: report, machine)


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",  # older clicks say that a command must be given
    short_help="Shipped problem files: list, copy.",
)
@click.pass_context
def examples(context: click.Context) -> None:
    """List the problem files that are shipped, or copy one."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@examples.command("list")
@json_option
def list_(machine: bool = False) -> None:
    """List the shipped problem files."""
    from router.loading.shipped import listed
    from router.reports.document import Report, ReportTable, columns

    entries = listed()
    problems = tuple((example.name, example.about) for example in entries if example.problem)
    parts = tuple((example.name, example.about) for example in entries if not example.problem)
    tables = (
        ReportTable("Problems", columns("name", "what it shows"), problems),
        ReportTable("To include", columns("name", "what it holds"), parts),
    )
    way = "copy one with what it includes: router examples copy NAME [DIR]"
    answer(entries, lambda: Report("examples", (way,), tables), machine)


def _names(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    from router.loading.shipped import listed

    return [example.name for example in listed() if example.name.startswith(typed)]


@examples.command("copy")
@click.argument("name", shell_complete=lambda *about: _names(*about))
@click.argument("folder", default=".", metavar="[DIR]")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def copy_(name: str, folder: str, force: bool) -> None:
    """Copy a shipped problem file, with what it includes, into DIR (default: here)."""
    from router.loading.shipped import copy

    paths = copy(name, folder, replace=force)
    say(str(paths[0]))
    for path in paths[1:]:
        remark(f"with {path}")
