"""`router import usage`: recorded usage becomes workloads by period."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import click

from router.commands.imports.delivery import account_options, deliver_import, show
from router.commands.options import output_option, pairs, timezone_option, tracebacks_option
from router.errors import InputError, Issue

FORMATS = (
    *("auto", "litellm-spend", "litellm-daily", "litellm-activity", "openai", "anthropic", "focus"),
    "prometheus",
)
UNITS_H = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0}


def _hours(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) ?(m|min|h|d)", text.strip())
    hours = float(match[1]) * UNITS_H[match[2]] if match else 0.0
    if hours <= 0:
        raise InputError(Issue((option.opts[0],), "must be a length like 15m, 1h or 7d", value=text))
    return hours


@click.command("usage", short_help="Recorded usage as workloads.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option(
    "--period",
    "period_h",
    default="1h",
    show_default=True,
    metavar="LENGTH",
    callback=_hours,
    help="15m, 1h, 24h, 7d.",
)
@click.option(
    "--by", multiple=True, metavar="LABEL", help="Workloads per label beside the model: team, tag, …"
)
@click.option("--where", multiple=True, metavar="LABEL=VALUE", help="Only records with that label.")
@click.option(
    "--rename",
    multiple=True,
    metavar="OLD=NEW",
    help="Your name for a model of the record; several of one name are put together.",
)
@click.option("--start", metavar="TIME", help="Start of the record, where it does not say.")
@click.option("--end", metavar="TIME", help="End of it, exclusive.")
@timezone_option("Zone of the horizon.")
@click.option("--gaps", type=click.Choice(("error", "zero", "previous")), default="error", show_default=True)
@click.option("--spread", is_flag=True, help="Spread records longer than a period evenly.")
@click.option(
    "--max-age",
    "max_age_h",
    metavar="LENGTH",
    callback=_hours,
    help="Fail if the newest record is older, like 2h.",
)
@click.option(
    "--request-tokens",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Tokens of a request, where requests are not counted.",
)
@click.option(
    "--meter", multiple=True, metavar="KIND=REGEX", help="FOCUS: meters of prompt, completion, cached."
)
@click.option("--meter-column", multiple=True, metavar="COLUMN", help="FOCUS: where the meter's name stands.")
@click.option(
    "--meter-unit",
    multiple=True,
    metavar="UNIT=TOKENS",
    help="FOCUS: tokens in one of a unit, like Units=1e6.",
)
@click.option("--model-column", multiple=True, metavar="COLUMN", help="FOCUS: where the model's name stands.")
@click.option("--include", multiple=True, metavar="FILE", help="Catalogues that the draft shall include.")
@click.option("--name", default="recorded usage", show_default=True, help="Name of the problem.")
@account_options
@output_option
@tracebacks_option
def import_usage(
    files: tuple[str, ...],
    form: str,
    timezone: str,
    where: tuple[str, ...],
    rename: tuple[str, ...],
    start: str | None,
    end: str | None,
    request_tokens: float | None,
    meter: tuple[str, ...],
    meter_column: tuple[str, ...],
    meter_unit: tuple[str, ...],
    model_column: tuple[str, ...],
    include: tuple[str, ...],
    name: str,
    strict: bool,
    dry_run: bool,
    output: str | None,
    **choices: Any,
) -> None:
    """Turn recorded usage into workloads: requests by period, mean sizes, cached share, observed first-token times.

    Reads LiteLLM spend logs, daily spend and its proxy's answers, usage of OpenAI and Anthropic (pages or CSV), FOCUS
    1.0 to 1.3 CSV, and Prometheus range results; gzipped too. Writes a problem file without offers. What is left out,
    scaled or guessed is said, and stands at its top. Time that no record covers is an error until --gaps says what it
    means. FOCUS 1.3 contract commitments become signed contracts of a file to include, without prices.
    """
    from router.importers.usage import Cut, account_of, commitments, cut, draft, read_files, usage_of

    how = Cut(
        timezone=timezone,
        where=tuple(pairs("--where", where)),
        start=_moment("--start", start, timezone),
        end=_moment("--end", end, timezone),
        **choices,
    )
    settings = {
        "meter": meter,
        "meter_column": meter_column,
        "meter_unit": meter_unit,
        "model_column": model_column,
    }
    records = read_files([Path(file) for file in files], form)
    if records.module is commitments:
        text, account, offers = commitments.signed_offers(
            records.records, settings, source=records.source, timezone=timezone, now=how.moment
        )
        deliver_import(
            account, text, output, strict=strict, dry_run=dry_run, summary=f"{offers} signed contracts"
        )
        return
    reading = usage_of(records, settings)
    try:
        usage = cut(reading, how)
    except InputError:
        if dry_run:  # a first look shows what was read even where the options do not suit it yet
            show(account_of(reading), table=True)
        raise
    problem_draft = draft(
        usage,
        name=name,
        rename=dict(pairs("--rename", rename)),
        request_tokens=request_tokens,
        include=include,
    )
    size = f"{problem_draft.workloads} workloads over {usage.periods} periods of {how.period_h:g} h"
    deliver_import(
        problem_draft.account, problem_draft.text, output, strict=strict, dry_run=dry_run, summary=size
    )


def _moment(option: str, text: str | None, timezone: str) -> float | None:
    from router.schema.clock import Clock

    if text is None:
        return None
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(Issue((option,), 'must be a time like "2026-12-01T06:00"', value=text)) from None
    return Clock.of(parsed, timezone).first.timestamp()
