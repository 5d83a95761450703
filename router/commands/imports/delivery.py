"""The end of every import: its account is reconciled and shown, then the text is written, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from router.commands.terminal import deliver, remark, say
from router.errors import InputError, Issue

if TYPE_CHECKING:
    from router.importers.account import Account


def account_options[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--strict` and `--dry-run`, which go to `deliver_import`."""
    for option in (
        click.option(
            "--dry-run", is_flag=True, help="Show what is read, left out and merged; write nothing."
        ),
        click.option("--strict", is_flag=True, help="Whatever is left out, changed or guessed is an error."),
    ):
        command = option(command)
    return command


def deliver_import(
    account: Account, text: str, output: str | None, *, strict: bool, dry_run: bool, summary: str
) -> None:
    """Writes `text` under the account's remarks to `output`, or to stdout; `summary` says what was written.

    Raises AccountMismatch; InputError where `strict` meets a remark that no option asked for.
    """
    account.reconcile()
    show(account, table=dry_run)
    unasked = [item for item in account.remarks if strict and not item.asked]
    if unasked:
        hint = "without --strict they are remarks"
        raise InputError(Issue(("--strict",), f"nothing is written: {item}", hint=hint) for item in unasked)
    if not dry_run:
        deliver(account.comment() + text, output, summary)


def show(account: Account, *, table: bool) -> None:
    """The share read and the remarks on stderr; the table of a first look on stdout."""
    for line in account.lines():
        remark(line)
    if table:
        say(account.table())
