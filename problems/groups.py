"""Groups: limits over the instances of several offers, in every period.

min_units ≤ Σ_(o in group) units[o] · count[o,t] ≤ max_units
Σ_(o in group) weights[o,r] · count[o,t] ≤ limits[r]                       every resource r, in place of units

units[o]       what an instance of the offer counts for       units
weights[o,r]   what it takes of a resource                    cards, ports, …
"""

from __future__ import annotations

import numpy as np

from problems.core.columns import Columns
from problems.core.counts import room_beyond
from problems.core.family import Family, Promise, Worth
from problems.core.rows import Rows, Term, rows
from problems.core.view import View

NAME = "groups"


def build(view: View, cols: Columns) -> Rows:
    """A row per group and period."""
    inst, periods = view.inst, view.inst.time.periods
    groups, fleets = inst.groups, inst.fleets
    terms: list[Term] = []
    room = np.zeros(len(groups.names))
    for g in range(len(groups.names)):
        at = g * periods + np.arange(periods)
        weight = groups.weight[g, fleets.pool_fleet] if fleets.pools else np.empty(0)
        terms += [(at, cols.counts.count[q], weight[q]) for q in np.flatnonzero(weight > 0)]
        room[g] = weight @ room_beyond(view)
    return rows(
        NAME,
        len(groups.names) * periods,
        terms,
        lambda i: f"{groups.names[i // periods]},{i % periods}",
        lower=np.repeat(groups.min_units, periods),
        upper=np.repeat(groups.max_units + room, periods),
    )


AT_MOST = Promise(
    "groups[].max_units",
    "groups.max_units",
    relax=np.inf,
    text='group "{name}": at most {limit:,.10g} units',
    amount=build,
    whole=True,
    made=lambda inst: ~inst.groups.resource & np.isfinite(inst.groups.max_units),
)
RESOURCES = Promise(
    "groups[].limits[]",
    "groups.max_units",
    relax=np.inf,
    text='group and resource "{name}": at most {limit:,.10g}',
    amount=build,
    whole=True,
    made=lambda inst: inst.groups.resource,
)
AT_LEAST = Promise(
    "groups[].min_units",
    "groups.min_units",
    relax=0.0,
    text='group "{name}": at least {limit:,.10g} units',
)
FAMILY = Family(
    NAME,
    build,
    in_a_loss=None,
    promises=(AT_MOST, RESOURCES, AT_LEAST),
    worth=Worth("USD per unit", "group", "a unit more"),
)
