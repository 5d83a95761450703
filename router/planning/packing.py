"""Where instances live: the largest first, each in the first host with room, hosts free of charge before others.

Sizes that divide each other fit so whenever they fit at all; others stand where the arc flow of the program has them.
Of a program without whole numbers both hosts and instances may be parts of one: rows say so, and round nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from problems.core.arrays import Floats
from problems.core.columns import Columns
from problems.core.encode import Encoded
from problems.core.host_arcs import HostArcs
from problems.core.instance import Instance
from problems.core.view import View
from router.normalise.roles import role_of
from router.plan.rows import HostedInstances, HostPattern, HostRow

NEAR = 1e-6


@dataclass(slots=True)
class Filling:
    """Hosts that are filled alike.

    number   of them
    left     units that are free, where any instance may stand there
    places   instances by size for which there is a place, where the program says so
    """

    number: float
    units: float
    free: bool
    left: float
    places: dict[int, int] | None = None
    content: dict[int, int] = field(default_factory=dict)

    def room(self, size: float) -> int:
        """Instances of a size that still go into each."""
        if self.places is not None:
            return self.places.get(round(size), 0)
        return int((self.left + NEAR) // size)

    def with_more(self, number: float, q: int, size: float, count: int) -> Filling:
        """So many of them with so many instances more."""
        places = self.places
        if places is not None:
            places = {**places, round(size): places[round(size)] - count}
        content = {**self.content, q: self.content.get(q, 0) + count}
        return Filling(number, self.units, self.free, self.left - count * size, places, content)


def host_rows(view: View, cols: Columns, point: Floats, scenario: str | None) -> Iterator[HostRow]:
    """A row for each kind of host and period in which there are any."""
    inst, hosts = view.inst, view.inst.hosts
    fleets = inst.fleets
    sizes: list[float] = fleets.units[fleets.pool_fleet].tolist() if fleets.pools else []
    for h, name in enumerate(hosts.names):
        for t in range(inst.time.periods):
            rented = float(point[cols.hosts.count[h, t]]) if hosts.open[h, t] else 0.0
            count = _whole(rented + float(hosts.reserved[h, t]))
            free = hosts.free_units[h] if hosts.open[h, t] else ()
            empty = [(units, True) for units in sorted(free, reverse=True)]
            empty += [(float(hosts.units[h]), False)]
            here = {
                q: _whole(float(point[at]))
                for q, at in enumerate(cols.hosts.place[h, :, t].tolist())
                if at >= 0 and point[at] > NEAR
            }
            arcs = cols.hosts.arcs[h]
            if arcs is None:
                fillings = [Filling(1.0 if free else count, size, free, size) for size, free in empty]
            else:
                filled = point[cols.hosts.filled[h][:, t]].tolist()
                flow = dict(zip(arcs.arcs, map(_whole, filled), strict=True))
                fillings = list(_paths(arcs, flow, [(*each, 1.0 if each[1] else count) for each in empty]))
            if count > NEAR or here:
                living = [(q, sizes[q], number) for q, number in here.items()]
                yield HostRow(name, t, scenario, count, tuple(_patterns(inst, _fill(fillings, living))))


def _whole(value: float) -> float:
    """What is whole but for the solver's tolerance, as such."""
    return float(round(value)) if abs(value - round(value)) <= NEAR else value


def _paths(
    arcs: HostArcs, flow: dict[tuple[int, int], float], hosts: Iterable[tuple[float, bool, float]]
) -> Iterator[Filling]:
    """The flow as paths from where each host begins; what is left of a host stays empty."""
    for units, free, number in hosts:
        left = number
        while left > NEAR:
            node, along, most = arcs.start(units), [], left
            while arc := next((each for each in arcs.arcs if each[0] == node and flow[each] > NEAR), None):
                along.append(arc)
                most, node = min(most, flow[arc]), node + arc[1]
            if not along:
                break
            places: dict[int, int] = {}
            for arc in along:
                flow[arc] -= most
                places[arc[1] * arcs.unit] = places.get(arc[1] * arcs.unit, 0) + 1
            left -= most
            yield Filling(most, units, free, 0.0, places)


