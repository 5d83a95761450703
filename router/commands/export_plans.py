"""`router export litellm|gateway|keda|tfvars|csv`: what steers traffic and counts replicas, from a plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.commands.options import output_option, verbose_option
from router.commands.terminal import remark, say

if TYPE_CHECKING:
    from router.exporters import Exported, Targets
    from router.plan.document import Plan
    from router.schema import Problem

plan_argument = click.argument("plan", metavar="PLAN")
problem_option = click.option("--problem", metavar="FILE", help="The problem that the plan was made from.")
map_option = click.option("--map", "targets", metavar="FILE", help="Your names for offers and models; YAML.")
namespace_option = click.option(
    "--namespace", metavar="NAME", help="Kubernetes namespace of what is written."
)
scenario_option = click.option(
    "--scenario", metavar="NAME", help="The future to export, of a plan for several."
)
period_option = click.option(
    "--period", type=click.IntRange(min=0), metavar="N", help="Shares of that period, from 0; absent: of all."
)
at_option = click.option("--at", metavar="TIME", help="Shares of the period at that time; needs --problem.")


def weights_option[**P, R](default: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """What the weights of a split sum to."""
    return click.option(
        "--weights",
        type=click.IntRange(1, 1_000_000),
        default=default,
        show_default=True,
        metavar="N",
        help="Sum of the weights of a split; higher is finer.",
    )


@click.command(short_help="LiteLLM router configuration.")
@plan_argument
@problem_option
@map_option
@period_option
@at_option
@scenario_option
@weights_option(1000)
@click.option("--retries", type=click.IntRange(min=0), default=2, show_default=True, metavar="N")
@click.option("--no-fallbacks", is_flag=True, help="No offer for when all offers of the plan fail.")
@output_option
@verbose_option
def litellm(
    plan: str,
    problem: str | None,
    targets: str | None,
    period: int | None,
    at: str | None,
    scenario: str | None,
    weights: int,
    retries: int,
    no_fallbacks: bool,
    output: str | None,
    verbose: bool,
) -> None:
    """Write the plan's split as a LiteLLM router configuration.

    A workload is a model name, each of its offers a deployment with a weight. With --problem it also has prices,
    quotas, and the cheapest other offer as fallback. Keys stay in environment variables.
    """
    from router import exporters

    made, asked = _read(plan, problem)
    names = _targets(targets, made, asked)
    when = _period(period, at, asked)
    _write(
        exporters.litellm(
            made,
            asked,
            targets=names,
            period=when,
            scenario=scenario,
            weights=weights,
            retries=retries,
            fallbacks=not no_fallbacks,
        ),
        output,
    )


@click.command(short_help="Gateway API or Envoy AI Gateway routes.")
@plan_argument
@problem_option
@map_option
@period_option
@at_option
@scenario_option
@weights_option(100)
@click.option("--form", type=click.Choice(("gateway-api", "envoy")), default="gateway-api", show_default=True)
@click.option("--gateway", "parent", default="inference-gateway", show_default=True, metavar="NAME")
@namespace_option
@output_option
@verbose_option
def gateway(
    plan: str,
    problem: str | None,
    targets: str | None,
    period: int | None,
    at: str | None,
    scenario: str | None,
    weights: int,
    form: str,
    parent: str,
    namespace: str | None,
    output: str | None,
    verbose: bool,
) -> None:
    """Write the plan's split as weights of Kubernetes routes.

    gateway-api: HTTPRoutes over InferencePools and Services. envoy: AIGatewayRoutes of Envoy AI Gateway. Weights are
    whole numbers by largest remainder.
    """
    from router import exporters

    made, asked = _read(plan, problem)
    names = _targets(targets, made, asked)
    when = _period(period, at, asked)
    _write(
        exporters.gateway(
            made,
            form=form,
            targets=names,
            period=when,
            scenario=scenario,
            weights=weights,
            parent=parent,
            namespace=namespace,
        ),
        output,
    )


@click.command(short_help="KEDA cron scalers.")
@plan_argument
@click.option("--problem", metavar="FILE", required=True, help="The problem that the plan was made from.")
@map_option
@scenario_option
@click.option(
    "--repeat",
    type=click.Choice(("never", "daily", "weekly")),
    default="never",
    show_default=True,
    help="Every day, or every week, is like the horizon.",
)
@namespace_option
@output_option
@verbose_option
def keda(
    plan: str,
    problem: str,
    targets: str | None,
    scenario: str | None,
    repeat: str,
    namespace: str | None,
    output: str | None,
    verbose: bool,
) -> None:
    """Write the plan's instance counts as KEDA ScaledObjects with cron triggers.

    After the horizon the last counts are held: a plan that is not renewed scales nothing down.
    """
    from router import exporters
    from router.loading.catalogue import load

    made, asked = _read(plan, None)[0], load(problem)
    names = _targets(targets, made, asked)
    _write(
        exporters.keda(made, asked, targets=names, scenario=scenario, repeat=repeat, namespace=namespace),
        output,
    )


@click.command(short_help="Counts as Terraform variables.")
@plan_argument
@scenario_option
@output_option
@verbose_option
def tfvars(plan: str, scenario: str | None, output: str | None, verbose: bool) -> None:
    """Write the plan's instance counts, purchases and contracts as *.tfvars.json."""
    from router import exporters

    made, _ = _read(plan, None)
    if output is not None and not output.endswith(".tfvars.json"):
        remark(f"Warning: Terraform reads {output} as JSON only if its name ends in .tfvars.json")
    _write(exporters.tfvars(made, scenario=scenario), output)


