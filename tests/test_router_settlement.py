"""What a point is read as: no fee of who carries nothing."""

from __future__ import annotations

import pytest
from problem_factory import Data, load
from pytest import approx

import router
from problems.core.encode import encode
from router.normalise import normalise
from router.planning.decode import decode
from solvers import solve


def two_offers() -> Data:
    """A million tokens at 1 USD, or at 2 where a fee of 730 USD a month is paid: 1 USD for an hour."""
    return {
        "schema": "router/1",
        "horizon": {"periods": 1, "period_h": 1},
        "models": {"m": {}},
        "workloads": [
            {
                "name": "w",
                "models": ["m"],
                "prompt_tokens": 1000,
                "completion_tokens": 0,
                "demand": {"requests_by_period": [1000]},
            }
        ],
        "offers": [
            {"name": "plain", "models": {"m": {"prompt_usd_per_m": 1}}},
            {"name": "club", "fee_usd_per_month": 730, "models": {"m": {"prompt_usd_per_m": 2}}},
        ],
    }


@pytest.mark.parametrize("paid", [0.0, 1.0])
def test_a_fee_of_who_carries_nothing_is_not_paid(paid: float) -> None:
    """A count rounded up, or a search that its limit ended, may have paid it: what is carried costs 1 USD."""
    encoded = encode(normalise(load(two_offers())))
    point = solve(encoded.program).point
    assert point is not None
    point = point.copy()
    point[encoded.first.active[1]] = paid
    assert decode(encoded, point).cost_usd == approx(1.0)


def test_a_fee_of_who_carries_something_is_paid() -> None:
    """Without the other offer: 2 USD of tokens, and a 730th of 730."""
    data = two_offers()
    del data["offers"][0]
    assert router.solve(load(data)).cost_usd == approx(3.0)
