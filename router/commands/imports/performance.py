"""`router import performance`: benchmark results become an offer with measured operating points."""

from __future__ import annotations

from pathlib import Path

import click

from router.commands.options import output_option, verbose_option
from router.commands.terminal import remark, say
from router.errors import InputError, Issue

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
    "--prompt-tokens", type=click.FloatRange(min=0), metavar="N", help="Nominal size, within 2 % of mean."
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
@output_option
@verbose_option
def import_performance(
    files: tuple[str, ...],
    form: str,
    offer: str,
    model: str,
    provider: str | None,
    gpus: int | None,
    usd_per_gpu_h: float | None,
    usd_per_h: float | None,
    prompt_tokens: float | None,
    completion_tokens: float | None,
    allow_failed: float,
    where: tuple[str, ...],
    output: str | None,
    verbose: bool,
) -> None:
    """Turn benchmark results into an offer with measured operating points.

    Reads vllm bench serve, sglang.bench_serving, GuideLLM, AIPerf, and tables of points. All files are runs of one
    replica. Include what it writes in a problem file: the best point that meets a workload's SLO decides its rate.
    """
    from router.importers.performance import TITLES, Replica, extract, fragment, read_runs
    from router.output import check_writable, write_text

    if output is not None:
        check_writable(output)
    filters = [_filter(text) for text in where]
    read = [read_runs(Path(file), form, filters) for file in files]
    replica = Replica(
        offer=offer,
        model=model,
        provider=provider,
        gpus=gpus,
        usd_per_gpu_h=usd_per_gpu_h,
        usd_per_h=usd_per_h,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )
    found = extract([run for _, runs in read for run in runs], replica, allow_failed=allow_failed)
    programs = ", ".join(dict.fromkeys(TITLES[name] for name, _ in read))
    names = ", ".join(Path(file).name for file in files)
    text = fragment(found, replica, f"{programs}: {names}")
    for warning in found.warnings:
        remark(f"Warning: {warning}")
    if output is None:
        say(text)
        return
    write_text(output, text)
    sizes = sorted({(point["prompt_tokens"], point["completion_tokens"]) for point in found.points})
    shown = ", ".join(f"{prompt:g} + {completion:g}" for prompt, completion in sizes)
    remark(f"{len(found.points)} points of {shown} tokens written to {output}")


def _filter(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise InputError(Issue(("--where",), "must be COLUMN=VALUE", value=text))
    return column, value
