"""Waiting formulas against printed tables, textbook examples and closed forms, and the laws they must keep."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from campaign import times
from hypothesis import given, settings
from hypothesis import strategies as st

from problems.core.arrays import PERCENTILES
from problems.physics.queueing import erlang_c, largest_load, waits_s
from problems.physics.waiting import Mix

MEAN, P50, P90, P95, P99 = range(5)


def c_of(servers: float, load: float) -> float:
    return float(erlang_c(np.asarray(float(servers)), np.asarray(float(load))))


def waits(servers: float, load: float, service_s: float = 1.0, variability: float = 1.0) -> np.ndarray:
    return waits_s(*map(np.asarray, (float(servers), float(load), service_s, variability)))


PRINTED = [
    # Hillier and Lieberman, Introduction to Operations Research, County Hospital example (a = 2/3): P(W > 0)
    (1, 2 / 3, 0.667, 5e-4),
    (2, 2 / 3, 0.167, 5e-4),
    # Gross and Harris, Fundamentals of Queueing Theory, eye clinic (6 an hour, 20 minutes, 3 doctors): 4/9
    (3, 2.0, 4 / 9, 1e-12),
    # Tijms, A First Course in Stochastic Models (120 an hour, 3 minutes, 10 assistants): "about 0.10"
    (10, 6.0, 0.10, 5e-3),
    # Dunlop, Girma and Irvine, Digital Mobile Communications and the TETRA System, table C (Erlang C): at 5 % and 1 %
    (8, 3.87, 0.05, 2e-3),
    (10, 4.08, 0.01, 5e-4),
    # the value commonly quoted for 10 servers and 7 erlangs; exact below
    (10, 7.0, 0.2217, 5e-5),
    # large pools, as printed to four digits in the tests of public staffing programs
    (132, 123.0, 0.3211, 5e-5),
    (12421, 12345.0, 0.3812, 5e-5),
]


@pytest.mark.parametrize(("servers", "load", "printed", "digits"), PRINTED)
def test_erlang_c_as_printed(servers: int, load: float, printed: float, digits: float):
    assert c_of(servers, load) == pytest.approx(printed, abs=digits)


def by_definition(servers: int, load: Fraction) -> Fraction:
    """(a^c/c! · c/(c−a)) / (Σ_(k<c) a^k/k! + the same), in whole numbers."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


