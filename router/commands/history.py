"""`router history`: what a store holds."""

from __future__ import annotations

import click

from router.commands.options import json_option, output_option, tracebacks_option
from router.commands.reoptimise import store_option
from router.commands.terminal import answer, deliver


@click.command(short_help="The plans of a store.")
@store_option
@click.option("--name", metavar="NAME", help="Of this problem only.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The newest so many."
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--show", type=int, metavar="NUMBER", help="One plan in full, as JSON; -o writes it to a file.")
@output_option
@json_option
@tracebacks_option
def history(
    store: str,
    name: str | None,
    limit: int,
    everything: bool,
    show: int | None,
    output: str | None,
    machine: bool,
) -> None:
    """List the plans of a store, newest first, or take one out of it.

    `router diff 12 13 --store URL` says what changed from one to the other.
    """
    from router.reports.reoptimise import history_report
    from router.store import open_store

    if output is not None and show is None:
        raise click.UsageError("-o goes with --show")
    with open_store(store, create=False) as opened:
        if show is not None:
            deliver(opened.get(show).plan.to_json(), output, f"plan {show}")
            return
        rows = opened.history(name, None if everything else limit)
        count = opened.count(name)
    answer({"plans": count, "listed": rows}, lambda: history_report(rows, store, count), machine)
