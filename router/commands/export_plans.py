"""`router export` of a plan: what steers traffic, counts replicas, and says how much more is safe or paid already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.commands.options import output_option, problem_of, problem_option, tracebacks_option
from router.commands.terminal import deliver, remark

if TYPE_CHECKING:
    from router.exporters import Exported, Targets
    from router.plan.document import Plan
    from router.schema import Problem

plan_argument = click.argument("plan", metavar="PLAN")
map_option = click.option("--map", "targets", metavar="FILE", help="Your names for offers and models; YAML.")
namespace_option = click.option(
    "--namespace", metavar="NAME", help="Kubernetes namespace of what is written."
)
scenario_option = click.option(
    "--scenario", metavar="NAME", help="The future to export, of a plan for several."
)


period_option = click.option(
    "--period", type=click.IntRange(min=0), metavar="N", help="Of that period, from 0; absent: of all."
)
at_option = click.option("--at", metavar="TIME", help="Of the period at that time; needs --problem.")


def split_options[**P, R](weights: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A plan, how its split is read, and what the weights of a split sum to."""
    options = (
        plan_argument,
        problem_option(),
        map_option,
        period_option,
        at_option,
        scenario_option,
        click.option(
            "--weights",
            type=click.IntRange(1, 1_000_000),
            default=weights,
            show_default=True,
            metavar="N",
            help="Sum of the weights of a split; higher is finer.",
        ),
    )

    def with_options(command: Callable[P, R]) -> Callable[P, R]:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options


@click.command(short_help="LiteLLM router configuration.")
@split_options(1000)
@click.option("--retries", type=click.IntRange(min=0), default=2, show_default=True, metavar="N")
@click.option("--no-fallbacks", "bare", is_flag=True, help="No offer for when all offers of the plan fail.")
@output_option
@tracebacks_option
def litellm(
    plan: str,
    problem: str | None,
    targets: str | None,
    period: int | None,
    at: str | None,
    bare: bool,
    output: str | None,
    **choices: Any,
) -> None:
    """Write the plan's split as a LiteLLM router configuration.

    A workload is a model name, each of its offers a deployment with a weight. With --problem it also has prices,
    quotas, and the cheapest other offer as fallback. Keys stay in environment variables.
    """
    from router import exporters

    document, source = _read(plan, problem)
    choices |= {"targets": _targets(targets, document, source), "period": _period(period, at, source)}
    _write(exporters.litellm(document, source, fallbacks=not bare, **choices), output)


@click.command(short_help="Gateway API or Envoy AI Gateway routes.")
@split_options(100)
@click.option("--form", type=click.Choice(("gateway-api", "envoy")), default="gateway-api", show_default=True)
@click.option("--gateway", "parent", default="inference-gateway", show_default=True, metavar="NAME")
@namespace_option
@output_option
@tracebacks_option
def gateway(
    plan: str,
    problem: str | None,
    targets: str | None,
    period: int | None,
    at: str | None,
    output: str | None,
    **choices: Any,
) -> None:
    """Write the plan's split as weights of Kubernetes routes.

    gateway-api: HTTPRoutes over InferencePools and Services. envoy: AIGatewayRoutes of Envoy AI Gateway. Weights are
    whole numbers by largest remainder.
    """
    from router import exporters

    document, source = _read(plan, problem)
    choices |= {"targets": _targets(targets, document, source), "period": _period(period, at, source)}
    _write(exporters.gateway(document, **choices), output)


@click.command(short_help="KEDA cron scalers.")
@plan_argument
@problem_option(required=True)
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
@tracebacks_option
def keda(plan: str, problem: str, targets: str | None, output: str | None, **choices: Any) -> None:
    """Write the plan's instance counts as KEDA ScaledObjects with cron triggers.

    After the horizon the last counts are held: a plan that is not renewed scales nothing down.
    """
    from router import exporters

    document, source = _read(plan, None)[0], problem_of(problem)
    _write(exporters.keda(document, source, targets=_targets(targets, document, source), **choices), output)


@click.command(short_help="How much more work each pool can take.")
@plan_argument
@problem_option(required=True)
@period_option
@at_option
@scenario_option
@output_option
@tracebacks_option
def headroom(
    plan: str, problem: str, period: int | None, at: str | None, scenario: str | None, output: str | None
) -> None:
    """Write how much more of each workload every pool can take beside what is planned, hour by hour, as JSON.

    Requests per second until the hour ends, within every SLO, quota and rule of spreading. Each figure stands alone.
    """
    from router import exporters

    document, source = _read(plan, problem)
    if source is not None:
        when = _period(period, at, source)
        _write(exporters.headroom(document, source, period=when, scenario=scenario), output)


