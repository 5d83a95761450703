"""Columns of hosts, and of where instances live that may live in several kinds of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.counts import pool_label
from problems.core.host_arcs import HostArcs, divide_each_other, host_arcs
from problems.core.view import View
from solvers.core.record import Record


class HostColumns(Record):
    """Hosts, and instances by host."""

    count: Ints  # (H, T) hosts rented, beside those reserved and free ones; one for the horizon is repeated
    place: Ints  # (H, Q, T) instances that live in such hosts, or -1; the pool's count where it lives in no other
    arcs: tuple[HostArcs | None, ...]  # (H,) None: sizes divide each other, which needs none
    filled: tuple[Ints, ...]  # (H,) of (arcs, T): hosts with an instance there


def host_columns(view: View, space: ColumnSpace, counts: Ints, limit: Floats, ahead: Ints) -> HostColumns:
    """Reserve them; `counts` (Q, T) are the columns of counts, `limit` (Q, T) the largest that can be of use.

    ahead   (H,) columns of hosts that are one number for the horizon, or -1
    """
    hosts, periods, block = view.inst.hosts, view.inst.time.periods, view.scenario + 1
    pools = view.inst.fleets.pools
    if not len(hosts.names):
        return _no_hosts(pools, periods)
    lives = (
        hosts.houses[:, view.inst.fleets.pool_fleet] if pools else np.zeros((len(hosts.names), 0), dtype=bool)
    )
    most = lives.astype(float) @ limit if pools else np.zeros((len(hosts.names), periods))
    most = np.minimum(np.ceil(most), np.maximum(np.floor(hosts.max - hosts.reserved), 0.0))
    hourly = np.flatnonzero(ahead < 0)
    count = np.repeat(ahead[:, None], periods, axis=1)
    count[hourly] = space.take(
        "host",
        len(hourly) * periods,
        lambda i: f"{hosts.names[hourly[i // periods]]},{i % periods}",
        upper=most[hourly].ravel(),
        integer=True,
        block=block,
    ).reshape(len(hourly), periods)
    place = np.full((len(hosts.names), pools, periods), NONE, dtype=np.int64)
    for h, q in zip(*np.nonzero(lives), strict=True):
        if lives[:, q].sum() == 1:
            place[h, q] = counts[q]
            continue
        name = f"{hosts.names[h]},{pool_label(view.inst, int(q))}"
        place[h, q] = space.take(
            "place", periods, _numbered(name), upper=np.ceil(limit[q]), integer=True, block=block
        )
    arcs, filled = [], []
    for kind, name in enumerate(hosts.names):
        own, at = _arcs(view, kind), np.empty((0, periods), dtype=np.int64)
        if own is not None:
            at = space.take(
                "filled",
                len(own.arcs) * periods,
                _filled(name, own, periods),
                upper=np.tile(most[kind] + hosts.reserved[kind] + len(hosts.free_units[kind]), len(own.arcs)),
                integer=True,
                block=block,
            ).reshape(len(own.arcs), periods)
        arcs.append(own)
        filled.append(at)
    return HostColumns(count, place, tuple(arcs), tuple(filled))


@cache
def _no_hosts(pools: int, periods: int) -> HostColumns:
    none = np.empty((0, periods), dtype=np.int64)
    return HostColumns(none, np.empty((0, pools, periods), dtype=np.int64), (), ())


def _arcs(view: View, h: int) -> HostArcs | None:
    """Of a kind of host; None where each size divides the next larger."""
    hosts, fleets = view.inst.hosts, view.inst.fleets
    sizes = {float(units) for units, lives in zip(fleets.units, hosts.houses[h], strict=True) if lives}
    if divide_each_other(sizes):
        return None
    return host_arcs(sizes, [float(hosts.units[h]), *hosts.free_units[h]])


def _filled(name: str, own: HostArcs, periods: int) -> Callable[[int], str]:
    def label(i: int) -> str:
        node, size = own.arcs[i // periods]
        return f"{name},{node}+{size},{i % periods}"

    return label


def _numbered(name: str) -> Callable[[int], str]:
    return lambda t: f"{name},{t}"
