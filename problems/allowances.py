"""Allowances: what is free of an offer in a billing month, taken by whole requests in their own mix of tokens.

    charged[f] ≤ flow[f]                                              per flow of such an offer: the family of linking
    Σ_f amount[f] · (flow[f] − charged[f]) / left[n] ≤ 1              per allowance, of tokens or requests, and month n

    charged[f]   share of the cell's work that is paid for; the rest of the flow is free
    amount[f]    tokens, or requests, of the whole cell
    left[n]      of the allowance by the month's hours / 730, less what was taken of it before the horizon

Which workloads take it is the plan's choice. What is free loads quotas and instances as all work does, and does not
count as use of tiers, commitments and agreements: wherever use has a price, `charged` stands in place of `flow`. In a
loss what is free stays so, as far as it is used. Divided by what is left, so that the dual is USD per whole allowance.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family, Worth
from problems.core.rows import RowBuilder, Rows
from problems.core.view import View

NAME = "allowances"


def build(view: View, cols: Columns) -> Rows:
    """A row per allowance and month."""
    builder, allowances = RowBuilder(NAME), view.inst.allowances
    names = view.inst.offers.names
    for n in range(len(allowances.offer)):
        flow, amount = taken(view, n)
        left = float(allowances.most[n])
        value = amount / left if left > 0 else amount
        builder.one(
            allowances.label(names, n),
            [(cols.flow[flow], value), (cols.charged[flow], -value)],
            upper=1.0 if left > 0 else 0.0,
        )
    return builder.rows()


def taken(view: View, n: int) -> tuple[Ints, Floats]:
    """(flows, tokens or requests of the whole cell) that use allowance `n` where they are free."""
    allowances, flows, routes = view.inst.allowances, view.flows, view.routes
    here = (flows.period >= allowances.first[n]) & (flows.period < allowances.end[n])
    at = np.flatnonzero(here & (routes.offer[flows.route] == allowances.offer[n]))
    if allowances.counts[n] == "tokens":
        return at, view.flow_tokens[at]
    return at, routes.requests[flows.route[at]] * flows.work[at]


FAMILY = Family(
    NAME,
    build,
    in_a_loss=None,
    worth=Worth("USD per whole allowance", "free allowance", "as much again"),
)
