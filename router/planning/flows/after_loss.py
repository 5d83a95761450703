"""Where work goes when somebody is lost, `policy.survive_loss_of`: flows again, with all else as planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from problems.survival import AfterLoss
from solvers import SolveOptions
from solvers import solve as solve_program

DUST = 1e-9
TOLERANCE = 1e-7  # of a linear program: what is less of a cell is not told from nothing
UNSERVED = 10.0  # times a route that carries nothing yet


def shares_after_loss(
    encoded: Encoded, point: Floats, options: SolveOptions
) -> dict[tuple[int, int], dict[str, float]]:
    """By scenario and flow: its share of the cell when one is lost that carries something of it, by who is lost.

    Of the ways that keep every limit one that leaves as little as it can unserved, and then uses as little as it can of
    what the plan does not. A cell that has nowhere to go has shares of 0 where it was. Where any step of a recipe goes
    elsewhere, or more or less is answered by it, all of the workload and of its recipes is stated.
    """
    if not encoded.after_losses:
        return {}
    point = _least_new(encoded, point, options)
    found: dict[tuple[int, int], dict[str, float]] = {}
    for rest in encoded.after_losses:
        view, cols = encoded.views[rest.view.scenario], encoded.columns[rest.view.scenario]
        planned, after = point[cols.flow], np.zeros(len(view.flows))
        gone = np.isin(view.routes.offer[view.flows.route], rest.loss.offers)
        if not (planned[gone] > DUST).any():
            continue
        after[rest.stays] = _cleaned(rest, np.maximum(point[rest.cols.flow], 0.0))
        differs = np.zeros(len(view.cells), dtype=bool)
        answered = view.answered
        differs[answered[view.flows.cell[np.abs(after - planned) > DUST]]] = True
        differs = differs[answered]
        served = np.zeros(len(view.cells), dtype=bool)
        served[view.flows.cell[after > DUST]] = True
        stated = np.where(served[view.flows.cell], after > DUST, planned > DUST)
        for f in np.flatnonzero(stated & differs[view.flows.cell]).tolist():
            found.setdefault((view.scenario, f), {})[rest.loss.name] = float(after[f])
    return found


def _cleaned(rest: AfterLoss, flow: Floats) -> Floats:
    """Without what a solver's tolerance puts where nothing runs: the other flows of the cell and period have it."""
    flows = rest.view.flows
    n = rest.view.inst.time.periods
    at, kept = flows.cell * n + flows.period, np.where(flow < TOLERANCE, 0.0, flow)
    sums = [np.bincount(at, weights=each, minlength=1)[at] for each in (flow, kept)]
    return np.asarray(np.where(sums[1] > 0, kept * sums[0] / np.where(sums[1] > 0, sums[1], 1.0), flow))


def _least_new(encoded: Encoded, point: Floats, options: SolveOptions) -> Floats:
    """The point with the flows after each loss chosen anew: least unserved, then least on what carries nothing."""
    program, cost = encoded.program, np.zeros(encoded.program.n_columns)
    free = np.zeros(program.n_columns, dtype=bool)
    for rest in encoded.after_losses:
        planned = point[encoded.columns[rest.view.scenario].flow][rest.stays]
        cost[rest.cols.flow] = np.where(planned > DUST, 0.0, 1.0)
        free[rest.cols.flow] = True
        unserved = rest.cols.unserved[rest.cols.unserved >= 0]
        free[unserved], cost[unserved] = True, UNSERVED
        free[rest.follows] = True  # which bands are open stays: those are whole numbers
    at = np.flatnonzero(~free)
    values = np.clip(point[at], program.col_lower[at], program.col_upper[at])
    own = replace(options, native={}, watch=None)
    chosen = solve_program(replace(program.fix(at, values).relax(), cost=cost), "highs", own).point
    return point if chosen is None else chosen
