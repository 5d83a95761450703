"""Which promises the running plan breaks under new data, and by how much.

Routes that can no longer be used, workloads that it does not know and work that now spills with no route to take it are
named outright. For the rest its shares and counts are put into the new problem as a plan, and the independent check
says what does not hold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.columns import Columns
from problems.core.encode import Encoded
from problems.core.view import View
from problems.spilling import SpillLimits
from router.loading.fingerprint import problem_sha256
from router.normalise.recipes import part_name
from router.plan.running import Break, Running
from router.planning.decode import decode, refused_rows
from router.planning.minutes.quota_rows import quota_rows
from router.planning.publish import draft
from router.schema import Problem
from router.verification import verify

SPILLS = 1e-9  # share of a cell that is rounding
NOT_PROMISES = {"cost", "cost_lines", "bound", "problem", "fields", "refused", "scenarios", "churn"}


def breaks(problem: Problem, encoded: Encoded, running: Running) -> tuple[Break, ...]:
    """What is broken; at least one, for a running plan that cannot go on."""
    broken = [*_gone(encoded, running), *_unknown(encoded, running)]
    if not broken:
        point = _as_it_runs(encoded)
        broken = [*_untaken(encoded, point), *_checked(problem, encoded, running, point)]
    return tuple(broken) or (Break("limits", "going on as it runs does not keep all of them together", 1.0),)


def _gone(encoded: Encoded, running: Running) -> list[Break]:
    """Routes that carry something and are not offered any more, or refused now."""
    inst, view = encoded.instance, encoded.views[0]
    routes = view.routes
    usable = {
        (inst.workloads.names[w], inst.offers.names[o], inst.models.names[m])
        for w, o, m in zip(routes.workload, routes.offer, routes.model, strict=True)
    }
    why = {
        (part_name(row.workload, row.origin, row.recipe, row.step), row.offer, row.model): ", ".join(
            row.reasons
        )
        for row in refused_rows(encoded)
    }
    worst: dict[tuple[str, str, str], float] = {}
    for row in running.shares:
        key = (row.workload, row.offer, row.model)
        if key not in usable and row.share > 0:
            worst[key] = max(worst.get(key, 0.0), row.share)
    rows = []
    for key, share in worst.items():
        workload, offer, model = key
        now = f"is refused now: {why[key]}" if key in why else "is gone"
        carries = f'{offer} with {model} carries up to {share:.3g} of "{workload}"'
        rows.append(Break("admissibility", f"{carries} and {now}", share))
    return rows


def _unknown(encoded: Encoded, running: Running) -> list[Break]:
    """Workloads with demand that the running plan does not serve at all."""
    view, cols = encoded.views[0], encoded.columns[0]
    known = {row.workload for row in running.shares}
    needed = view.cells.workload[np.flatnonzero(cols.unserved < 0)]
    needed = needed[view.inst.workloads.steps[needed] < 0]  # a recipe need not be there
    names = [view.inst.workloads.names[w] for w in np.unique(needed)]
    return [
        Break("demand", f'"{name}" is new: nothing serves it', 1.0) for name in names if name not in known
    ]


def _untaken(encoded: Encoded, point: Floats) -> list[Break]:
    """Work that spills where the running plan has no route that takes it."""
    view, cols = encoded.views[0], encoded.columns[0]
    changes, routes, names = cols.changes, view.routes, encoded.instance.workloads.names
    if view.inst.spilling is None or changes is None:
        return []
    takes = ~view.inst.spilling.offer[routes.offer[changes.route]]
    taken = set(changes.cell[takes].tolist())
    worst: dict[tuple[str, str], tuple[float, int]] = {}
    for f in np.flatnonzero(cols.spilled >= 0).tolist():
        cell, refused = int(view.flows.cell[f]), float(point[cols.spilled[f]])
        if refused > SPILLS and cell not in taken:
            offer = encoded.instance.offers.names[routes.offer[view.flows.route[f]]]
            key = names[view.cells.workload[cell]], offer
            worst[key] = max(worst.get(key, (0.0, 0)), (refused, int(view.flows.period[f])))
    return [
        Break(
            "spilling",
            f'{share:.3g} of "{workload}" spills from {offer} in period {period}, and no route that runs takes it',
            share,
        )
        for (workload, offer), (share, period) in worst.items()
    ]


def _checked(problem: Problem, encoded: Encoded, running: Running, point: Floats) -> list[Break]:
    """The failed checks of the running shares and counts as a plan of the new problem."""
    decoded = decode(encoded, point)
    plan = draft(problem, encoded.instance.time, decoded)
    _, minutes = quota_rows(problem, encoded.views, decoded.routes)
    plan = replace(plan, problem_sha256=problem_sha256(problem), running=running, minutes=minutes)
    verdict = verify(problem, plan)
    return [
        Break(check.name, check.detail, check.worst)
        for check in verdict.checks
        if not check.ok and check.name not in NOT_PROMISES
    ]


def _as_it_runs(encoded: Encoded) -> Floats:
    """A point with the running shares and counts, whatever rows it breaks; work that may move is spread evenly."""
    view, cols = encoded.views[0], encoded.columns[0]
    running, changes, fleets = encoded.instance.running, cols.changes, encoded.instance.fleets
    point = encoded.program.col_lower.copy()
    if running is None or changes is None:
        return point
    share = {
        (int(c), int(r)): float(s) for c, r, s in zip(changes.cell, changes.route, changes.share, strict=True)
    }
    pairs = list(zip(view.flows.cell.tolist(), view.flows.route.tolist(), strict=True))
    slots: dict[tuple[int, int], int] = {}
    for pair in pairs:
        slots[pair] = slots.get(pair, 0) + 1
    point[cols.flow] = [share.get(pair, 0.0) / slots[pair] for pair in pairs]
    for q in range(fleets.pools):
        least, step = fleets.pool_min[q], fleets.pool_step[q]
        ahead = cols.first.ahead.count[q, 0] >= 0
        counts = cols.first.ahead if ahead else cols.counts
        for t in range(1 if ahead else encoded.instance.time.periods):
            count = running.count[q, t]
            point[counts.count[q, t]] = count
            point[counts.paid[q, t]] = max(count - fleets.reserved[fleets.pool_fleet[q], t], 0.0)
            if counts.open[q, t] >= 0:
                point[counts.open[q, t]] = float(count > 0)
            if counts.steps[q, t] >= 0:
                above = count - (least if counts.open[q, t] >= 0 else 0.0)
                point[counts.steps[q, t]] = max(above, 0.0) / max(step, 1e-12)
    _spill(view, cols, point)
    return point


def _spill(view: View, cols: Columns, point: Floats) -> None:
    """Of what is sent to a limit that spills, what does not fit when it comes goes to those that take it."""
    if view.inst.spilling is None or cols.changes is None:
        return
    limits, sent = SpillLimits(view), point[cols.flow]
    for limit in limits.all:
        still = cols.spilled[limit.flows] >= 0
        own = limit.flows[still]
        carried = limit.by_turn(sent[limit.flows], limits.amounts(limit, point, cols))[still]
        point[cols.spilled[own]], point[cols.flow[own]] = sent[own] - carried, carried
    refused, cell = np.zeros(len(view.cells)), view.flows.cell
    some, takes = np.flatnonzero(cols.spilled >= 0), np.flatnonzero(cols.changes.taken >= 0)
    np.add.at(refused, cell[some], point[cols.spilled[some]])
    weight = np.maximum(sent[takes], 1e-12)
    part = weight / np.bincount(cell[takes], weight, minlength=len(refused))[cell[takes]]
    point[cols.changes.taken[takes]] = part * refused[cell[takes]]
    point[cols.flow[takes]] += part * refused[cell[takes]]
