"""Explanations of what settles by the hour, of accounts, and of what is in force when."""

from __future__ import annotations

import pytest

from router.explaining import explain
from router.loading.catalogue import load_text
from router.reports.explanation import explanation_report
from router.reports.text import to_text

HOURLY = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_by_period: [10_800, 3600]}, prompt_tokens: 10, completion_tokens: 1}
offers:
  - {name: gpu, provider: cloud, models: {m: {requests_per_s: 1}}, instances: {usd_per_h: 10, max_utilisation: 1}}
commitments:
  - {name: plan, provider: cloud, offers: [gpu], discount: 0.4, settled: hour, min_usd: 0, max_usd: 60, term_months: 12}
"""


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_what_a_dollar_more_an_hour_would_save_where_it_binds(solver: str):
    """3 machines, then 1, at 10 USD, 40 % off: 6 USD an hour are used whole in both.

    A dollar more covers 1 / 0.6 of the first hour's list price, and costs a dollar in both: 2 in all, so that the
    second hour, where nothing is left to cover, holds the other 1/3 of its price.
    """
    found = explain(load_text(HOURLY), solver=solver)
    use = found.commitments[0]
    assert (use.seller, use.spans, use.used_whole) == ("plan", 2, 2)
    assert use.more_to_usd == pytest.approx(1 / 0.6)
    assert use.more_from_usd == pytest.approx(2 - 1 / 0.6)
    assert "0.33–1.67" in to_text(explanation_report(found))


ACCOUNT = """
schema: router/1
horizon: {periods: 1, period_h: 1}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_per_hour: 9000}, prompt_tokens: 1000, completion_tokens: 0}
offers:
  - {name: east, provider: a, models: {m: {prompt_usd_per_m: 1}}}
  - {name: west, provider: a, models: {m: {prompt_usd_per_m: 1}}}
  - {name: dear, provider: b, models: {m: {prompt_usd_per_m: 3}}}
quotas: [{name: account, offers: [east, west], requests_per_minute: 100}]
"""


def test_an_account_is_named_with_what_as_much_again_would_save():
    """6,000 of 9,000 requests pass at 0.001 USD, the rest costs 0.003: a whole quota more is worth 6,000 · 0.002."""
    found = explain(load_text(ACCOUNT))
    binding = next(each for each in found.bindings if each.family == "quota")
    assert binding.name.startswith("account")
    assert binding.usd_per_unit == pytest.approx(12.0)


TIMED = """
schema: router/1
horizon: {periods: 6, period_h: 1, start: "2027-01-04T00:00"}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_per_hour: 1}, prompt_tokens: 1000, completion_tokens: 0}
offers:
  - name: api
    provider: a
    models: {m: {prompt_usd_per_m: 1}}
    schedule:
      - {prices: 0.5}
      - {daily: {start: "01:00", end: "03:00"}, prices: 2}
      - {daily: {start: "02:30", end: "03:00"}, prices: 2, set: {models: {m: {prompt_usd_per_m: 4}}}}
      - {from: "2027-01-05", available: false}
"""


def test_which_rule_is_in_force_when():
    """The last rule that holds: half price but from 1 to 3; the third takes half an hour from the second."""
    found = explain(load_text(TIMED))
    rows = [(rule.rule, rule.hours, rule.periods) for rule in found.schedules]
    assert rows == [(0, 4.0, ((0, 0), (3, 5))), (1, 1.5, ((1, 2),)), (2, 0.5, ((2, 2),)), (3, 0.0, ())]
    texts = ["prices × 0.5", "prices × 2", "prices × 2, sets models.m.prompt_usd_per_m 4", "closed"]
    assert [rule.text for rule in found.schedules] == texts
    assert "What is in force when" in to_text(explanation_report(found))