def _fill(fillings: list[Filling], here: list[tuple[int, float, float]]) -> list[Filling]:
    """Instances of each pool, the largest first, in the first hosts with room."""
    for q, size, number in sorted(here, key=lambda pool: (-pool[1], pool[0])):
        todo, after = number, []
        for each in fillings:
            room = each.room(size)
            full = min(_whole(todo / room) if room else 0.0, each.number)
            if number == round(number) and each.number == round(each.number):
                full = float(int(full))
            rest, todo = each.number - full, todo - full * room
            if full > NEAR:
                after.append(each.with_more(full, q, size, room))
            if rest >= 1 and room and NEAR < todo == round(todo) and todo < room:
                after.append(each.with_more(1.0, q, size, int(todo)))
                rest, todo = rest - 1, 0.0
            if rest > NEAR:
                each.number = rest
                after.append(each)
        fillings = after
    return fillings


def _patterns(inst: Instance, fillings: list[Filling]) -> Iterator[HostPattern]:
    alike: dict[tuple[float, bool, tuple[tuple[int, int], ...]], float] = {}
    for each in fillings:
        if each.content:
            key = (each.units, each.free, tuple(sorted(each.content.items())))
            alike[key] = alike.get(key, 0.0) + each.number
    for (units, free, content), number in alike.items():
        yield HostPattern(number, units, free, tuple(_hosted(inst, q, n) for q, n in content))


def _hosted(inst: Instance, q: int, count: int) -> HostedInstances:
    fleet = inst.fleets.pool_fleet[q]
    offer = int(inst.fleets.offer[fleet])
    units, role = float(inst.fleets.units[fleet]), role_of(inst.offers, offer)
    return HostedInstances(inst.offers.file_names[offer], inst.pool_names[q][1], count, role, units)


def packed(encoded: Encoded, point: Floats) -> Floats:
    """A point of whole counts with each pool in the one kind of host that has most of it, and hosts for all of them.

    The largest first, each in the first host with room: hosts are enough, and may be a few more than are needed.
    """
    point = point.copy()
    for cols in encoded.columns:
        point[cols.hosts.count] = 0.0
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        for t in range(view.inst.time.periods if view.inst.hosts.names else 0):
            at = cols.hosts.place[:, :, t]
            for q in np.flatnonzero((at >= 0).sum(axis=0) > 1).tolist():
                kinds = at[at[:, q] >= 0, q]
                most = kinds[int(np.argmax(point[kinds]))]
                point[kinds], point[most] = 0.0, point[cols.counts.count[q, t]]
            for h in range(len(view.inst.hosts.names)):
                _first_fit(view, cols, point, h, t)
    return point


def _first_fit(view: View, cols: Columns, point: Floats, h: int, t: int) -> None:
    """Hosts of a kind in a period, and where instances of each size stand in them."""
    inst, hosts, arcs = view.inst, view.inst.hosts, cols.hosts.arcs[h]
    size_of = inst.fleets.units[inst.fleets.pool_fleet] if inst.fleets.pools else np.empty(0)
    there = np.flatnonzero(cols.hosts.place[h, :, t] >= 0)
    sizes = [
        float(size_of[q])
        for q in there[np.argsort(-size_of[there], kind="stable")].tolist()
        for _ in range(round(float(point[cols.hosts.place[h, q, t]])))
    ]
    each = float(hosts.units[h])
    held = [*(hosts.free_units[h] if hosts.open[h, t] else ()), *[each] * round(float(hosts.reserved[h, t]))]
    units, left = list(held), list(held)
    where = {} if arcs is None else {arc: n for n, arc in enumerate(arcs.arcs)}
    if arcs is not None:
        point[cols.hosts.filled[h][:, t]] = 0.0
    for size in sizes:
        i = next((i for i, room in enumerate(left) if room >= size), len(left))
        if i == len(left):
            units.append(each)
            left.append(each)
        if arcs is not None:
            node = arcs.start(units[i]) + round(units[i] - left[i]) // arcs.unit
            n = where.get((node, round(size) // arcs.unit))
            if n is None:  # larger than such a host
                return
            point[cols.hosts.filled[h][n, t]] += 1.0
        left[i] -= size
    column = cols.hosts.count[h, t]  # of all periods and futures, where there is one number for the horizon
    point[column] = max(float(point[column]), len(units) - len(held))
