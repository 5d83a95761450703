"""Hosts: instances live in machines that are bought whole, and a replica never spans two.

Where each size divides the next larger, for every kind of host h, size s of an instance there and period t

    Σ_(q: units[q] ≥ s) units[q] / s · place[h,q,t] ≤ ⌊units[h] / s⌋ · (host[h,t] + reserved[h,t]) + Σ_free ⌊units / s⌋

so that whoever fits by these rows fits: the largest first, each where there is room. (The sum of units alone is too
weak: four of 5 units do not fit in three hosts of 8.) Else an arc flow over its units (see `host_arcs`):

    Σ_s filled[h,n,s,t] ≤ Σ_s filled[h,n−s,s,t] + hosts that start at n     every node n: the first one of what is paid,
                                                                            a later one of free hosts that hold less
    Σ_(q: units[q] = s) place[h,q,t] ≤ Σ_n filled[h,n,s,t]                  every size s

    Σ_h place[h,q,t] = count[q,t]                                           pools that may live in several kinds

    host[h,t]          hosts rented                                         hosts; one number for all t, decided before
                       demand is known, where a kind is resized for the horizon: it counts while the kind is open
    place[h,q,t]       instances of the pool that live there                instances
    filled[h,n,s,t]    hosts in which an instance of size s stands at n     hosts
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.family import Family, Promise
from problems.core.host_arcs import HostArcs
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View

NAME = "hosts"


def build(view: View, cols: Columns) -> Rows:
    """Rows by kind of host and size or node, then those of pools in several kinds."""
    inst, builder, periods = view.inst, RowBuilder(NAME), view.inst.time.periods
    place = cols.hosts.place
    units = inst.fleets.units[inst.fleets.pool_fleet] if inst.fleets.pools else np.empty(0)
    for h, arcs in enumerate(cols.hosts.arcs):
        here = np.flatnonzero((place[h] >= 0).all(axis=1)) if periods else np.empty(0, dtype=np.int64)
        if arcs is None:
            _by_size(builder, view, cols, h, here, units)
        else:
            _by_arc(builder, view, cols, h, here, units, arcs)
    several = np.flatnonzero((place[:, :, :1] >= 0).all(axis=2).sum(axis=0) > 1)
    for q in several.tolist():
        t = np.arange(periods)
        parts: list[Term] = [(t, place[h, q], 1.0) for h in np.flatnonzero(place[:, q, 0] >= 0)]
        parts.append((t, cols.counts.count[q], -1.0))
        builder.add(periods, parts, _numbered(pool_label(inst, q)), lower=0.0, upper=0.0)
    return builder.rows()


def _by_size(builder: RowBuilder, view: View, cols: Columns, h: int, here: Ints, units: Floats) -> None:
    hosts, t = view.inst.hosts, np.arange(view.inst.time.periods)
    for size in sorted(set(units[here].tolist())):
        terms: list[Term] = [(t, cols.hosts.place[h, q], units[q] / size) for q in here if units[q] >= size]
        each = np.floor(hosts.units[h] / size)
        terms.append((t, cols.hosts.count[h], -each * hosts.open[h]))
        free = hosts.open[h] * sum(np.floor(own / size) for own in hosts.free_units[h])
        label = _numbered(f"{hosts.names[h]},{size:g} units")
        builder.add(len(t), terms, label, upper=each * hosts.reserved[h] + free)


def _by_arc(
    builder: RowBuilder, view: View, cols: Columns, h: int, here: Ints, units: Floats, own: HostArcs
) -> None:
    hosts, t = view.inst.hosts, np.arange(view.inst.time.periods)
    filled = cols.hosts.filled[h]
    for node in sorted({node for node, _ in own.arcs}):
        terms: list[Term] = [(t, filled[a], 1.0) for a, (at, _) in enumerate(own.arcs) if at == node]
        terms += [(t, filled[a], -1.0) for a, (at, size) in enumerate(own.arcs) if at + size == node]
        most = hosts.open[h] * float(sum(own.start(free) == node for free in hosts.free_units[h]))
        if own.start(hosts.units[h]) == node:
            terms.append((t, cols.hosts.count[h], -1.0 * hosts.open[h]))
            most = most + hosts.reserved[h]
        builder.add(len(t), terms, _numbered(f"{hosts.names[h]},from {node * own.unit} units"), upper=most)
    for size in sorted({size for _, size in own.arcs} | {round(units[q]) // own.unit for q in here}):
        terms = [(t, cols.hosts.place[h, q], 1.0) for q in here if round(units[q]) == size * own.unit]
        terms += [(t, filled[a], -1.0) for a, (_, each) in enumerate(own.arcs) if each == size]
        builder.add(len(t), terms, _numbered(f"{hosts.names[h]},{size * own.unit} units"), upper=0.0)


def total(view: View, cols: Columns) -> Rows:
    """host + reserved ≤ max, a row per period and kind that states one; of one number for the horizon the least."""
    builder, hosts = RowBuilder(NAME), view.inst.hosts
    for h in np.flatnonzero(np.isfinite(hosts.max).all(axis=1)):
        t, most = np.arange(view.inst.time.periods), hosts.max[h] - hosts.reserved[h]
        if hosts.horizon[h]:
            t, most = t[:1], hosts.most_throughout()[[h]]
        builder.add(len(t), [(t, cols.hosts.count[h, t], 1.0)], _numbered(hosts.names[h]), upper=most)
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
