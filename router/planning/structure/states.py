"""How cheap plans can be of pools whose states hang together in time: what runs starts, boots, or is bought for a term.

A relaxation over states (`solvers.staged`), where contracts and bands that no cheaper plan has are ruled out first
(`solvers.narrowed`). It bounds alone: a search on so many columns would take too long.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np

from problems.core.each_instance import levels_of
from problems.core.encode import Encoded
from problems.core.steps import steps_of
from solvers import SolveOptions, Stop, solve
from solvers.narrowed import decided, undecided
from solvers.staged import StatePool, with_states

MOST_INSTANCES = 4  # of a pool
MOST_COLUMNS = 50_000
RULED_OUT = 40  # times as many there would be if rows ruled out no arc
MOST_PERIODS = 200
MOST_MEMORY = 2
MOST_DECISIONS = 400
INTERIOR = {"solver": "ipm", "run_crossover": "off"}
SAFE = 1e-6  # of the bound, that an interior point may be off


def bound_of_states(encoded: Encoded, cost: float, options: SolveOptions) -> float | None:
    """No plan costs less than this, or than `cost`; None where no pool has such states, or no time is left."""
    program, pools = encoded.program, state_pools(encoded)
    if not pools or options.late:
        return None
    step, told = steps_of(encoded), np.unique(np.concatenate([pool.columns.ravel() for pool in pools]))
    decisions = np.setdiff1d(np.flatnonzero(program.integer & (step < 0)), told)
    lower, upper = (ends[decisions] for ends in program.whole_bounds)
    decisions = decisions[(lower == 0) & (upper == 1)]
    within = decided(program, decisions[:MOST_DECISIONS], cost, options)
    small, at, rest = undecided(program, within, told)
    place = np.full(program.n_columns, -1)
    place[at] = np.arange(len(at))
    placed = [replace(pool, columns=place[pool.columns]) for pool in pools]
    for memory in _memories(placed, small.n_columns, len(pools[0].columns)):
        some = [replace(pool, memory=m) for pool, m in zip(placed, memory, strict=True)]
        wide = with_states(small, step[at], some, MOST_COLUMNS)
        if wide is not None:
            relaxed = solve(wide.relax(), "highs", replace(options, native=INTERIOR, watch=None))
            if relaxed.stop is not Stop.OPTIMAL or relaxed.objective is None:
                return None
            bound = float(relaxed.objective) - small.offset + rest
            return bound - SAFE * abs(bound)
    return None


def state_pools(encoded: Encoded) -> list[StatePool]:
    """Few whole instances, counted by the period, that start or are bought by the period."""
    if len(encoded.views) > 1:
        return []
    (view,), (cols,), program = encoded.views, encoded.columns, encoded.program
    inst, found, periods = view.inst, list[StatePool](), view.inst.time.periods
    _, upper = program.whole_bounds
    for q, count in enumerate(cols.counts.count if periods <= MOST_PERIODS else ()):
        whole = len(set(count.tolist())) == periods and program.integer[count].all()
        if not whole or not 1 <= upper[count].max() <= MOST_INSTANCES:
            continue
        levels, bought = levels_of(inst, q, int(upper[count].max())), cols.first.bought[q]
        if len(bought) == periods and (bought >= 0).all() and upper[bought].max() <= MOST_INSTANCES:
            values = np.array(list(product(levels, range(int(upper[bought].max()) + 1))))
            found.append(StatePool(np.stack([count, bought], axis=1), values, 1))
        elif (cols.started[q] >= 0).all():
            found.append(StatePool(count[:, None], np.array(levels)[:, None], 1))
    return found


def _memories(pools: list[StatePool], columns: int, periods: int) -> list[tuple[int, ...]]:
    """How far each pool looks back, the farthest first, of what may be small enough."""
    each = columns / periods + len(pools)

    def size(memory: tuple[int, ...]) -> float:
        arcs: int = prod(len(pool.values) ** (m + 1) for pool, m in zip(pools, memory, strict=True))
        return arcs * each * periods

    every = product(range(MOST_MEMORY, -1, -1), repeat=len(pools))
    few = [memory for memory in every if any(memory) and size(memory) <= RULED_OUT * MOST_COLUMNS]
    return sorted(few, key=size, reverse=True)
