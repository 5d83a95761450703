"""`router import trace`: a log of requests becomes workloads, hour by hour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from router.commands.imports.delivery import account_options, deliver_import
from router.commands.options import output_option, timezone_option, tracebacks_option
from router.errors import InputError, Issue

FORECASTS = ("none", "same-hour-last-week", "trend")
MODEL_COLUMNS = ("model", "model_name", "model_group", "model_id")


def _edges(context: click.Context, option: click.Parameter, text: str | None) -> tuple[float, ...]:
    """`512,2048`: rising whole or decimal numbers."""
    if text is None:
        return ()
    try:
        edges = tuple(float(part) for part in text.split(","))
    except ValueError:
        edges = ()
    if not edges or sorted(set(edges)) != list(edges) or edges[0] <= 0 or edges[-1] == float("inf"):
        raise InputError(Issue((option.opts[0],), "must be rising numbers of tokens, like 512,2048", text))
    return edges


@click.command("trace")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--period",
    "period_h",
    type=float,
    default=1.0,
    show_default=True,
    metavar="HOURS",
    help="Length of a period.",
)
@timezone_option("Zone of the horizon, and of times without offset.")
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="A workload for each value, such as a tenant or a model."
)
@click.option(
    "--classes", type=click.IntRange(min=1), metavar="N", help="Most classes of size; absent: as many as pay."
)
@click.option(
    "--prompt-edges",
    metavar="N,N",
    callback=_edges,
    help="Edges between classes of prompt tokens, in place of found ones.",
)
@click.option("--completion-edges", metavar="N,N", callback=_edges, help="Likewise for completion tokens.")
@click.option("--forecast", type=click.Choice(FORECASTS), default="none", show_default=True)
@click.option(
    "--horizon",
    type=click.IntRange(min=1),
    metavar="N",
    help="Periods to state; absent: all, or a week of forecast.",
)
@click.option(
    "--gaps",
    type=click.Choice(("error", "zero", "previous")),
    default="error",
    show_default=True,
    help="What periods missing from a record of periods mean.",
)
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Model that will do; may be given again."
)
@click.option(
    "--include", multiple=True, metavar="FILE", help="Catalogue to include, as written into the problem."
)
@click.option("--timestamp-column", metavar="NAME", help="Absent, like the others: found by its usual names.")
@click.option("--prompt-column", metavar="NAME")
@click.option("--completion-column", metavar="NAME")
@click.option("--requests-column", metavar="NAME", help="Makes the file one row a period.")
@click.option("--tokens-are", type=click.Choice(("totals", "means")), help="Tokens of a period.")
@click.option(
    "--time-unit", "unit", type=click.Choice(("s", "ms", "us")), help="Of times that are plain numbers."
)
@account_options
@output_option
@tracebacks_option
def import_trace(
    file: Path,
    period_h: float,
    by: tuple[str, ...],
    classes: int | None,
    prompt_edges: tuple[float, ...],
    completion_edges: tuple[float, ...],
    models: tuple[str, ...],
    include: tuple[str, ...],
    timestamp_column: str | None,
    prompt_column: str | None,
    completion_column: str | None,
    requests_column: str | None,
    tokens_are: str | None,
    strict: bool,
    dry_run: bool,
    output: str | None,
    **others: Any,
) -> None:
    """Turn a log of requests into workloads: by tenant or model, by class of size, hour by hour.

    Reads CSV, TSV and JSON lines (.gz too) with one row a request, or one row a period with a count; Mooncake's and
    Qwen's traces with the hashes of their prefixes. Writes a problem file that lacks only offers: include a catalogue.
    What it assumes and leaves out stands in comments at its top.
    """
    from router.traces.columns import ColumnNames
    from router.traces.extract import Choices, extract
    from router.traces.write import problem_text

    if not 0 < period_h < float("inf"):
        raise InputError(Issue(("--period",), "must be more than 0", period_h))
    edges = (prompt_edges, completion_edges) if prompt_edges or completion_edges else None
    if edges is not None and classes is not None:
        raise InputError(Issue(("--classes",), "does not go with stated edges", classes, "choose one"))
    named = ColumnNames(timestamp_column, prompt_column, completion_column, requests_column, None, tokens_are)
    choices = Choices(period_h=period_h, named=named, by=by, classes=classes, edges=edges, **others)
    extraction = extract(file, choices)
    model_of = next((i for i, name in enumerate(by) if name.lower() in MODEL_COLUMNS), None)
    text = problem_text(extraction, file.name, models or ("model",), include, None if models else model_of)
    total = sum(float(workload.counts.sum()) for workload in extraction.workloads)
    size = f"{len(extraction.workloads)} workloads, {extraction.periods} periods of {extraction.period_h:g} h"
    summary = f"{size}, {total:,.0f} requests"
    deliver_import(extraction.account, text, output, strict=strict, dry_run=dry_run, summary=summary)
