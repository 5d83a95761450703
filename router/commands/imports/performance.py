"""`router import performance`: benchmark results become an offer with measured operating points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from router.commands.imports.delivery import account_options, deliver_import
from router.commands.options import output_option, pairs, tracebacks_option

FORMATS = ("auto", "vllm", "sglang", "guidellm", "aiperf", "points-csv")


@click.command("performance")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option("--offer", required=True, metavar="NAME", help="Name of the offer to write.")
@click.option("--model", required=True, metavar="NAME", help="Name of the model in your catalogue.")
@click.option("--provider", metavar="NAME", help="Its seller; absent: the offer's own name.")
@click.option("--gpus", type=click.IntRange(min=1), metavar="N", help="GPUs of the replica, if no file says.")
@click.option("--usd-per-gpu-h", type=click.FloatRange(min=0), metavar="X", help="Price of one GPU.")
@click.option(
    "--usd-per-h", type=click.FloatRange(min=0), metavar="X", help="Price of the whole replica, instead."
)
@click.option(
    "--prompt-tokens", type=click.FloatRange(min=0), metavar="N", help="Nominal size, within 5 % of mean."
)
@click.option("--completion-tokens", type=click.FloatRange(min=0), metavar="N", help="Likewise.")
@click.option(
    "--allow-failed",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Keep runs in which no larger share of requests failed.",
)
@click.option(
    "--where", multiple=True, metavar="COLUMN=VALUE", help="Picks the replica of a table of points."
)
@account_options
@output_option
@tracebacks_option
def import_performance(
    files: tuple[str, ...],
    form: str,
    allow_failed: float,
    where: tuple[str, ...],
    strict: bool,
    dry_run: bool,
    output: str | None,
    **described: Any,
) -> None:
    """Turn benchmark results into an offer with measured operating points.

    Reads vllm bench serve, sglang.bench_serving, GuideLLM, AIPerf, and tables of points. All files are runs of one
    replica. Include what it writes in a problem file: the best point that meets a workload's SLO decides its rate.
    """
    from router.importers.performance import TITLES, Replica, extract, fragment, read_runs

    filters = pairs("--where", where, "COLUMN=VALUE", empty=True)
    read = [read_runs(Path(file), form, filters) for file in files]
    replica = Replica(**described)
    replica_points = extract([run for _, runs in read for run in runs], replica, allow_failed=allow_failed)
    programs = ", ".join(dict.fromkeys(TITLES[name] for name, _ in read))
    names = ", ".join(Path(file).name for file in files)
    text = fragment(replica_points, replica, f"{programs}: {names}")
    sizes = sorted({(point["prompt_tokens"], point["completion_tokens"]) for point in replica_points.points})
    shown = ", ".join(f"{prompt:g} + {completion:g}" for prompt, completion in sizes)
    summary = f"{len(replica_points.points)} points of {shown} tokens"
    deliver_import(replica_points.account, text, output, strict=strict, dry_run=dry_run, summary=summary)
