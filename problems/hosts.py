"""Hosts: instances live in machines that are bought whole, and a replica never spans two.

    Σ_(q: units[q] ≥ s) (units[q] / s) · place[h,q,t] ≤ ⌊units[h] / s⌋ · (host[h,t] + reserved[h]) + Σ_free ⌊units / s⌋
                                                     every kind of host h, size s of an instance there, period t
    Σ_h place[h,q,t] = count[q,t]                             pools that may live in several kinds

    host[h,t]      hosts rented                               hosts
    place[h,q,t]   instances of the pool that live there      instances

Each size divides the next larger, so that whoever fits by these rows fits: the largest first, each where there is room.
(The sum of units alone is too weak: four of 5 units do not fit in three hosts of 8.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.family import Family, Promise
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View

NAME = "hosts"


def build(view: View, cols: Columns) -> Rows:
    """Rows by kind of host and size, then those of pools in several kinds."""
    inst, builder, periods = view.inst, RowBuilder(NAME), view.inst.time.periods
    hosts, t = inst.hosts, np.arange(view.inst.time.periods)
    place = cols.hosts.place
    units = inst.fleets.units[inst.fleets.pool_fleet] if inst.fleets.pools else np.empty(0)
    for h, name in enumerate(hosts.names):
        here = np.flatnonzero((place[h] >= 0).all(axis=1)) if periods else np.empty(0, dtype=np.int64)
        for size in sorted(set(units[here].tolist())):
            terms: list[Term] = [(t, place[h, q], units[q] / size) for q in here if units[q] >= size]
            each = np.floor(hosts.units[h] / size)
            terms.append((t, cols.hosts.count[h], -each))
            free = sum(np.floor(own / size) for own in hosts.free_units[h])
            label = f"{name},{size:g} units"
            builder.add(periods, terms, _numbered(label), upper=float(each * hosts.reserved[h] + free))
    several = np.flatnonzero((place[:, :, :1] >= 0).all(axis=2).sum(axis=0) > 1)
    for q in several.tolist():
        parts: list[Term] = [(t, place[h, q], 1.0) for h in np.flatnonzero(place[:, q, 0] >= 0)]
        parts.append((t, cols.counts.count[q], -1.0))
        builder.add(periods, parts, _numbered(pool_label(inst, q)), lower=0.0, upper=0.0)
    return builder.rows()


def total(view: View, cols: Columns) -> Rows:
    """host + reserved ≤ max, a row per period and kind that states one."""
    builder, hosts, t = RowBuilder(NAME), view.inst.hosts, np.arange(view.inst.time.periods)
    for h in np.flatnonzero(np.isfinite(hosts.max)):
        most = float(hosts.max[h] - hosts.reserved[h])
        builder.add(len(t), [(t, cols.hosts.count[h], 1.0)], _numbered(hosts.names[h]), upper=most)
    return builder.rows()


def _numbered(name: str) -> Callable[[int], str]:
    return lambda t: f"{name},{t}"


MOST = Promise(
    "hosts[].max",
    "hosts.max",
    relax=np.inf,
    text='at most {limit:,.10g} hosts "{name}"',
    amount=total,
    whole=True,
)
FAMILY = Family(NAME, build, in_a_loss=None, promises=(MOST,))