@click.command("csv", short_help="A plan's rows, one CSV file per table.")
@plan_argument
@click.option("-o", "--output", metavar="DIR", required=True, help="Folder for the files; made if need be.")
@verbose_option
def csv_(plan: str, output: str, verbose: bool) -> None:
    """Write routes.csv, instances.csv, cost_lines.csv and the plan's other tables into a folder."""
    from router import exporters
    from router.errors import InputError, Issue
    from router.output import write_text

    made, _ = _read(plan, None)
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"cannot be made a folder: {error.strerror}"
        raise InputError(Issue(("--output",), rule, value=output)) from error
    found = exporters.tables(made)
    for name, text in found.items():
        write_text(folder / name, text)
    remark(f"{', '.join(found)} written to {output}")


COMMANDS = (litellm, gateway, keda, tfvars, csv_)


def _read(plan: str, problem: str | None) -> tuple[Plan, Problem | None]:
    """The plan, and its problem where one is named. Raises InputError."""
    from router.exporters.exported import belongs
    from router.loading.catalogue import load
    from router.plan.file import read_plan

    asked = None if problem is None else load(problem)
    made = read_plan(plan, asked)
    if not made.ok:
        remark("Warning: the plan did not pass its own check")
    if asked is not None:
        belongs(made, asked)
    return made, asked


def _targets(path: str | None, plan: Plan, problem: Problem | None) -> Targets:
    from router.exporters import read_targets

    targets = read_targets(path)
    known = [] if problem is None else [offer.name for offer in problem.offers]
    offers = {row.offer for row in plan.routes} | {row.offer for row in plan.instances}
    offers |= {row.offer for row in plan.refused} | {row.offer for row in plan.contracts}
    targets.check(offers | set(known))
    return targets


def _period(period: int | None, at: str | None, problem: Problem | None) -> int | None:
    from router.exporters import period_at

    if at is None:
        return period
    if period is not None:
        raise click.UsageError("--at and --period exclude each other")
    if problem is None:
        raise click.UsageError("--at needs --problem FILE, which knows when the horizon starts")
    return period_at(problem, at)


def _write(exported: Exported, output: str | None) -> None:
    from router.output import write_text

    for line in exported.remarks:
        remark(line)
    if output is None:
        say(exported.text)
        return
    write_text(output, exported.text)
    remark(f"written to {output}")
