"""What rows force: a column at its end, exactly, and no point lost."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from solvers import LinearProgram
from solvers.forced import forced, gates, held_out

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


def test_a_row_of_tiny_numbers_is_broken_all_the_same() -> None:
    """A share of at most 0.7 where one provider has all: 0.3 of a load of 5e-10, and of one that need not be served.

    Nothing is left for either; that the tiny one must be served, or half of it, is a row that nothing keeps.
    """
    rows = [[1.5e-10, 0.3], [-1.0, 0.0]]  # tiny, large
    for least, broken in ((1.0, [1]), (0.5, [1]), (0.0, [])):
        shares = program(rows, [0.0, -least], [1.0, 1.0], [False, False])
        assert forced(shares).broken(shares).tolist() == broken


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
            assert not len(found.broken(made))


@given(
    rows=st.lists(st.lists(coefficient, min_size=6, max_size=6), min_size=1, max_size=8),
    upper=st.lists(st.sampled_from([0.0, 0.0, 1.0]), min_size=8, max_size=8),
    top=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=6, max_size=6),
)
def test_a_second_look_forces_nothing_more(
    rows: list[list[float]], upper: list[float], top: list[float]
) -> None:
    """Rows are looked at again only where a column of theirs has moved: a look at all of them finds nothing missed."""
    found = forced(made := program(rows, upper[: len(rows)], top, [False] * 6))
    again = forced(found.applied(made))
    assert again.lower.tolist() == found.lower.tolist()
    assert again.upper.tolist() == found.upper.tolist()


@given(
    st.lists(st.lists(st.integers(-2, 3), min_size=4, max_size=4), min_size=1, max_size=4),
    st.lists(st.integers(0, 6), min_size=4, max_size=4),
    st.lists(st.integers(0, 2), min_size=2, max_size=2),
)
def test_what_is_held_out_leaves_the_same_points(
    rows: list[list[int]], upper: list[int], values: list[int]
) -> None:
    """Four whole columns of at most two, the first two held: the points of all rows are those without these."""
    whole = program(
        [[float(a) for a in row] for row in rows],
        [float(b) for b in upper[: len(rows)]],
        [2.0] * 4,
        [True] * 4,
    )
    held = whole.fix([0, 1], values)
    left = held_out(held)
    fixed = left.col_lower == left.col_upper
    assert fixed[:2].all()
    assert not left.matrix.toarray()[:, fixed].any()
    for rest in product(range(3), repeat=2):
        point = np.array([*values, *rest], dtype=float)
        inside = bool((held.matrix @ point <= held.row_upper).all())
        within = bool((left.col_lower <= point).all() and (point <= left.col_upper).all())
        assert inside == (within and bool((left.matrix @ point <= left.row_upper).all()))
