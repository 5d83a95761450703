"""Instances as arrays: what may be rented, reserved and bought in each period, at which rent, and pools."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Bools, Floats
from problems.core.instance import Instance, Time
from problems.core.stretches import AT_ONCE, least
from problems.core.supply import Fleets, Offers
from router.errors import InputError
from router.loading.catalogue import input_issue
from router.normalise.columns import flags, floats, whole
from router.normalise.offers import or_else
from router.normalise.roles import role_of
from router.normalise.schedule import Timetable
from router.schema import Problem, Slo
from router.schema.schedule import RoleTerms

NEAR_H = 1e-9


def fleets(problem: Problem, offers: Offers, time: Time, rules: Timetable) -> Fleets:
    """Countable capacity and its pools: one per model, or one for all models of the offer."""
    model_index = {name: m for m, name in enumerate(problem.models)}
    owners = [o for o, offer in enumerate(problem.offers) if offer.instances is not None]
    rows = [offer.instances for offer in problem.offers if offer.instances is not None]
    pools = [
        (f, model)
        for f, (o, fleet) in enumerate(zip(owners, rows, strict=True))
        for model in (
            [NONE] if fleet.shared_by_models else [model_index[m] for m in problem.offers[o].models]
        )
    ]
    names = list(problem.models)
    grids = [problem.offers[owners[f]].grid_of(None if m == NONE else names[m]) for f, m in pools]
    owner, hours = whole(owners), time.period_h

    roles = [role_of(offers, o) for o in owners]

    def figures(field: str, *, dated: bool = False) -> Floats:
        """(F, J) as rules have them; of one half of replicas they stand in its role."""
        halves = field in RoleTerms.model_fields
        keys = [
            (o, ("instances", "roles", role, field) if halves and role else ("instances", field))
            for o, role in zip(owners, roles, strict=True)
        ]
        return rules.figures(keys, floats(rows, field), dated=dated)

    is_open, is_due = offers.open[owner], due(offers, time)[owner]
    usd_per_h, power = floats(rows, "usd_per_h"), floats(rows, "power_kw")
    stated = or_else(floats(rows, "reserved_usd_per_h"), usd_per_h)  # what is reserved keeps its price
    held = figures("reserved") * is_due
    termed = np.array([fleet.term_hours is not None for fleet in rows], dtype=bool)[:, None]
    drawn = (
        np.where(termed, is_due, is_open) * rules.energy_usd
    )  # in a gap what is bought for a term is paid on
    starts = [set(fleet.starts_h(problem.horizon.hours, problem.horizon.period_h)) for fleet in rows]
    buy_h = sorted(set().union(*starts))
    return Fleets(
        offer=owner,
        usd_per_h=usd_per_h,
        bought_usd_per_h=time.by_period(figures("usd_per_h", dated=True) * rules.dated_factor[owner]),
        rent_usd=time.by_period(figures("usd_per_h") * rules.factor[owner] * is_open) * hours,
        energy_usd=time.by_period(drawn) * power[:, None] * hours,
        max=least_in(figures("max"), is_open, time),
        integral=flags(rows, "integral"),
        horizon=flags(rows, "resize", "horizon"),
        reserved=least_in(figures("reserved"), is_open, time),
        reserved_usd=time.by_period(held) * stated[:, None] * hours,
        reserved_energy_usd=time.by_period(held * rules.energy_usd) * power[:, None] * hours,
        pooled=np.array([problem.offers[o].bought_off_grid for o in owners], dtype=bool),
        term_h=np.array([fleet.term_hours or 0.0 for fleet in rows], dtype=float),
        upfront_usd=floats(rows, "upfront_usd"),
        units=floats(rows, "units"),
        memory_gb=floats(rows, "memory_gb"),
        start_usd=floats(rows, "start_usd"),
        start_h=floats(rows, "start_h"),
        min_up_h=floats(rows, "min_up_h"),
        availability=figures("availability"),
        max_utilisation=floats(rows, "max_utilisation"),
        adapter_slots=floats(rows, "adapter_slots"),
        power_kw=power,
        closes_h=offers.closes_h[owner],
        buy_h=np.array(buy_h, dtype=float),
        may_buy=np.array(
            [
                [hour in own and opens - NEAR_H <= hour < closes - NEAR_H for hour in buy_h]
                for own, opens, closes in zip(
                    starts, offers.opens_h[owner], offers.closes_h[owner], strict=True
                )
            ],
            dtype=bool,
        ).reshape(len(rows), len(buy_h)),
        pool_fleet=whole(f for f, _ in pools),
        pool_model=whole(model for _, model in pools),
        pool_min=np.array([grid.least for grid in grids], dtype=float),
        pool_step=np.array([grid.step for grid in grids], dtype=float),
    )


def refuse_parts_of_changing_periods(problem: Problem, inst: Instance) -> None:
    """Raise `InputError` for work that may run in a part of a period, where what serves changes and users wait.

    A wait is judged at a rate that is even over the open hours of a period, and in the hour in which least serves.
    """
    time, offers, cells = inst.time, inst.offers, inst.cells
    serving = np.where(offers.open[inst.fleets.offer], inst.fleets.availability, 0.0)  # (F, J)
    changes = changes_within(serving, time) & np.isinf(inst.fleets.max_utilisation)
    waiting = {name for load in problem.workloads if _may_wait(load.slo) for name in load.models}
    partial = cells.workload[cells.slot_cell[(cells.slot_from > 0.0) | (cells.slot_to < 1.0)]]
    hint = (
        "periods in which it does not change, or instances.max_utilisation in place of the waiting-time rule"
    )
    text = (
        "opens, closes or changes availability within a period, beside waiting times and work that may run in a part "
        "of a period: at which rate it comes then is not said"
    )
    issues = [
        input_issue(problem, ("offers", o, "schedule"), None, text, hint)
        for o in inst.fleets.offer[changes].tolist()
        if waiting & problem.offers[o].models.keys() and inst.workloads.permitted[partial, o].any()
    ]
    if issues:
        raise InputError(issues)


def changes_within(figure: Floats, time: Time) -> Bools:
    """(n,) which of (n, J) figures by stretch change within a period."""
    edge = time.edge_h[1:-1] / time.period_h
    inside = np.abs(edge - np.round(edge)) * time.period_h > AT_ONCE
    return np.asarray(((figure[:, 1:] != figure[:, :-1]) & inside).any(axis=1))


def _may_wait(slo: Slo) -> bool:
    """Whether a promise is on the first token or the whole request."""
    return any(name.startswith(("ttft_", "request_")) for name in slo.model_dump(exclude_none=True))


def due(offers: Offers, time: Time) -> Bools:
    """(O, J) stretches in which something of an offer is due: it has opened, and not closed for good."""
    middle = (time.edge_h[:-1] + time.edge_h[1:]) / 2
    return np.asarray((middle > offers.opens_h[:, None]) & (middle < offers.closes_h[:, None]))


def least_in(value: Floats, is_open: Bools, time: Time) -> Floats:
    """(F, T) the least of a figure while the offer is open in a period; where it never is, the least at all."""
    ends = time.start_h, time.start_h + time.period_h
    low = least(time.edge_h, np.where(is_open, value, np.inf), *ends)
    opens = least(time.edge_h, np.where(is_open, -1.0, 0.0), *ends) < 0
    return np.where(opens, low, least(time.edge_h, value, *ends))
