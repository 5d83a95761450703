"""What rows force: a column at its end, exactly, and no point lost."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from solvers import LinearProgram
from solvers.forced import forced, gates

INF = np.inf


def program(
    rows: list[list[float]], upper: list[float], top: list[float], integer: list[bool]
) -> LinearProgram:
    """rows · x ≤ upper, 0 ≤ x ≤ top."""
    n, m = len(top), len(upper)
    return LinearProgram(
        cost=np.zeros(n),
        matrix=sparse.csr_array(np.array(rows, dtype=float).reshape(m, n)),
        row_lower=np.full(m, -INF),
        row_upper=np.array(upper, dtype=float),
        col_lower=np.zeros(n),
        col_upper=np.array(top, dtype=float),
        integer=np.array(integer, dtype=bool),
    )


def test_nothing_goes_through_what_is_not_rented() -> None:
    """1e-9 · flow ≤ count − boots and boots ≥ count: with count = 0 nothing is left, with count = 1 neither."""
    rows = [[1e-9, -1.0, 1.0], [0.0, 1.0, -1.0]]  # flow, count, boots
    for count in (0.0, 1.0):
        held = program(rows, [0.0, 0.0], [1.0, 1.0, INF], [False, True, False]).fix([1], [count])
        found = forced(held)
        assert found.upper[0] == 0.0
        assert found.through(np.array([1e-9, count, count])).tolist() == [0]


def test_whole_columns_that_close_the_way_are_found_through_others() -> None:
    """flow ≤ count ≤ 2 · open: the flow is closed by `open`, which the count stands between."""
    whole = program([[1.0, -1.0, 0.0], [0.0, 1.0, -2.0]], [0.0, 0.0], [1.0, 2.0, 1.0], [False, False, True])
    found = forced(whole.fix([2], [0.0]))
    assert found.upper.tolist() == [0.0, 0.0, 0.0]
    assert gates(whole, found, 0).tolist() == [2]


coefficient = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 3.0])


@given(
    rows=st.lists(st.lists(coefficient, min_size=3, max_size=3), min_size=1, max_size=4),
    upper=st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), min_size=4, max_size=4),
    top=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=3, max_size=3),
)
def test_no_point_is_lost(rows: list[list[float]], upper: list[float], top: list[float]) -> None:
    """Every whole point of the program is within the bounds that are forced, by trying all of them."""
    made = program(rows, upper[: len(rows)], top, [False] * 3)
    found = forced(made)
    for point in product(*(range(int(high) + 1) for high in top)):
        x = np.array(point, dtype=float)
        if (made.matrix @ x <= made.row_upper).all():
            assert (found.lower <= x).all()
            assert (x <= found.upper).all()
