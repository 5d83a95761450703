"""Groups and power: limits over the instances of several offers, in every period.

min_units ≤ Σ_(o in group) units[o] · count[o,t] ≤ max_units
Σ_o power[o] · (paid[o,t] + reserved[o]) ≤ max_power                  power is drawn by what is paid for
"""

from __future__ import annotations

import numpy as np

from problems.core.columns import Columns
from problems.core.rows import Rows, Term, no_rows, rows
from problems.core.view import View

NAME = "groups"
POWER = "power"


def build(view: View, cols: Columns) -> Rows:
    """A row per group and period."""
    inst, periods = view.inst, view.inst.time.periods
    groups, fleets = inst.groups, inst.fleets
    offer = fleets.offer[fleets.pool_fleet] if fleets.pools else np.empty(0, dtype=np.int64)
    terms: list[Term] = []
    for g in range(len(groups.names)):
        at = g * periods + np.arange(periods)
        members = np.flatnonzero(groups.member[g, offer])
        terms += [(at, cols.counts.count[q], fleets.units[fleets.pool_fleet[q]]) for q in members]
    return rows(
        NAME,
        len(groups.names) * periods,
        terms,
        lambda i: f"{groups.names[i // periods]},{i % periods}",
        lower=np.repeat(groups.min_units, periods),
        upper=np.repeat(groups.max_units, periods),
    )


def power(view: View, cols: Columns) -> Rows:
    """A row per period where the policy limits power; what is reserved draws it always."""
    inst, periods = view.inst, view.inst.time.periods
    fleets = inst.fleets
    if not np.isfinite(inst.policy.max_power_kw):
        return no_rows(POWER)
    always = float(fleets.power_kw @ fleets.reserved)
    terms: list[Term] = [
        (np.arange(periods), cols.counts.paid[q], fleets.power_kw[fleets.pool_fleet[q]])
        for q in range(fleets.pools)
    ]
    return rows(POWER, periods, terms, str, upper=inst.policy.max_power_kw - always)
