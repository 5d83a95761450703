"""Reduction by fast forward selection: by hand, against every subset, and its laws."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from campaign import times
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from router.scenarios.reduce import reduce_to


def left(path: np.ndarray, probability: np.ndarray, kept: tuple[int, ...]) -> float:
    """Σ p · distance to the nearest kept, in plain loops."""
    return sum(
        p * min(float(np.abs(row - path[k]).mean()) for k in kept)
        for p, row in zip(probability, path, strict=True)
    )


def test_by_hand() -> None:
    """0, 1 and 11 with 0.6, 0.3, 0.1. Kept alone: 0 leaves 0.3 + 1.1, 1 leaves 0.6 + 1.0, 11 leaves 9.6 -> 0 first.
    Beside it 1 leaves 0.1 · 10, 11 leaves 0.3 · 1 -> 11; 1 gives its 0.3 to 0. Two equal periods change nothing."""
    path = np.array([[0.0, 0.0], [1.0, 1.0], [11.0, 11.0]])
    made = reduce_to(path, np.array([0.6, 0.3, 0.1]), 2)
    assert made.rows.tolist() == [0, 2]
    assert made.probability.tolist() == approx([0.9, 0.1])
    assert made.distance == approx(0.3)


def test_as_many_as_there_are_is_the_identity() -> None:
    path, p = np.array([[1.0], [2.0], [2.0]]), np.array([0.2, 0.3, 0.5])
    for count in (3, 9):
        made = reduce_to(path, p, count)
        assert made.rows.tolist() == [0, 1, 2]
        assert made.probability.tolist() == p.tolist()
        assert made.distance == 0


paths = st.integers(2, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(0, 20), min_size=2, max_size=2), min_size=n, max_size=n),
        st.lists(st.integers(1, 9), min_size=n, max_size=n),
        st.integers(1, n - 1),
    )
)


@settings(max_examples=times(25), deadline=None)
@given(paths)
def test_mass_is_kept_the_distance_is_true_and_never_far_from_the_best(
    case: tuple[list[list[int]], list[int], int],
) -> None:
    rows, weights, count = case
    path = np.array(rows, dtype=float)
    p = np.array(weights) / sum(weights)
    made = reduce_to(path, p, count)
    kept = tuple(made.rows.tolist())
    assert len(set(kept)) == count
    assert made.probability.sum() == approx(1)
    assert made.distance == approx(left(path, p, kept), abs=1e-9)
    best = min(left(path, p, subset) for subset in combinations(range(len(path)), count))
    assert made.distance >= best - 1e-9
    if count == 1:
        assert made.distance == approx(best, abs=1e-9)
    assert reduce_to(path, p, min(count + 1, len(path))).distance <= made.distance + 1e-9


def test_equal_scenarios_merge_without_loss() -> None:
    """Ten scenarios, each three times: ten kept lose nothing, and have the sums of their probabilities."""
    rng = np.random.default_rng(3)
    path = np.repeat(rng.uniform(0, 2, (10, 12)), 3, axis=0)[rng.permutation(30)]
    p = rng.dirichlet(np.ones(30))
    made = reduce_to(path, p, 10)
    assert made.distance == 0
    for k, probability in zip(made.rows, made.probability, strict=True):
        assert probability == approx(p[(path == path[k]).all(axis=1)].sum())
    merged, index = np.unique(path, axis=0, return_inverse=True)
    alone = reduce_to(merged, np.bincount(index.ravel(), weights=p), 4)
    again = reduce_to(path, p, 4)
    assert again.distance == approx(alone.distance)
    assert sorted(again.probability) == approx(sorted(alone.probability))
    assert np.array_equal(np.unique(path[again.rows], axis=0), np.unique(merged[alone.rows], axis=0))


@pytest.mark.parametrize("count", [50, 200])
def test_a_thousand_scenarios_become_few(count: int) -> None:
    path = np.random.default_rng(1).lognormal(0, 0.3, (1000, 12))
    made = reduce_to(path, np.full(1000, 1e-3), count)
    assert len(made.rows) == count
    assert made.probability.sum() == approx(1)
