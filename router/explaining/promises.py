"""The promises of a problem, by name, each with the instance in which it is not made.

Leaving one out is a change of the instance's arrays, so that the same encoding serves; where a promise is a limit, the
rows that measure it are at hand, to find how far it would have to be raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from problems import groups, quota
from problems.core.columns import Columns
from problems.core.instance import Instance
from problems.core.rows import Rows, Term, rows
from problems.core.view import View

Measure = Callable[[View, Columns], Rows]
"""Rows Σ amount ≤ limit of a promise, over the columns of a program in which it is not made."""


@dataclass(frozen=True)
class Promise:
    """One promise: what it is about, its field, the instance without it, and how it is measured where it is a limit."""

    name: str
    field: str
    without: Callable[[Instance], Instance]
    limit: float | None = None
    measure: Measure | None = None


def promises(inst: Instance) -> list[Promise]:
    """Every promise that could stand in the way of a plan."""
    return [*_demand(inst), *_quotas(inst), *_counts(inst), *_groups(inst), *_routing(inst), *_policy(inst)]


def _with(table: Any, **arrays: Any) -> Any:
    """A table of the instance with some of its arrays replaced."""
    return replace(table, **arrays)


def _changed(values: np.ndarray, at: int, value: float | bool | int) -> np.ndarray:
    made = values.copy()
    made[at] = value
    return made


def _demand(inst: Instance) -> Iterator[Promise]:
    def without(w: int) -> Callable[[Instance], Instance]:
        def change(given: Instance) -> Instance:
            loads = given.workloads
            free = _changed(loads.unserved_usd_per_token, w, 0.0)
            return replace(given, workloads=replace(loads, unserved_usd_per_token=free))

        return change

    for w, name in enumerate(inst.workloads.names):
        if np.isinf(inst.workloads.unserved_usd_per_token[w]) and (inst.cells.workload == w).any():
            yield Promise(f'workload "{name}" is served in full', f"workloads.{name}.demand", without(w))


def _quotas(inst: Instance) -> Iterator[Promise]:
    kinds = {
        "requests_per_minute": "quota_requests",
        "tokens_per_minute": "quota_tokens",
        "units_per_minute": "quota_units",
    }

    def without(o: int, array: str) -> Callable[[Instance], Instance]:
        def change(given: Instance) -> Instance:
            return replace(
                given,
                offers=_with(given.offers, **{array: _changed(getattr(given.offers, array), o, np.inf)}),
            )

        return change

    def measure(o: int, array: str) -> Measure:
        def build(view: View, cols: Columns) -> Rows:
            only = {name: np.full(len(inst.offers.names), np.inf) for name in kinds.values()}
            only[array] = _changed(only[array], o, getattr(inst.offers, array)[o])
            return quota.build(
                replace(view, inst=replace(view.inst, offers=_with(view.inst.offers, **only))), cols
            )

        return build

    for kind, array in kinds.items():
        for o in np.flatnonzero(np.isfinite(getattr(inst.offers, array))).tolist():
            name, limit = inst.offers.names[o], float(getattr(inst.offers, array)[o] * 60)
            yield Promise(
                f'quota of "{name}": {limit:,.10g} {kind.replace("_per_minute", "")} a minute',
                f"offers.{name}.quota.{kind}",
                without(o, array),
                limit,
                measure(o, array) if limit > 0 else None,
            )


def _counts(inst: Instance) -> Iterator[Promise]:
    def without(f: int) -> Callable[[Instance], Instance]:
        def change(given: Instance) -> Instance:
            return replace(given, fleets=replace(given.fleets, max=_changed(given.fleets.max, f, np.inf)))

        return change

    def measure(f: int) -> Measure:
        def build(view: View, cols: Columns) -> Rows:
            periods = view.inst.time.periods
            pools = np.flatnonzero(inst.fleets.pool_fleet == f)
            terms: list[Term] = [
                (np.arange(periods), cols.counts.count[q], 1.0 / inst.fleets.max[f]) for q in pools
            ]
            return rows("instances", periods, terms, str, upper=1.0)

        return build

    for f in np.flatnonzero(np.isfinite(inst.fleets.max)).tolist():
        name, limit = inst.offers.names[inst.fleets.offer[f]], float(inst.fleets.max[f])
        yield Promise(
            f'capacity of "{name}": at most {limit:,.10g} instances',
            f"offers.{name}.instances.max",
            without(f),
            limit,
            measure(f) if limit > 0 else None,
        )


def _groups(inst: Instance) -> Iterator[Promise]:
    def without(g: int, array: str, value: float) -> Callable[[Instance], Instance]:
        def change(given: Instance) -> Instance:
            return replace(
                given,
                groups=_with(given.groups, **{array: _changed(getattr(given.groups, array), g, value)}),
            )

        return change

    def measure(g: int) -> Measure:
        def build(view: View, cols: Columns) -> Rows:
            built = groups.build(view, cols)
            periods, most = view.inst.time.periods, inst.groups.max_units[g]
            terms: list[Term] = []
            for row, column, value in built.terms:
                mine = np.asarray(row) // periods == g
                if mine.any():
                    terms.append(
                        (np.asarray(row)[mine] - g * periods, column[mine], np.full(mine.sum(), value) / most)
                    )
            return rows("groups", periods, terms, str, upper=1.0)

        return build

    for g, name in enumerate(inst.groups.names):
        if np.isfinite(inst.groups.max_units[g]):
            limit = float(inst.groups.max_units[g])
            yield Promise(
                f'group "{name}": at most {limit:,.10g} units',
                f"groups.{name}.max_units",
                without(g, "max_units", np.inf),
                limit,
                measure(g) if limit > 0 else None,
            )
        if inst.groups.min_units[g] > 0:
            yield Promise(
                f'group "{name}": at least {inst.groups.min_units[g]:,.10g} units',
                f"groups.{name}.min_units",
                without(g, "min_units", 0.0),
                float(inst.groups.min_units[g]),
            )


def _routing(inst: Instance) -> Iterator[Promise]:
    def without(w: int, array: str, value: float | bool | int) -> Callable[[Instance], Instance]:
        def change(given: Instance) -> Instance:
            loads = given.workloads
            return replace(
                given, workloads=_with(loads, **{array: _changed(getattr(loads, array), w, value)})
            )

        return change

    loads = inst.workloads
    for w, name in enumerate(loads.names):
        at = f"workloads.{name}.routing"
        if not loads.splittable[w]:
            yield Promise(f'"{name}" is not split', f"{at}.splittable", without(w, "splittable", True))
        if loads.min_providers[w] > 1:
            text = f'"{name}" has at least {loads.min_providers[w]} providers'
            yield Promise(
                text, f"{at}.min_providers", without(w, "min_providers", 1), float(loads.min_providers[w])
            )
        if loads.max_share[w] < 1:
            text = f'no provider carries more than {loads.max_share[w]:.4g} of "{name}"'
            field = f"{at}.max_share_per_provider"
            yield Promise(text, field, without(w, "max_share", 1.0), float(loads.max_share[w]))
    for b in np.flatnonzero(inst.contracts.limited).tolist():
        name = inst.offers.names[inst.contracts.offer[b]]

        def unlimited(given: Instance, b: int = b) -> Instance:
            return replace(
                given, contracts=replace(given.contracts, limited=_changed(given.contracts.limited, b, False))
            )

        yield Promise(
            f'"{name}" is used up to its commitment only', f"offers.{name}.commitment.overage", unlimited
        )


def _policy(inst: Instance) -> Iterator[Promise]:
    policy = inst.policy

    def without(**changes: object) -> Callable[[Instance], Instance]:
        return lambda given: replace(given, policy=_with(given.policy, **changes))

    if np.isfinite(policy.max_spend_usd):
        text = f"the whole plan costs at most {policy.max_spend_usd:,.2f} USD"
        yield Promise(text, "policy.max_spend_usd", without(max_spend_usd=np.inf), policy.max_spend_usd)
    if np.isfinite(policy.max_committed_usd):
        text = f"at most {policy.max_committed_usd:,.2f} USD are committed"
        yield Promise(
            text, "policy.max_committed_usd", without(max_committed_usd=np.inf), policy.max_committed_usd
        )
    if np.isfinite(policy.max_power_kw):
        text = f"at most {policy.max_power_kw:,.10g} kW"
        yield Promise(
            text,
            "policy.max_power_kw",
            without(max_power_kw=np.inf),
            policy.max_power_kw,
            _power(policy.max_power_kw),
        )
    if policy.max_share_per_provider < 1:
        text = f"no provider carries more than {policy.max_share_per_provider:.4g} of all tokens"
        field = "policy.max_share_per_provider"
        yield Promise(text, field, without(max_share_per_provider=1.0), policy.max_share_per_provider)
    if policy.survive_loss_of != "none":
        text = f"the loss of any {policy.survive_loss_of} is survived"
        yield Promise(text, "policy.survive_loss_of", without(survive_loss_of="none"))


def _power(limit: float) -> Measure | None:
    def build(view: View, cols: Columns) -> Rows:
        limited = replace(view.inst, policy=replace(view.inst.policy, max_power_kw=limit))
        made = groups.power(replace(view, inst=limited), cols)
        always = limit - float(made.upper[0])  # what is reserved draws it always
        terms: list[Term] = [(r, c, np.asarray(v) / limit) for r, c, v in made.terms]
        return rows("power", len(made), terms, str, upper=1.0 - always / limit)

    return build if limit > 0 else None
