"""`router schema`, `solvers` and `examples`: what can be written, what can be used, what is shipped."""

from __future__ import annotations

import click

from router.commands.options import json_option, output_option
from router.commands.terminal import remark, say, say_json, say_report


@click.command(short_help="JSON Schema of the problem file, or of plans.")
@click.option("--plan", is_flag=True, help="Of plans, for programs that read them.")
@output_option
def schema(plan: bool, output: str | None) -> None:
    """Print the JSON Schema of the problem file, for editors.

    In a problem file: # yaml-language-server: $schema=router.schema.json
    """
    from router.output import write_text
    from router.plan.values import to_json

    if plan:
        from router.plan.published import plan_json_schema as made
    else:
        from router.schema import json_schema as made
    text = to_json(made())
    if output is None:
        say(text)
        return
    write_text(output, text)
    remark(f"schema written to {output}")


@click.command(short_help="Solvers that --solver takes.")
@json_option
def solvers(machine: bool) -> None:
    """List the solvers that --solver takes, and how to install those that are missing."""
    from router.reports.document import Report, ReportTable, columns
    from solvers import available

    found = available()
    if machine:
        say_json(
            [
                {
                    "name": one.name,
                    "installed": one.installed,
                    "version": one.version,
                    "features": sorted(feature.value for feature in one.features),
                    "remedy": one.remedy or None,
                }
                for one in found
            ]
        )
        return
    here = tuple(
        (one.name, one.version or "–", ", ".join(sorted(feature.value for feature in one.features)))
        for one in found
        if one.installed
    )
    missing = tuple((one.name, one.remedy) for one in found if not one.installed)
    tables = (
        ReportTable("Installed", columns("--solver", "version", "can"), here),
        ReportTable("Known, but not installed", columns("--solver", "to get it"), missing),
    )
    say_report(Report("solvers", (f"{len(here)} of {len(found)} are installed",), tables))


@click.group(invoke_without_command=True, short_help="Shipped problem files: list, copy.")
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

    found = listed()
    if machine:
        say_json(found)
        return
    problems = tuple((one.name, one.about) for one in found if one.problem)
    parts = tuple((one.name, one.about) for one in found if not one.problem)
    tables = (
        ReportTable("Problems", columns("name", "what it shows"), problems),
        ReportTable("To include", columns("name", "what it holds"), parts),
    )
    way = "copy one with what it includes: router examples copy NAME [DIR]"
    say_report(Report("examples", (way,), tables))


@examples.command("copy")
@click.argument("name")
@click.argument("folder", default=".", metavar="[DIR]")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def copy_(name: str, folder: str, force: bool) -> None:
    """Copy a shipped problem file, with what it includes, into DIR (default: here)."""
    from router.loading.shipped import copy

    made = copy(name, folder, replace=force)
    say(str(made[0]))
    for path in made[1:]:
        remark(f"with {path}")
