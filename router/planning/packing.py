"""Where instances live: the largest first, each in the first host with room, hosts free of charge before others.

Sizes that divide each other fit so whenever they fit at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from problems.core.arrays import Floats
from problems.core.columns import Columns
from problems.core.instance import Instance
from problems.core.view import View
from router.normalise.roles import role_of
from router.plan.rows import HostedInstances, HostPattern, HostRow

NEAR = 1e-6

type Bin = tuple[float, bool]
"""What a host holds, and whether it is free of charge."""


def host_rows(view: View, cols: Columns, point: Floats, scenario: str | None) -> Iterator[HostRow]:
    """A row for each kind of host and period in which there are any."""
    inst, hosts = view.inst, view.inst.hosts
    for h, name in enumerate(hosts.names):
        for t in range(inst.time.periods):
            count = round(float(point[cols.hosts.count[h, t]]) + float(hosts.reserved[h]))
            bins: list[Bin] = [(units, True) for units in sorted(hosts.free_units[h], reverse=True)]
            bins += [(float(hosts.units[h]), False)] * count
            here = {
                q: round(float(point[at]))
                for q, at in enumerate(cols.hosts.place[h, :, t].tolist())
                if at >= 0 and point[at] > NEAR
            }
            if count or here:
                yield HostRow(name, t, scenario, count, tuple(_patterns(inst, bins, here)))


def _patterns(inst: Instance, bins: list[Bin], here: dict[int, int]) -> Iterator[HostPattern]:
    fleets = inst.fleets
    units = {q: float(fleets.units[fleets.pool_fleet[q]]) for q in here}
    left = [size for size, _ in bins]
    filled: list[dict[int, int]] = [{} for _ in bins]
    for q in sorted(here, key=lambda q: (-units[q], q)):
        todo = here[q]
        for i in range(len(bins)):
            fits = min(todo, int((left[i] + NEAR) // units[q]))
            if fits > 0:
                filled[i][q] = fits
                left[i] -= fits * units[q]
                todo -= fits
    alike = Counter((one, tuple(sorted(content.items()))) for one, content in zip(bins, filled, strict=True))
    for ((size, free), content), number in alike.items():
        if content:
            yield HostPattern(number, size, free, tuple(_hosted(inst, q, n) for q, n in content))


def _hosted(inst: Instance, q: int, count: int) -> HostedInstances:
    fleet = inst.fleets.pool_fleet[q]
    offer = int(inst.fleets.offer[fleet])
    return HostedInstances(
        inst.offers.file_names[offer], inst.pool_names[q][1], count, role_of(inst.offers, offer)
    )
