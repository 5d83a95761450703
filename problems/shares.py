"""Shares of a workload: a floor under the mean quality of what answers, limits by model, offer and provider.

    Σ_r work · (quality[r] − min_mean_quality[w]) · flow[w,r,t] ≥ 0                   every workload and period
    Σ_r work · ([r of it] − min) · flow[w,r,t] ≥ 0,   Σ_r work · (max − [r of it]) · flow[w,r,t] ≥ 0

    work        requests of the whole cell; tokens where the workload states no request size
    [r of it]   1 where route r is of the model, offer or provider of the limit, else 0

A recipe counts once in the mean, by its first step and with its own quality; in shares each of its steps counts by its
requests. They hold for what runs in a period and is served, from all origins of a workload together. Rows are in parts
of their largest coefficient.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from problems.core.arrays import NONE, Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family, Promise
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows, enumerate_keys
from problems.core.view import View

NAME = "shares"
KINDS = ("model", "offer", "provider")


def build(view: View, cols: Columns) -> Rows:
    """Means by workload, then the limits in the order of the file."""
    loads, shares, builder = view.inst.workloads, view.inst.shares, RowBuilder(NAME)
    route = view.flows.route
    own = view.routes.workload[route]
    workload = loads.first[own]  # of all its origins together
    by_recipe = loads.quality[own]
    quality = np.where(loads.steps[own] < 0, view.inst.models.quality[view.routes.model[route]], by_recipe)
    for w in np.flatnonzero(np.isfinite(loads.min_mean_quality) & _whole(view.inst)):
        at = np.flatnonzero(workload == w)
        at = at[loads.answers[own[at]] > 0]
        value = loads.answers[own[at]] * (quality[at] - loads.min_mean_quality[w])
        _never_below(builder, view, cols, at, value, f"{loads.file_names[w]},quality")
    for i, w in enumerate(shares.workload):
        at = np.flatnonzero(workload == w)
        inside = _inside(view, i, route[at]).astype(float)
        if shares.least[i] > 0:
            _never_below(builder, view, cols, at, inside - shares.least[i], f"{shares.names[i]},min")
        if shares.most[i] < 1:
            _never_below(builder, view, cols, at, shares.most[i] - inside, f"{shares.names[i]},max")
    return builder.rows()


def _inside(view: View, i: int, route: Ints) -> Bools:
    """Which routes are of the model, offer or provider of a limit."""
    inside = np.ones(len(route), dtype=bool)
    for kind in KINDS:
        of = getattr(view.inst.shares, kind)[i]
        if of != NONE:
            inside &= getattr(view.routes, kind)[route] == of
    return inside


def _never_below(builder: RowBuilder, view: View, cols: Columns, at: Ints, value: Floats, label: str) -> None:
    """Σ work · value · flow ≥ 0 in every period, over the flows `at`."""
    row, _, (period,) = enumerate_keys(view.flows.period[at])
    amount = view.flows.work[at] * value
    scale = np.zeros(len(period))
    np.maximum.at(scale, row, np.abs(amount))
    part = amount / np.where(scale > 0, scale, 1.0)[row]
    builder.add(len(period), [(row, cols.flow[at], part)], lambda i: f"{label},{period[i]}", lower=0.0)


def _whole(inst: Instance) -> Bools:
    """(W,) the rows that stand for all origins of a workload."""
    return np.asarray(inst.workloads.first == np.arange(len(inst.workloads.first)), dtype=bool)


def _floors(inst: Instance) -> Bools:
    return np.asarray(np.isfinite(inst.workloads.min_mean_quality) & _whole(inst), dtype=bool)


def _limits(inst: Instance, kind: str, *, least: bool) -> Bools:
    """(n,) limits of one kind that ask for something."""
    shares = inst.shares
    asked = shares.least > 0 if least else shares.most < 1
    return np.asarray((getattr(shares, kind) != NONE) & asked, dtype=bool)


def _promise(kind: str, *, least: bool) -> Promise:
    bound, words = ("min", "at least") if least else ("max", "at most")
    return Promise(
        f"workloads[].routing.shares.{kind}s[].{bound}",
        "shares.least" if least else "shares.most",
        relax=0.0 if least else 1.0,
        text=f"{words} {{limit:.4g}} of the work, by {kind}: {{name}}",
        alone=False,
        made=partial(_limits, kind=kind, least=least),
    )


QUALITY = Promise(
    "workloads[].needs.min_mean_quality",
    "workloads.min_mean_quality",
    relax=-np.inf,
    text='what answers "{name}" has a quality of at least {limit:.6g} on average',
    made=_floors,
)
FAMILY = Family(
    NAME,
    build,
    in_a_loss=None,
    promises=(QUALITY, *(_promise(kind, least=least) for kind in KINDS for least in (True, False))),
)
