"""Diversity: no provider carries too much, and enough of them carry something.

    Σ_(r at p) flow[w,r,t] ≤ max_share[w] · Σ_r flow[w,r,t]                   per workload, provider and period
    Σ_(f at p) tokens · flow ≤ max_share · Σ_f tokens · flow                  over all workloads (policy)
    Σ_(r at p) flow[c,r] ≥ min_share[w] · (carries[w,p] − unserved[c])        in every cell of the workload
    Σ_p carries[w,p] ≥ min_providers[w]

    carries[w,p]   the provider carries at least its least share of the workload in every period   0/1

Shares are of what is served.
"""

from __future__ import annotations

import numpy as np

from problems.core.blocks import Rows, Term, enumerate_keys, rows
from problems.core.columns import Columns
from problems.core.instance import Floats, Ints
from problems.core.view import View

NAME = "diversity"


def build(view: View, cols: Columns) -> Rows:
    """Rows of the three kinds, in this order: per workload, over all workloads, least shares."""
    workload = view.cells.workload[view.flows.cell]
    limited = np.flatnonzero(view.inst.workloads.max_share[workload] < 1)
    builder = _Builder(view, cols)
    builder.shares(limited, workload[limited], view.inst.workloads.max_share, view.flows.work)
    if view.inst.policy.max_share_per_provider < 1:
        everything = np.arange(len(view.flows))
        cap = np.array([view.inst.policy.max_share_per_provider])
        builder.shares(everything, np.zeros(len(everything), dtype=np.int64), cap, view.flow_tokens)
    builder.least_shares()
    return rows(
        NAME, len(builder.lower), builder.terms, builder.labels.__getitem__, lower=np.array(builder.lower)
    )


class _Builder:
    def __init__(self, view: View, cols: Columns) -> None:
        self.view, self.cols = view, cols
        self.terms: list[Term] = []
        self.lower: list[float] = []
        self.labels: list[str] = []

    def shares(self, at: Ints, scope: Ints, cap: Floats, weight: Floats) -> None:
        """0 ≤ cap · (all in scope and period) − (provider's part), in units of the scope's whole amount."""
        view = self.view
        provider = view.routes.provider[view.flows.route[at]]
        period = view.flows.period[at]
        whole, _, (_, whole_t) = enumerate_keys(scope, period)
        part, _, (s, t, p) = enumerate_keys(scope, period, provider)
        scale = np.zeros(len(whole_t))
        np.maximum.at(scale, whole, weight[at])
        amount = weight[at] / np.where(scale > 0, scale, 1.0)[whole]
        first = len(self.lower)
        self.terms.append((first + part, self.cols.flow[at], -amount))
        # every provider's row has all flows of its scope and period
        whole_of_part = np.zeros(len(s), dtype=np.int64)
        whole_of_part[part] = whole
        order = np.argsort(whole, kind="stable")
        begin = np.searchsorted(whole[order], np.arange(len(whole_t) + 1))
        many = np.diff(begin)[whole_of_part]
        nth = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        members = order[np.repeat(begin[whole_of_part], many) + nth]
        self.terms.append(
            (
                first + np.repeat(np.arange(len(s)), many),
                self.cols.flow[at[members]],
                cap[scope[members]] * amount[members],
            )
        )
        names = view.inst.offers.providers
        self.labels += [f"{names[i]},{period_}" for i, period_ in zip(p, t, strict=True)]
        self.lower += [0.0] * len(s)

    def least_shares(self) -> None:
        """min_providers: the same providers carry their least share in every cell."""
        view, cols, loads = self.view, self.cols, self.view.inst.workloads
        workload = view.cells.workload[view.flows.cell]
        provider = view.routes.provider[view.flows.route]
        at = np.flatnonzero(cols.carries[workload, provider] >= 0)
        row, _, (c, p) = enumerate_keys(view.flows.cell[at], provider[at])
        w = view.cells.workload[c] if len(c) else c
        base = len(self.lower)
        here = base + np.arange(len(c))
        dropped = cols.unserved[c] if len(c) else c
        spare = dropped >= 0
        self.terms += [
            (base + row, cols.flow[at], 1.0),
            (here, cols.carries[w, p], -loads.min_share[w]),
            (here[spare], dropped[spare], loads.min_share[w][spare]),
        ]
        self.lower += [0.0] * len(c)
        self.labels += [
            f"{view.label_cell(i)},{view.inst.offers.providers[j]}" for i, j in zip(c, p, strict=True)
        ]
        for i in np.flatnonzero(loads.min_providers > 1):
            if not (view.cells.workload == i).any():
                continue
            mine = cols.carries[i][cols.carries[i] >= 0]
            self.terms.append((len(self.lower), mine, 1.0))
            self.lower.append(float(loads.min_providers[i]))
            self.labels.append(loads.names[i])
