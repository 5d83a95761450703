"""Rows of a plan as CSV, at full precision, one table at a time."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO

from router.plan.document import TABLES, Plan
from router.plan.rows import StandsAt
from router.plan.values import plain

SIZING = ("sign", "alternatives", "amounts", "quotes", "flips", "frontier", "worst")

KNOWN_BY = (
    "offer",
    "kind",
    "model",
    "start_month",
    "what",
    "direction",
    "at",
    "amount",
    "cvar_weight",
    "scenario",
)
"""Fields that tell rows of sizing tables apart."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")

HOSTED = "hosts_patterns"
"""The table of what lives in each host: a row for each pool of a pattern, numbered within the host and period."""

AFTER_LOSS = "routes_after_loss"
"""The table of what routes carry when a provider or an offer is lost."""

type Row = Mapping[str, object]


def tables_of(plan: Plan) -> tuple[str, ...]:
    """Names of all tables that the plan has; those of its section `sizing` besides."""
    inner = [name for name, rows in _inside(plan).items() if rows]
    return (*TABLES, *inner, *_of_sizing(plan))


def rows_of(plan: Plan, table: str) -> Sequence[object]:
    """The rows of one table. Raises KeyError."""
    inner = _inside(plan)
    if table in inner:
        return inner[table]
    found: Sequence[object] = (getattr(plan, table) or ()) if table in TABLES else _of_sizing(plan)[table]
    return found


def to_csv(plan: Plan, table: str = "cost_lines") -> str:
    """The rows of one table of the plan with a heading; an absent value is an empty field. Raises KeyError."""
    if table in TABLES:
        columns = list(_columns(TABLES[table]))
        cells = ([_at(row, path) for path in columns] for row in rows_of(plan, table))
        return _page(["_".join(path) for path in columns], cells)
    inner = _inside(plan)
    rows = inner[table] if table in inner else _of_sizing(plan)[table]
    heads = list(dict.fromkeys(name for row in rows for name in row))
    return _page(heads, ([row.get(head) for head in heads] for row in rows))


def _columns(kind: type) -> Iterator[tuple[str, ...]]:
    """What each column is of: a field, or a field of a record in it; patterns have a table of their own."""
    for item in dataclasses.fields(kind):
        if item.name == "so_far":
            yield from ((item.name, inner.name) for inner in dataclasses.fields(StandsAt))
        elif item.name not in ("patterns", "after_loss"):
            yield (item.name,)


def _at(row: object, path: tuple[str, ...]) -> object:
    for name in path:
        row = None if row is None else getattr(row, name)
    return row


def _inside(plan: Plan) -> dict[str, Sequence[Row]]:
    """Tables of what rows of others hold."""
    return {HOSTED: list(_hosted(plan)), AFTER_LOSS: list(_after_loss(plan))}


def _after_loss(plan: Plan) -> Iterator[Row]:
    known = ("workload", "offer", "model", "period", "occurrence", "scenario", "origin")
    for row in plan.routes:
        for lost, share in (row.after_loss or {}).items():
            yield {**{name: getattr(row, name) for name in known}, "lost": lost, "share": share}


def _hosted(plan: Plan) -> Iterator[Row]:
    for row in plan.hosts or ():
        of = {"host": row.host, "period": row.period, "scenario": row.scenario}
        for number, pattern in enumerate(row.patterns):
            filled = {"pattern": number, "hosts": pattern.hosts, "units": pattern.units, "free": pattern.free}
            for each in pattern.instances:
                of_pool = {"offer": each.offer, "model": each.model, "role": each.role, "count": each.count}
                yield {**of, **filled, **of_pool}


def _of_sizing(plan: Plan) -> dict[str, Sequence[Row]]:
    """Lists as they are, what each row holds in a table of its own; single figures as tables of one row."""
    sizing = {} if plan.sizing is None else plain(plan.sizing)
    found: dict[str, Sequence[Row]] = {}
    for name in SIZING:
        if name in sizing:
            found |= _split(name, sizing[name], {})
    if sizing:
        found["measures"] = [_figures(sizing)]
    if "evaluated" in sizing:
        found["evaluated"] = [_figures(sizing["evaluated"])]
    if fresh := sizing.get("out_of_sample"):
        against = [_figures(row) for row in fresh["against"]]
        found |= {"fresh": [_figures(fresh)], "fresh_worst": fresh["worst"], "fresh_against": against}
    return found


def _split(name: str, rows: Sequence[Row], above: Row) -> dict[str, Sequence[Row]]:
    """A table of figures, and one for each list or mapping in its rows: `quotes` and `quotes_prices`.

    A row of an inner table begins with what its outer row is known by, under `<outer table>_<field>`.
    """
    own: list[Row] = []
    inner: dict[str, list[Row]] = {}
    for row in rows:
        cells = {key: value for key, value in row.items() if _inner(value) is None}
        own.append({**above, **cells})
        known = {**above, **{f"{name}_{key}": cells[key] for key in KNOWN_BY if key in cells}}
        for key, value in row.items():
            for table, below in _split(f"{name}_{key}", _inner(value) or (), known).items():
                inner.setdefault(table, []).extend(below)
    return {name: own, **{table: below for table, below in inner.items() if below}}


def _inner(value: object) -> Sequence[Row] | None:
    """What has rows of its own; None: a cell, such as a list of names."""
    if isinstance(value, Mapping):
        return [{"of": str(each), "value": amount} for each, amount in value.items()]
    if isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
        return value
    return None


def _figures(section: Row) -> Row:
    return {
        name: value for name, value in section.items() if not isinstance(value, list | tuple | Mapping)
    } | {
        f"{name}_{side}": end
        for name, value in section.items()
        if "ci95" in name and isinstance(value, list | tuple)
        for side, end in zip(("low", "high"), value, strict=True)
    }


def _page(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return page.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return _text(" ".join(str(each) for each in value))
    return _text(str(value))


def _text(text: str) -> str:
    """A spreadsheet runs what begins like a formula; an apostrophe makes it text."""
    return f"'{text}" if text.startswith(FORMULA) else text
