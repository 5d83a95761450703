"""Power: what is paid for draws it, and so does what is reserved, used or not.

Σ_q power[q] · paid[q,t] + Σ_o power[o] · reserved[o] ≤ max_power                  every period t

power   drawn by an instance that is paid for            kW
paid    instances paid for above what is reserved        instances
"""

from __future__ import annotations

import numpy as np

from problems.core.columns import Columns
from problems.core.counts import room_beyond
from problems.core.family import Family, Promise, Worth
from problems.core.first_stage import due_part
from problems.core.rows import Rows, Term, no_rows, rows
from problems.core.view import View

NAME = "power"


def build(view: View, cols: Columns) -> Rows:
    """A row per period where the policy limits power."""
    inst, periods = view.inst, view.inst.time.periods
    fleets = inst.fleets
    if not np.isfinite(inst.policy.max_power_kw):
        return no_rows(NAME)
    always = fleets.power_kw @ (fleets.reserved * (due_part(inst)[fleets.offer] > 0))
    is_open = inst.time.by_period(inst.offers.open)[fleets.offer] > 0
    drawn = fleets.power_kw[:, None] * (is_open | (fleets.term_h > 0)[:, None])
    terms: list[Term] = [
        (np.arange(periods), cols.counts.paid[q], drawn[fleets.pool_fleet[q]]) for q in range(fleets.pools)
    ]
    room = fleets.power_kw[fleets.pool_fleet] @ room_beyond(view)
    return rows(NAME, periods, terms, str, upper=inst.policy.max_power_kw - always + room)


LIMIT = Promise(
    "policy.max_power_kw",
    "policy.max_power_kw",
    relax=np.inf,
    text="at most {limit:,.10g} kW",
    amount=build,
)
FAMILY = Family(
    NAME, build, in_a_loss=None, promises=(LIMIT,), worth=Worth("USD per kW", "power", "a kW more")
)
