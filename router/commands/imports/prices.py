"""`router import prices genai|litellm|gpu`: price lists become catalogues with offers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.commands.options import output_option, verbose_option
from router.commands.terminal import remark, say
from router.errors import InputError, Issue

if TYPE_CHECKING:
    from router.importers.prices import Listing

SHOWN = 5

provider_option = click.option(
    "--provider", multiple=True, metavar="NAME", help="Only these; may be repeated."
)
model_option = click.option("--model", multiple=True, metavar="PATTERN", help="Only models like gpt-4.1*.")
date_option = click.option("--date", metavar="DATE", help="Prices of that day, YYYY-MM-DD; absent: today.")
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
    for option in (verbose_option, output_option, rename_option, date_option):
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
    provider: tuple[str, ...],
    model: tuple[str, ...],
    variant: tuple[str, ...],
    prompt_tokens: float | None,
    deprecated: bool,
    date: str | None,
    rename: tuple[str, ...],
    output: str | None,
    verbose: bool,
) -> None:
    """Pay-per-token prices of 47 providers, as the installed genai-prices knows them for a day."""
    from router.importers.prices import genai as read

    listing = read(
        when=_moment(date),
        providers=provider,
        models=model,
        variant=dict(_pair("--variant", text) for text in variant),
        prompt_tokens=prompt_tokens,
        deprecated=deprecated,
    )
    _write(listing, rename, output, verbose)


@import_prices.command(short_help="LiteLLM's price file.")
@click.argument("file", metavar="FILE")
@provider_option
@model_option
@click.option(
    "--mode", "modes", multiple=True, default=("chat", "completion", "responses"), show_default=True
)
@click.option("--variant", type=click.Choice(("batches", "priority", "flex")))
@length_option
@deprecated_option
@click.option("--free", is_flag=True, help="With models whose price is 0.")
@written_options
def litellm(
    file: str,
    provider: tuple[str, ...],
    model: tuple[str, ...],
    modes: tuple[str, ...],
    variant: str | None,
    prompt_tokens: float | None,
    deprecated: bool,
    free: bool,
    date: str | None,
    rename: tuple[str, ...],
    output: str | None,
    verbose: bool,
) -> None:
    """Token prices, and Bedrock's reserved model units, from model_prices_and_context_window.json."""
    from router.importers.prices import litellm as read

    listing = read(
        Path(file),
        when=_moment(date).date(),
        providers=provider,
        models=model,
        modes=modes,
        variant=variant,
        prompt_tokens=prompt_tokens,
        deprecated=deprecated,
        free=free,
    )
    _write(listing, rename, output, verbose)


@import_prices.command(short_help="GPU price tables of SkyPilot or gpuhunt.")
@click.argument("file", metavar="FILE")
@click.option("--model", multiple=True, required=True, metavar="NAME", help="Your model that runs on it.")
@click.option("--provider", metavar="NAME", help="The cloud, where the table does not say.")
@click.option("--gpu", multiple=True, metavar="PATTERN", help="Only GPUs like H100*.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Only machines with so many.")
@click.option("--region", multiple=True, metavar="PATTERN", help="Only regions like us-*.")
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
    model: tuple[str, ...],
    provider: str | None,
    gpu: tuple[str, ...],
    count: int | None,
    region: tuple[str, ...],
    spot_availability: float | None,
    tokens_per_s: float | None,
    date: str | None,
    rename: tuple[str, ...],
    output: str | None,
    verbose: bool,
) -> None:
    """Machines with GPUs as offers of instances, from SkyPilot's vms.csv or a gpuhunt table."""
    from router.importers.prices import gpu_csv as read

    listing = read(
        Path(file),
        models=model,
        when=_moment(date).date(),
        provider=provider,
        gpus=gpu,
        count=count,
        regions=region,
        spot_availability=spot_availability,
        tokens_per_s=tokens_per_s,
    )
    _write(listing, rename, output, verbose)


def _write(listing: Listing, rename: tuple[str, ...], output: str | None, verbose: bool) -> None:
    from router.importers.prices import catalogue
    from router.output import check_writable, write_text

    if output is not None:
        check_writable(output)
    names = dict(_pair("--rename", text) for text in rename)
    text = catalogue(listing, f"prices: {listing.source}", names)
    shown = listing.remarks if verbose else listing.remarks[:SHOWN]
    for line in shown:
        remark(line)
    if len(shown) < len(listing.remarks):
        remark(
            f"… and {len(listing.remarks) - len(shown)} more remarks; -v shows them, the offers' notes hold them"
        )
    reasons: dict[str, int] = {}
    for one in listing.left_out:
        reasons[one.why] = reasons.get(one.why, 0) + 1
    for why, count in sorted(reasons.items()):
        remark(f"{count:,} left out, {why}; listed at the end of the file")
    if output is None:
        say(text)
        return
    write_text(output, text)
    remark(f"{len(listing.entries):,} offers of {listing.as_of} written to {output}")


def _moment(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(Issue(("--date",), "must be a date like 2026-12-01", value=text)) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def _pair(option: str, text: str) -> tuple[str, str]:
    left, equals, right = text.partition("=")
    if not equals or not left or not right:
        raise InputError(Issue((option,), "must be NAME=VALUE", value=text))
    return left, right
