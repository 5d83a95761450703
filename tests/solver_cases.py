"""Programs with known answers, shared by the tests of `solvers`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from solvers import LinearProgram

INF = np.inf


def program(
    cost: ArrayLike,
    rows: ArrayLike,
    row_lower: ArrayLike,
    row_upper: ArrayLike,
    *,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    integer: ArrayLike | None = None,
    offset: float = 0.0,
    **more: object,
) -> LinearProgram:
    """A program from dense rows; columns are ≥ 0 and continuous unless said otherwise."""
    cost = np.asarray(cost, dtype=float)
    n = cost.size
    matrix = np.asarray(rows, dtype=float).reshape(-1, n) if n else np.zeros((np.size(row_lower), 0))
    return LinearProgram(
        cost=cost,
        matrix=matrix,
        row_lower=np.asarray(row_lower, dtype=float),
        row_upper=np.asarray(row_upper, dtype=float),
        col_lower=np.zeros(n) if lower is None else np.asarray(lower, dtype=float),
        col_upper=np.full(n, INF) if upper is None else np.asarray(upper, dtype=float),
        integer=np.zeros(n, dtype=bool) if integer is None else np.asarray(integer, dtype=bool),
        offset=offset,
        **more,  # type: ignore[arg-type]
    )


def diet() -> LinearProgram:
    """min 3x + 2y,  x + y ≥ 4 (y1),  x + 3y ≥ 6 (y2),  x ≤ 3 (y3, as a row).

    At (0, 4): 8. At (3, 1): 11. At (1.5, 2.5)... x costs more than y in every row, so x = 0, y = 4 > 2:
    the first row is active with dual 2, x's reduced cost is 3 − 2 = 1.
    """
    return program([3, 2], [[1, 1], [1, 3], [1, 0]], [4, 6, -INF], [INF, INF, 3])


def instances() -> LinearProgram:
    """min 3.5 k + 1.2 z,  2500 k + 900 z ≥ 10,000,  k and z whole.

    k leaves ceil((10,000 − 2,500 k) / 900) of z:   k     0     1     2     3     4
                                                        14.4  14.3  14.2  14.1  14.0  <- best
    The relaxation takes 11.1 z for 13.33, which rounds up to 14.4.
    """
    return program([3.5, 1.2], [[2500, 900]], [10_000], [INF], integer=[True, True])


def market_split(seed: int = 1, rows: int = 5, columns: int = 50) -> LinearProgram:
    """Cornuéjols and Dawande 1998: 0-1 equalities that branch and bound cannot settle for hours."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(1, 100, size=(rows, columns)).astype(float)
    half = np.floor(matrix.sum(axis=1) / 2)
    return program(
        np.zeros(columns), matrix, half, half, upper=np.ones(columns), integer=np.ones(columns, dtype=bool)
    )


def hard_knapsack(seed: int = 2, rows: int = 20, columns: int = 200) -> LinearProgram:
    """Many dense knapsack rows: a point at once (zero is one), a proof not within minutes."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(1, 1000, size=(rows, columns)).astype(float)
    return program(
        -rng.integers(500, 1500, size=columns).astype(float),
        matrix,
        np.full(rows, -INF),
        np.floor(matrix.sum(axis=1) / 2),
        upper=np.ones(columns),
        integer=np.ones(columns, dtype=bool),
    )


def large_lp(seed: int = 3, rows: int = 1500, columns: int = 1500) -> LinearProgram:
    """A covering LP that takes seconds, and whose starting point is not feasible."""
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((rows, columns)) < 0.2, rng.random((rows, columns)), 0.0)
    return program(1.0 + rng.random(columns), matrix, 1.0 + rng.random(rows), np.full(rows, INF))


def lost_by_presolve() -> LinearProgram:
    """min x0 of whole x0, x6, x13, x14, made small from a sizing problem: all zero but x11 = x12 = 1 costs nothing.

    HiGHS 1.15.1's presolve left nothing of it and said 1 (issue 3274). Every row is needed for that.
    """
    rows: list[tuple[dict[int, float], float, float]] = [
        ({6: 1, 8: -1}, 0, INF),
        ({6: 1, 8: -1}, -INF, 1),
        ({0: -1, 7: 1}, 0, 0),
        ({0: -1, 8: 1}, 0, 0),
        ({1: -0.4}, 0, INF),
        ({2: -0.4}, 0, INF),
        ({9: 1, 11: 1}, 1, 1),
        ({10: 1, 12: 1}, 1, 1),
        ({10: 8.3, 14: -1}, -INF, 0),
        ({13: 1, 15: -1}, 0, INF),
        ({14: 1, 16: -1}, 0, INF),
        ({13: 1, 15: -1}, -INF, 1),
        ({14: 1, 16: -1}, -INF, 1),
        ({0: -1, 15: 1}, 0, 0),
        ({0: -1, 16: 1}, 0, 0),
    ]
    dense = np.zeros((len(rows), 17))
    for i, (row, _, _) in enumerate(rows):
        dense[i, list(row)] = list(row.values())
    upper = np.full(17, INF)
    upper[16] = 9
    return program(
        np.eye(17)[0],
        dense,
        [low for _, low, _ in rows],
        [high for _, _, high in rows],
        upper=upper,
        integer=np.isin(np.arange(17), [0, 6, 13, 14]),
    )