@click.command(short_help="What is paid ahead, in order of use.")
@plan_argument
@problem_option(required=True)
@map_option
@period_option
@at_option
@scenario_option
@click.option(
    "--form", type=click.Choice(("json", "karpenter", "litellm")), default="json", show_default=True
)
@click.option(
    "--resource", default="nvidia.com/gpu", show_default=True, metavar="NAME", help="What Karpenter limits."
)
@click.option(
    "--node-class",
    default="karpenter.k8s.aws/EC2NodeClass/default",
    show_default=True,
    metavar="GROUP/KIND/NAME",
    help="What makes Karpenter's nodes.",
)
@output_option
@tracebacks_option
def commitments(
    plan: str,
    problem: str,
    targets: str | None,
    period: int | None,
    at: str | None,
    output: str | None,
    **choices: Any,
) -> None:
    """Write the commitments in force in the order in which they are to be used, each with its ceiling.

    karpenter: NodePools with weight and limits. litellm: its configuration with order and budgets in place of weights.
    """
    from router import exporters

    document, source = _read(plan, problem)
    if source is not None:
        choices |= {"targets": _targets(targets, document, source), "period": _period(period, at, source)}
        _write(exporters.commitments(document, source, **choices), output)


@click.command(short_help="Counts as Terraform variables.")
@plan_argument
@scenario_option
@output_option
@tracebacks_option
def tfvars(plan: str, scenario: str | None, output: str | None) -> None:
    """Write the plan's counts of instances and hosts, purchases and contracts as *.tfvars.json."""
    from router import exporters

    document, _ = _read(plan, None)
    if output is not None and not output.endswith(".tfvars.json"):
        remark(f"Warning: Terraform reads {output} as JSON only if its name ends in .tfvars.json")
    _write(exporters.tfvars(document, scenario=scenario), output)


@click.command(short_help="Prefill and decode workers for Dynamo or llm-d.")
@plan_argument
@problem_option()
@map_option
@period_option
@at_option
@scenario_option
@click.option("--form", type=click.Choice(("dynamo", "llm-d")), default="dynamo", show_default=True)
@click.option("--offer", metavar="NAME", help="Of that offer alone.")
@click.option(
    "--prefill", metavar="NAME", default="VllmPrefillWorker", show_default=True, help="Its service."
)
@click.option("--decode", metavar="NAME", default="VllmDecodeWorker", show_default=True, help="Its service.")
@namespace_option
@output_option
@tracebacks_option
def workers(
    plan: str,
    problem: str | None,
    targets: str | None,
    period: int | None,
    at: str | None,
    prefill: str,
    decode: str,
    output: str | None,
    **choices: Any,
) -> None:
    """Write how many prefill and decode workers run, of offers whose instances have roles.

    dynamo: merge patches of DynamoGraphDeployments. llm-d: values for the chart llm-d-modelservice. The largest counts,
    or those of one period.
    """
    from router import exporters

    document, source = _read(plan, problem)
    choices |= {"targets": _targets(targets, document, source), "period": _period(period, at, source)}
    _write(exporters.workers(document, services=(prefill, decode), **choices), output)


@click.command("csv", short_help="A plan's rows, one CSV file per table.")
@plan_argument
@click.option("-o", "--output", metavar="DIR", required=True, help="Folder for the files; made if need be.")
@tracebacks_option
def csv_(plan: str, output: str) -> None:
    """Write routes.csv, instances.csv, cost_lines.csv and the plan's other tables into a folder."""
    from router import exporters
    from router.errors import InputError, Issue
    from router.output import write_text

    document, _ = _read(plan, None)
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"cannot be made a folder: {error.strerror}"
        raise InputError(Issue(("--output",), rule, value=output)) from error
    texts = exporters.tables(document)
    for name, text in texts.items():
        write_text(folder / name, text)
    remark(f"{', '.join(texts)} written to {output}")


COMMANDS = (litellm, gateway, keda, workers, headroom, commitments, tfvars, csv_)


def _read(plan: str, problem: str | None) -> tuple[Plan, Problem | None]:
    """The plan, and its problem as the plan was made from it, where one is named. Raises InputError."""
    from router.exporters.exported import belongs
    from router.plan.file import read_plan

    source = None if problem is None else problem_of(problem)
    document = read_plan(plan, source)
    if not document.ok:
        remark("Warning: the plan did not pass its own check")
    return document, None if source is None else belongs(document, source)


def _targets(path: str | None, plan: Plan, problem: Problem | None) -> Targets:
    from router.exporters import read_targets

    targets = read_targets(path)
    known = [] if problem is None else [offer.name for offer in problem.offers]
    offers = {row.offer for row in plan.routes} | {row.offer for row in plan.instances}
    offers |= {row.offer for row in plan.refused} | {row.seller for row in plan.contracts}
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
    for line in exported.remarks:
        remark(line)
    deliver(exported.text, output, "export")
