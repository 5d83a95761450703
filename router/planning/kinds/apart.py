"""The plan of kinds as the plan of their workloads: each takes the shares of its kind, of its own work.

requests[w, route] = requests[kind, route] · volume[w] / Σ volume      tokens and USD likewise
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from router.plan.document import Plan, ShadowPrice
from router.plan.rows import AlikeWorkloads, RouteRow, UnservedRow
from router.planning.kinds.alike import Kinds, Volume, total

FEW_NAMED = "each has its routes; refused and prices list the first of each kind, and notes name it for all"


def taken_apart(plan: Plan, kinds: Kinds, cells: Iterable[tuple[str, str, int]]) -> Plan:
    """The plan of `kinds.whole` that is made of one of `kinds.problem`.

    cells    of the plan's program: the name of the row of each, its workload, and its period or occurrence
    """
    totals = {first: total(own) for first, own in kinds.members.items()}
    several, loads = len(kinds.members), sum(map(len, kinds.members.values()))
    many = "one kind" if several == 1 else f"{several:,} kinds"
    note = f"{loads:,} workloads were planned as {many}, alike in all but name and volume: {FEW_NAMED}"
    rows = tuple(
        AlikeWorkloads(first, tuple(name for name in own if name != first))
        for first, own in kinds.members.items()
    )
    return replace(
        plan,
        routes=tuple(_each(plan.routes, kinds, totals, _of_route)),
        unserved=tuple(_each(plan.unserved, kinds, totals, _of_unserved)),
        prices=replace(plan.prices, rows=tuple(_of_first(plan.prices.rows, kinds, totals, cells))),
        notes=(*plan.notes, note),
        kinds=rows,
    )


def _each[Row: (RouteRow, UnservedRow)](
    rows: Iterable[Row], kinds: Kinds, totals: dict[str, Volume], part_of: Callable[[Row, str, float], Row]
) -> Iterator[Row]:
    """Rows by workload, in the order of the file."""
    of = {name: first for first, own in kinds.members.items() for name in own}
    by_workload: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_workload[row.workload].append(row)
    for load in kinds.whole.workloads:
        first = of.get(load.name)
        if first is None:
            yield from by_workload.get(load.name, ())
            continue
        volume, whole = kinds.members[first][load.name], totals[first]
        for row in by_workload.get(first, ()):
            at = _place(volume, row.period if row.occurrence is None else row.occurrence)
            if volume[at] > 0:
                yield part_of(row, load.name, volume[at] / whole[at])


def _place(volume: Volume, period: int) -> int:
    """Where the volume of a cell stands: by period, or one for all."""
    return period if len(volume) > 1 else 0


def _of_route(row: RouteRow, workload: str, part: float) -> RouteRow:
    return RouteRow(
        workload,
        row.offer,
        row.model,
        row.period,
        row.occurrence,
        row.scenario,
        row.share,
        None if row.requests is None else row.requests * part,
        row.prompt_tokens * part,
        row.completion_tokens * part,
        row.free_share,
        row.origin,
    )


def _of_unserved(row: UnservedRow, workload: str, part: float) -> UnservedRow:
    requests = None if row.requests is None else row.requests * part
    tokens = row.prompt_tokens * part, row.completion_tokens * part
    return replace(
        row,
        workload=workload,
        requests=requests,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        usd=row.usd * part,
    )


def _of_first(
    rows: Iterable[ShadowPrice],
    kinds: Kinds,
    totals: dict[str, Volume],
    cells: Iterable[tuple[str, str, int]],
) -> Iterator[ShadowPrice]:
    """Prices of the first workload's own cells in place of its kind's."""
    part = {}
    for label, workload, period in cells:
        if workload in kinds.members:
            volume, at = kinds.members[workload][workload], _place(totals[workload], period)
            part[label] = volume[at] / totals[workload][at] if totals[workload][at] > 0 else 0.0
    for row in rows:
        of = part.get(row.row, 1.0) if row.family == "demand" else 1.0
        if of > 0:
            yield row if of == 1.0 else replace(row, usd_per_unit=row.usd_per_unit * of)
