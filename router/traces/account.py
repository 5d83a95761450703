"""The account of a log: what it holds, requests without an answer, names that a workload cannot have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from router.errors import InputError, Issue
from router.importers.account import COMPLETION, PROMPT, Account
from router.traces.table import HOUR_US, Labels, Mask, TraceTable


def opened(table: TraceTable) -> Account:
    """An account that has read the table: its requests and tokens, the time it spans, what was taken for granted."""
    account = Account()
    account.reads(_amounts(table))
    hours = float(table.at_us.max() - table.at_us.min()) / HOUR_US
    if hours > 0:
        account.span = (
            f"a record of {hours:,.3g} h, {float(table.requests.sum()) / hours:,.3g} requests an hour"
        )
    for sentence in table.remarks:
        hint = "--time-unit says otherwise" if "taken as" in sentence else None
        account.remark("note", sentence, table.file, {"requests": float(table.requests.sum())}, hint=hint)
    return account


def answered(table: TraceTable, account: Account) -> TraceTable:
    """Without requests that failed or have no tokens at all. Raises InputError where none is left."""
    everything = float(table.requests.sum())
    failed = table.failed > 0
    empty = ~failed & (table.prompt == 0) & (table.completion == 0) & (table.requests > 0)
    for rows, words in (
        (failed, "failed, as their status says"),
        (empty, "have no tokens, as those that failed"),
    ):
        requests = float(table.requests[rows].sum())
        if requests > 0:
            line = f"{table.file}, line {table.lines[rows][0]:.0f}"
            why = f"{requests:,.6g} of {everything:,.6g} requests {words}"
            account.remark("left out", why, line, _amounts(table.only(rows)))
    lost = failed | empty
    unanswered = ~lost & (table.completion == 0) & (table.prompt > 0) & (table.requests > 0)
    if unanswered.any() and not unanswered[~lost].all():
        requests = float(table.requests[unanswered].sum())
        line = f"{table.file}, line {table.lines[unanswered][0]:.0f}"
        why = f"{requests:,.6g} of {everything:,.6g} requests have a prompt and no completion, and are kept"
        account.remark("note", why, line, {"requests": requests}, hint="they may have failed")
    if lost.all():
        raise InputError(Issue((), "no request has an answer or any tokens", file=table.file))
    if table.single:
        return table.only(~lost)
    requests_answered, with_lengths = (
        np.where(lost, 0.0, each) for each in (table.requests, table.with_lengths)
    )
    return replace(
        table, requests=requests_answered, with_lengths=with_lengths
    )  # the rows stay: their periods are recorded


def named_plainly(table: TraceTable, by: Sequence[str], account: Account) -> TraceTable:
    """With values of the labels that can be names: one line of visible characters. Two values never become one."""
    labels = dict(table.labels)
    for column in by:
        values = table.labels[column].values
        plain = {value: value for value in values if value == _plain(value)}
        for code, value in enumerate(values):
            if value in plain:
                continue
            name = _plain(value)
            taken, number = set(plain.values()), 2
            while name in taken:
                name, number = f"{_plain(value)}-{number}", number + 1
            plain[value] = name
            rows: Mask = table.labels[column].codes == code
            if not value:
                continue
            line = f"{table.file}, line {table.lines[rows][0]:.0f}"
            why = f"names of {column} that are not one line of visible characters, cleaned"
            renaming = f"{value!a} is {name}"
            account.remark(
                "note",
                why,
                line,
                {"names": 1, "requests": float(table.requests[rows].sum())},
                names=[renaming],
            )
        labels[column] = Labels(table.labels[column].codes, tuple(plain[value] for value in values))
    return replace(table, labels=labels)


def _plain(value: str) -> str:
    """A name that the program takes: spaces for other white space, nothing for what cannot be seen."""
    visible = "".join(" " if c.isspace() else c for c in value if c.isspace() or c.isprintable())
    name = " ".join(visible.split()) if visible != value else value
    return {"*": "any", "": "unnamed" if value else "none"}.get(name, name)


def _amounts(table: TraceTable) -> dict[str, float]:
    tokens = {PROMPT: float(np.nansum(table.prompt)), COMPLETION: float(np.nansum(table.completion))}
    return {"requests": float(table.requests.sum())} | tokens
