"""`router explain` where no change of one kind repairs: fields that must change together, and only those."""

from __future__ import annotations

import pytest
from problem_factory import api, hourly, load
from problem_factory import problem as problem_of

import router
from router.errors import Infeasible
from router.explaining import explain
from router.explaining.together import with_another_offer


def test_a_need_and_a_budget_that_stand_in_the_way_together():
    """Only `near` is in the EU, and it carries 30,000 tokens a minute of 60,000. Twice that quota would be needed, then
    3.6 M tokens at 2 USD a million cost 7.20 USD, and the budget is next to nothing. Without the need `far` takes them
    all, for 3.60 USD. Either the region gives way or the quota: what is asked stays before a limit.
    """
    near = api("near", 2.0, quota={"tokens_per_minute": 30e3}, limits={"regions": ["eu"]})
    work = hourly(3.6e6, needs={"regions": ["eu"]})
    stated = load(problem_of([work], [near, api("far", 1.0)], policy={"max_spend_usd": 1e-4}))
    (repair,) = explain(stated).repairs
    assert [change.text_path for change in repair.changes] == [
        "offers.near.quota.tokens_per_minute",
        "policy.max_spend_usd",
    ]
    assert [change.value for change in repair.changes] == pytest.approx([60e3, 7.2], rel=1e-6)
    settings: dict[str, object] = {change.text_path: change.value for change in repair.changes}
    assert router.solve(stated.with_(settings)).cost_usd == pytest.approx(7.2)
    for left in settings:  # neither alone
        with pytest.raises(Infeasible):
            router.solve(stated.with_({left: settings[left]}))


def test_a_model_that_nobody_offers_takes_another_offer():
    stated = load(problem_of([hourly(1e6)], [api("a", 1.0)]))
    assert explain(stated).plan is not None
    orphan = load(problem_of([{**hourly(1e6), "models": ["large"]}], [api("a", 1.0)]))
    (repair,) = explain(orphan).repairs
    assert repair.text == "another offer, of large"
    assert repair.another_offer and not repair.changes and not repair.left_out
    assert router.solve(with_another_offer(orphan)).ok
