"""Everybody agrees on random problems over all fields: the plan, its bound, other solvers, readers of their own.

For more: `CAMPAIGN=60 pytest tests/test_agreement.py`, or `python tests/campaigns/agreement.py`.
"""

from __future__ import annotations

import pytest
from campaign import times
from campaigns.agreement import campaign, drawn
from market_model import Unknown, optimum
from problem_factory import api, gpu, hourly, problem


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_nobody_has_another_optimum(first: int) -> None:
    """300 seeds: all fields, those that the third reading knows, those of brute force, thirty of sizing."""
    figures = campaign(times(30), first)
    assert figures.faults == []
    assert figures.ends["pulp:COIN_CMD: agrees"] >= times(30) * 0.4
    assert figures.ends["third reading: compared"] >= times(30) * 0.1


def test_the_third_reading_refuses_what_it_does_not_know() -> None:
    data = problem([hourly(1e6)], [api("a", 1)], policy={"survive_loss_of": "offer"})
    data["horizon"]["start"] = "2026-12-01T00:00:00"
    with pytest.raises(Unknown, match=r"policy\.survive_loss_of"):
        optimum(data)


def test_the_third_reading_by_hand() -> None:
    """An hour at 3, 40 % off what is committed to, up to 1.2 USD: 2 of list are paid so. Two instances carry 2 M at 1,
    and the API the third M."""
    terms = {"name": "plan", "offers": ["own"], "discount": 0.4, "settled": "hour", "max_usd": 1.2}
    own = gpu("own", 1, 1, max=4, max_utilisation=1.0)
    data = problem([hourly(3e6)], [own, api("rest", 0.9)], commitments=[terms])
    data["horizon"]["start"] = "2026-12-01T00:00:00"
    assert optimum(data) == pytest.approx(1.2 + 0.9)


def test_a_seed_draws_the_same_again() -> None:
    assert [drawn(seed) for seed in range(5)] == [drawn(seed) for seed in range(5)]
