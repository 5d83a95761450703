"""Contracts, calendars, boots and terms drawn at random: planner and verifier read all of them alike.

For more: `CAMPAIGN=100 pytest tests/test_contracts_campaign.py`, or `python tests/campaigns/contracts.py`.
"""

from __future__ import annotations

from campaign import times
from campaigns.contracts import campaign


def test_no_plan_is_lost_between_two_readings_of_a_contract() -> None:
    figures = campaign(times(8), 0)
    assert figures.faults == []
    assert figures.share("plan, own") >= 0.5
