"""`router import prices genai|litellm|models-dev|opencost|gpu`: price lists become catalogues with offers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.commands.imports.delivery import account_options, deliver_import
from router.commands.options import output_option, pairs, verbose_option
from router.errors import InputError, Issue

if TYPE_CHECKING:
    from router.importers.prices import Listing

provider_option = click.option(
    "--provider", "providers", multiple=True, metavar="NAME", help="Only these; may be repeated."
)
model_option = click.option(
    "--model", "models", multiple=True, metavar="PATTERN", help="Only models like gpt-4.1*."
)


def _moment(context: click.Context, option: click.Parameter, text: str | None) -> dt.datetime:
    try:
        parsed = dt.datetime.now(dt.UTC) if text is None else dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(Issue(("--date",), "must be a date like 2026-12-01", value=text)) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


date_option = click.option(
    "--date",
    "when",
    metavar="DATE",
    callback=_moment,
    help="Prices of that day, YYYY-MM-DD; absent: today.",
)
rename_option = click.option("--rename", multiple=True, metavar="OLD=NEW", help="Your name for a model.")
length_option = click.option(
    "--prompt-tokens",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Price for prompts so long, where it depends on that; absent: the base price.",
)
deprecated_option = click.option("--deprecated", is_flag=True, help="With models that are deprecated.")


def written_options[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """What is written, where, and under which names."""
    for option in (verbose_option, output_option, account_options, rename_option, date_option):
        command = option(command)
    return command


@click.group("prices", short_help="Price lists as catalogues.")
def import_prices() -> None:
    """Turn price lists into catalogues, for `include` in a problem file.

    What has no price is left out and listed at the end of the file: a missing price is not 0.
    """


@import_prices.command(short_help="The installed genai-prices package.")
@provider_option
@model_option
@click.option(
    "--variant", multiple=True, metavar="KEY=VALUE", help="processing=batch, service_tier=priority|flex, …"
)
@length_option
@deprecated_option
@written_options
def genai(
    variant: tuple[str, ...],
    rename: tuple[str, ...],
    strict: bool,
    dry_run: bool,
    output: str | None,
    verbose: bool,
    **choices: Any,
) -> None:
    """Pay-per-token prices of 47 providers, as the installed genai-prices knows them for a day."""
    from router.importers.prices import genai as read

    listing = read(variant=dict(pairs("--variant", variant)), **choices)
    _write(listing, rename, output, strict, dry_run)


@import_prices.command(short_help="LiteLLM's price file.")
@click.argument("file", metavar="FILE")
@provider_option
@model_option
@click.option(
    "--mode", "modes", multiple=True, default=("chat", "completion", "responses"), show_default=True
)
@click.option("--variant", type=click.Choice(("batches", "priority", "flex")))
@length_option
@click.option(
    "--search-context",
    "search",
    type=click.Choice(("low", "medium", "high")),
    default="high",
    show_default=True,
    help="Size of the searches that a request makes, where they are charged.",
)
@deprecated_option
@click.option("--free", is_flag=True, help="With models whose price is 0.")
@written_options
def litellm(
    file: str,
    when: dt.datetime,
    rename: tuple[str, ...],
    strict: bool,
    dry_run: bool,
    output: str | None,
    verbose: bool,
    **choices: Any,
) -> None:
    """Token prices, and Bedrock's reserved model units, from model_prices_and_context_window.json."""
    from router.importers.prices import litellm as read

    _write(read(Path(file), when=when.date(), **choices), rename, output, strict, dry_run)


@import_prices.command("models-dev", short_help="models.dev's api.json.")
@click.argument("file", metavar="FILE")
@provider_option
@model_option
@length_option
@deprecated_option
@written_options
def models_dev(
    file: str,
    when: dt.datetime,
    rename: tuple[str, ...],
    strict: bool,
    dry_run: bool,
    output: str | None,
    verbose: bool,
    **choices: Any,
) -> None:
    """Token prices of a saved https://models.dev/api.json."""
    from router.importers.prices import models_dev as read

    _write(read(Path(file), when=when.date(), **choices), rename, output, strict, dry_run)


@import_prices.command(short_help="OpenCost's costs of your own pools.")
@click.argument("file", metavar="FILE")
@model_option
@written_options
def opencost(
    file: str,
    when: dt.datetime,
    rename: tuple[str, ...],
    strict: bool,
    dry_run: bool,
    output: str | None,
    verbose: bool,
    **choices: Any,
) -> None:
    """Own pools at the cost and tokens measured, from a saved answer of /inferenceCost/total."""
    from router.importers.prices import opencost as read

    _write(read(Path(file), when=when.date(), **choices), rename, output, strict, dry_run)


@import_prices.command(short_help="GPU price tables of SkyPilot or gpuhunt.")
@click.argument("file", metavar="FILE")
@click.option(
    "--model", "models", multiple=True, required=True, metavar="NAME", help="Your model that runs on it."
)
@click.option("--provider", metavar="NAME", help="The cloud, where the table does not say.")
@click.option("--gpu", "gpus", multiple=True, metavar="PATTERN", help="Only GPUs like H100*.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Only machines with so many.")
@click.option("--region", "regions", multiple=True, metavar="PATTERN", help="Only regions like us-*.")
@click.option(
    "--spot-availability",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Spot machines too, usable so much of the time.",
)
@click.option(
    "--tokens-per-s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Throughput of a machine, if known.",
)
@written_options
def gpu(
    file: str,
    when: dt.datetime,
    rename: tuple[str, ...],
    strict: bool,
    dry_run: bool,
    output: str | None,
    verbose: bool,
    **choices: Any,
) -> None:
    """Machines with GPUs as offers of instances, from SkyPilot's vms.csv or a gpuhunt table."""
    from router.importers.prices import gpu_csv as read

    _write(read(Path(file), when=when.date(), **choices), rename, output, strict, dry_run)


def _write(
    listing: Listing, rename: tuple[str, ...], output: str | None, strict: bool, dry_run: bool
) -> None:
    from router.importers.prices import catalogue

    text = catalogue(listing, f"prices: {listing.source}", dict(pairs("--rename", rename)))
    summary = f"{len(listing.entries):,} offers of {listing.as_of}"
    deliver_import(listing.account, text, output, strict=strict, dry_run=dry_run, summary=summary)
