"""Diversity: no provider carries too much, and enough of them carry something.

    Σ_(r at p) flow[w,r,t] ≤ max_share[w] · Σ_r flow[w,r,t]                   per workload, provider and period
    Σ_(f at p) tokens · flow ≤ max_share · Σ_f tokens · flow                  over all workloads (policy)
    Σ_(r at p) flow[c,r] ≥ min_share[w] · (carries[w,p] − unserved[c])        in every cell of the workload
    Σ_(r at p) flow[c,r] ≥ min_share[w] · (Σ_r flow[c,r] + carries[w,p] − 1)  the same of what single requests answer
                                                                              beside recipes, and of each of their steps
    Σ_p carries[w,p] ≥ min_providers[w]

    carries[w,p]   the provider carries at least its least share of the workload in every period   0/1

Shares are of what is served. A step that fewer providers could serve serves nothing.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family, Promise
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys
from problems.core.view import View

NAME = "diversity"


def build(view: View, cols: Columns) -> Rows:
    """Rows of the three kinds, in this order: per workload, over all workloads, least shares."""
    workload = view.inst.workloads.first[view.cells.workload[view.flows.cell]]  # of all its origins together
    limited = np.flatnonzero(view.inst.workloads.max_share[workload] < 1)
    builder = RowBuilder(NAME)
    counted = view.flows.work
    if (view.inst.workloads.steps >= 0).any():  # the steps of a recipe differ in size
        counted = np.where(view.flow_tokens > 0, view.flow_tokens, counted)
    _shares(builder, view, cols, limited, workload[limited], view.inst.workloads.max_share, counted)
    if view.inst.policy.max_share_per_provider < 1:
        everything = np.arange(len(view.flows))
        cap = np.array([view.inst.policy.max_share_per_provider])
        _shares(builder, view, cols, everything, np.zeros_like(everything), cap, view.flow_tokens)
    _least_shares(builder, view, cols)
    return builder.rows()


def _shares(
    builder: RowBuilder, view: View, cols: Columns, at: Ints, scope: Ints, cap: Floats, weight: Floats
) -> None:
    """0 ≤ cap · (all in scope and period) − (provider's part), in units of the scope's whole amount."""
    if not len(at):
        return
    provider = view.routes.provider[view.flows.route[at]]
    period = view.flows.period[at]
    whole, _, (_, whole_t) = enumerate_keys(scope, period)
    part, _, (s, t, p) = enumerate_keys(scope, period, provider)
    scale = np.zeros(len(whole_t))
    np.maximum.at(scale, whole, weight[at])
    amount = weight[at] / np.where(scale > 0, scale, 1.0)[whole]
    # every provider's row has all flows of its scope and period
    whole_of_part = np.zeros(len(s), dtype=np.int64)
    whole_of_part[part] = whole
    order = np.argsort(whole, kind="stable")
    begin = np.searchsorted(whole[order], np.arange(len(whole_t) + 1))
    many = np.diff(begin)[whole_of_part]
    nth = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    members = order[np.repeat(begin[whole_of_part], many) + nth]
    terms: list[Term] = [
        (part, cols.flow[at], -amount),
        (np.repeat(np.arange(len(s)), many), cols.flow[at[members]], cap[scope[members]] * amount[members]),
    ]
    builder.add(len(s), terms, lambda i: f"{view.inst.offers.providers[p[i]]},{t[i]}", lower=0.0)


def _least_shares(builder: RowBuilder, view: View, cols: Columns) -> None:
    """min_providers: the same providers carry their least share in every cell, of a recipe in every step."""
    loads, of, flows = view.inst.workloads, view.cells.workload, view.flows
    asked = np.flatnonzero(loads.min_providers[loads.whole] > 1)
    if not len(asked):
        return
    c, p = np.nonzero(cols.carries[of] >= 0)
    row = np.full(cols.carries[of].shape, NONE)
    row[c, p] = np.arange(len(c))
    own = row[flows.cell, view.routes.provider[flows.route]]
    least = loads.min_share[loads.whole[of[c]]]
    mixed = np.isin(loads.whole, loads.whole[loads.steps >= 0])  # recipes answer a part of it
    beside, dropped = np.flatnonzero(mixed[of[c]]), cols.unserved[c]
    spare = np.flatnonzero((dropped >= 0) & ~mixed[of[c]])
    terms: list[Term] = [
        (own[own >= 0], cols.flow[own >= 0], 1.0),
        (np.arange(len(c)), cols.carries[of[c], p], -least),
        (spare, dropped[spare], least[spare]),
    ]
    if len(beside):  # each such row has all flows of its cell
        order = np.argsort(flows.cell, kind="stable")
        begin = np.searchsorted(flows.cell[order], np.arange(len(of) + 1))
        many = np.diff(begin)[c[beside]]
        nth = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        members = order[np.repeat(begin[c[beside]], many) + nth]
        each = np.repeat(beside, many)
        terms.append((each, cols.flow[members], -least[each]))
    names, pairs = view.inst.offers.providers, zip(c.tolist(), p.tolist(), strict=True)
    label = [f"{view.label_cell(i)},{names[j]}" for i, j in pairs]
    lower = np.where(mixed[of[c]], -least, 0.0)
    builder.add(len(c), terms, label.__getitem__, lower=lower)
    for w in asked[np.isin(asked, of)].tolist():
        count, name = float(loads.min_providers[loads.whole[w]]), loads.names[w]
        carries = cols.carries[w][cols.carries[w] >= 0]
        if not mixed[w] or len(carries) >= count:
            builder.one(name, [(carries, 1.0)], lower=count)
        else:
            builder.one(name, [(cols.flow[of[flows.cell] == w], 1.0)], upper=0.0)


PROVIDERS = Promise(
    "workloads[].routing.min_providers",
    "workloads.min_providers",
    relax=1,
    text='"{name}" has at least {limit} providers',
    alone=False,
)
SHARE = Promise(
    "workloads[].routing.max_share_per_provider",
    "workloads.max_share",
    relax=1.0,
    text='no provider carries more than {limit:.4g} of "{name}"',
    alone=False,
)
SHARE_OF_ALL = Promise(
    "policy.max_share_per_provider",
    "policy.max_share_per_provider",
    relax=1.0,
    text="no provider carries more than {limit:.4g} of all tokens",
    alone=False,
)
FAMILY = Family(NAME, build, in_a_loss=None, promises=(PROVIDERS, SHARE, SHARE_OF_ALL))