@settings(max_examples=times(40), deadline=None)
@given(
    servers=st.integers(1, 120), part=st.fractions(Fraction(1, 100), Fraction(99, 100), max_denominator=100)
)
def test_erlang_c_is_its_definition(servers: int, part: Fraction):
    exact = by_definition(servers, part * servers)
    assert c_of(servers, float(part * servers)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("used", [0.3, 0.7, 0.95])
def test_one_server_waits_as_m_m_1_and_m_d_1_do(used: float):
    """M/M/1: ρ/(1 − ρ) · S; M/D/1 half of it (Pollaczek and Khinchine); M/M/1 percentiles S/(1 − ρ) · ln(ρ/(1 − p))."""
    assert waits(1, used)[MEAN] == pytest.approx(used / (1 - used))
    assert waits(1, used, variability=0.5)[MEAN] == pytest.approx(used / (2 * (1 - used)))
    for p, level in ((P50, 0.5), (P90, 0.9), (P99, 0.99)):
        assert waits(1, used)[p] == pytest.approx(max(math.log(used / (1 - level)) / (1 - used), 0.0))


def test_textbook_waits():
    """County Hospital: Wq 2/3 h with one doctor, 1/24 h with two, P(Wq > 1/2 h) 0.404 and 0.022 (S = 1/3 h).

    Eye clinic: Wq = 4/27 h.
    """
    assert waits(1, 2 / 3, 1 / 3)[MEAN] == pytest.approx(2 / 3)
    assert waits(2, 2 / 3, 1 / 3)[MEAN] == pytest.approx(1 / 24)
    for servers, beyond in ((1, 0.404), (2, 0.022)):
        assert c_of(servers, 2 / 3) * math.exp(-(servers - 2 / 3) * 3 * 0.5) == pytest.approx(
            beyond, abs=1e-3
        )
    assert waits(3, 2.0, 1 / 3)[MEAN] == pytest.approx(4 / 27)


def test_edges():
    assert c_of(5, 0) == 0
    assert c_of(5, 5) == c_of(5, 9) == c_of(0, 0.5) == 1
    assert np.isinf(waits(5, 5)).all()
    assert (waits(5, 0) == 0).all()
    assert (waits(200_000, 100_000) == 0).all()
    assert waits(1, 0.4)[P50] == 0  # six of ten do not wait at all


@settings(max_examples=times(80), deadline=None)
@given(
    servers=st.integers(1, 3000),
    used=st.floats(0.01, 0.99),
    service=st.floats(0.001, 100),
    variability=st.floats(0.0, 20),
)
def test_more_work_waits_longer_and_more_servers_less(
    servers: int, used: float, service: float, variability: float
):
    load = servers * used
    here = waits(servers, load, service, variability)
    eps = 1e-9 * service * max(variability, 1e-3) / (servers - load)
    assert (waits(servers, load * 1.005, service, variability) >= here - eps).all()
    assert (waits(servers + 1, load, service, variability) <= here + eps).all()
    assert (np.diff(here[1:]) >= 0).all()
    assert waits(servers, load, 2 * service, variability) == pytest.approx(2 * here)
    assert waits(servers, load, service, 3 * variability) == pytest.approx(3 * here)


@settings(max_examples=times(60), deadline=None)
@given(
    servers=st.integers(1, 3000),
    service=st.floats(0.01, 10),
    variability=st.floats(0.05, 10),
    p=st.sampled_from(range(len(PERCENTILES))),
    budget=st.floats(0.001, 100),
    margin=st.sampled_from([0.0, 0.5, 3.0]),
)
def test_the_largest_load_just_keeps_the_budget(
    servers: int, service: float, variability: float, p: int, budget: float, margin: float
):
    budgets = np.full(5, np.inf)
    budgets[p] = budget
    load = float(largest_load(*map(np.asarray, (servers, service, variability)), budgets, margin))
    assert 0 <= load < servers
    assert waits(servers, load, service, variability)[p] * (1 + margin) <= budget * (1 + 1e-9)
    more = min(load * (1 + 1e-6) + 1e-9, servers * (1 - 1e-12))
    if more > load:
        assert waits(servers, more, service, variability)[p] * (1 + margin) >= budget * (1 - 1e-6)


def test_a_pool_without_promises_may_be_used_in_full():
    free = np.full(5, np.inf)
    assert largest_load(np.array([0.0, 1.0, 7.0]), np.ones(3), np.ones(3), free, 0.0).tolist() == [0, 1, 7]


def test_large_pools_are_used_better():
    """cap(n)/n grows with n, up to 1: what the bound of pools without a region rests on."""
    mix = Mix(2.0, 0.5, 4.0, np.array([np.inf, np.inf, np.inf, np.inf, 1.0]))
    counts = np.arange(1.0, 200.0)
    use = mix.caps(counts) / counts
    assert (np.diff(use) > 0).all()
    assert use[-1] < 1
    assert (np.diff(mix.caps(counts), 2) > -1e-9).all()  # convex in the count


def test_a_strict_mean_leaves_nothing():
    mix = Mix(1.0, 1.0, 1.0, np.array([0.0, np.inf, np.inf, np.inf, np.inf]))
    assert mix.caps(np.array([10.0]))[0] == pytest.approx(0.0, abs=1.0)
    assert mix.waits(10.0, float(mix.caps(np.array([10.0]))[0]))[MEAN] == pytest.approx(0.0, abs=1e-300)
