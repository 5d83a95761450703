"""`router explain`: repairs and conflicts by hand, prices of unused offers by hand, changes for refused routes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from problem_factory import api, hourly, load
from problem_factory import problem as problem_of

import router
from router.cli import cli
from router.errors import Infeasible
from router.explaining import explain
from router.explaining.marginal import Binding
from router.explaining.promises import promises
from router.explaining.savings import candidates, savings
from router.loading.catalogue import load_text
from router.normalise import normalise
from router.planning.solve import Search
from router.reports.explanation import explanation_report
from router.reports.text import to_text

PEAK = """
schema: router/1
name: peak
models: {m: {parameters_b: 70}}
groups: [{name: rack, offers: [own], max_units: 16}]
policy: {max_spend_usd: 5000}
workloads:
  - {name: chat, models: [m], demand: {tokens_per_month: 20e9}, prompt_tokens: 500, completion_tokens: 100}
offers:
  - name: own
    models: {m: {tokens_per_s: 1000}}
    instances: {usd_per_h: 1, units: 8, max_utilisation: 0.8, max: 5}
  - name: api
    models: {m: {prompt_usd_per_m: 0.2, completion_usd_per_m: 0.2}}
    quota: {tokens_per_minute: 300000}
"""


def test_the_least_repairs_of_a_quota_and_of_the_demand():
    """Two servers (16 units of 8) at 80 % of 1,000 tokens/s carry 2 · 800 · 2,628,000 s = 4.2048 B tokens a month, the
    quota 300,000 · 43,800 = 13.14 B: 17.3448 B of 20 B, 86.724 %. The quota would have to carry the other 15.7952 B:
    360,621 tokens a minute. Its cost, 1,460 + 0.2 · 15,795.2 = 4,619 USD, is within the budget. More servers (730 USD
    for 2.1 B tokens) are not: two more make 5,548 USD.
    """
    found = explain(load_text(PEAK))
    assert found.plan is None
    needed = {one.field: one.needed for one in found.repairs}
    assert needed == {
        "workloads.chat.demand": pytest.approx(0.86724, rel=1e-6),
        "offers.api.quota.tokens_per_minute": pytest.approx(15_795_200_000 / 43_800, rel=1e-6),
    }
    assert found.conflict is not None and found.conflict.proven_minimal
    fields = {one.field for one in found.conflict.promises}
    assert {"workloads.chat.demand", "offers.api.quota.tokens_per_minute"} <= fields


def test_every_part_of_a_minimal_conflict_can_be_served_without_the_rest():
    """Leaving out any one promise of the conflict, and all outside it, must leave a feasible problem."""
    from router.explaining.conflict import Questions, without_all
    from solvers import SolveOptions

    problem = load_text(PEAK)
    inst = normalise(problem)
    found = explain(problem).conflict
    assert found is not None
    every = promises(inst)
    questions = Questions(inst, "highs", SolveOptions())
    inside = [one for one in every if one.field in {p.field for p in found.promises}]
    assert questions.feasible(without_all(inst, every, inside)) is False
    for one in inside:
        assert questions.feasible(without_all(inst, every, [p for p in inside if p is not one])) is True


def test_the_budget_is_repaired_by_the_least_cost():
    """Without servers: 1 B tokens at 0.20 USD per M cost 200 USD; a budget of 150 needs to be 200."""
    text = PEAK.replace("20e9", "1e9").replace("max_spend_usd: 5000", "max_spend_usd: 150")
    found = explain(load_text(text))
    repair = next(one for one in found.repairs if one.field == "policy.max_spend_usd")
    assert repair.needed == pytest.approx(200.0)
    assert repair.text == "policy.max_spend_usd: 200 (is 150)"


def test_a_budget_that_ends_in_parts_of_a_cent_is_rounded_up():
    """100,003 tokens at 0.20 USD a million are 0.0200006 USD: 0.02, as cents have it, would not do."""
    data = problem_of([hourly(100_003)], [api("a", 0.2)], policy={"max_spend_usd": 0.015})
    (repair, _) = explain(load(data)).repairs
    assert repair.needed is not None and 0.0200006 <= repair.needed < 0.02000061
    assert explain(load(data).with_({repair.field: repair.needed})).plan is not None


def test_offers_enter_and_leave_where_their_prices_cross():
    """Cheap at 0.60 per M, dear at 1.50: dear is used at 0.4 of its price or less, cheap up to 2.5 times its own."""
    found = explain(
        load_text(
            """
schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_month: 1e9, completion_share: 0.5}}]
offers:
  - {name: cheap, models: {m: {prompt_usd_per_m: 0.6, completion_usd_per_m: 0.6}}}
  - {name: dear, models: {m: {prompt_usd_per_m: 1.5, completion_usd_per_m: 1.5}}}
"""
        )
    )
    assert found.plan is not None and found.plan.ok
    cheap, dear = found.offers
    assert (dear.offer, dear.used, dear.decided, dear.crossed) == ("dear", False, True, True)
    assert dear.price_multiple == pytest.approx(0.4, rel=1e-6)
    assert (cheap.offer, cheap.used, cheap.decided, cheap.crossed) == ("cheap", True, True, True)
    assert cheap.price_multiple == pytest.approx(2.5, rel=1e-6)


ONE_SERVER = """
schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_month: 4e9, completion_share: 0.5}}]
offers:
  - {name: own, models: {m: {tokens_per_s: 1000}}, instances: {usd_per_h: 1, max: 1}}
  - {name: api, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
"""


def test_what_an_instance_more_saves_is_the_difference_of_two_plans():
    """One server (max 1) of 1,000 tokens/s carries 2.628 B of 4 B tokens, the api the other 1.372 B for 1,372 USD:
    2,102 with the server's 730. A second server for nothing saves these 1,372; at its price of 730, 642.

    A little more capacity saves 1 USD per M tokens: 2,628 USD an instance, but only up to 1.372 / 2.628 of one.
    """
    found = explain(load_text(ONE_SERVER))
    assert found.plan is not None and found.plan.cost_usd == pytest.approx(2102.0)
    saved = {(saving.fields, saving.price): saving for saving in found.savings}
    more = saved["offers.own.instances.max: 2 (is 1)", "as offered"]
    (free,) = [saving for saving in found.savings if saving.price == "for nothing"]
    assert (free.usd, more.usd) == (pytest.approx(1372.0), pytest.approx(642.0))
    assert free.on_offer_usd_per_h is None  # one more cannot be rented
    for saving in (free, more):
        assert saving.cost_usd == pytest.approx(2102.0 - saving.usd)
        assert max(saving.gap, saving.plan_gap) < 2e-6 and saving.within_usd < 0.01
    raised = router.solve(load_text(ONE_SERVER.replace("max: 1", "max: 2")))
    assert raised.cost_usd == pytest.approx(more.cost_usd)
    (binding,) = [one for one in found.bindings if one.family == "throughput"]
    assert (binding.name, binding.periods) == ("own,m", 1)
    assert binding.usd_per_unit == pytest.approx(2628.0)
    assert binding.to_units == pytest.approx(1.372 / 2.628)
    assert binding.from_units == pytest.approx(-1.0)
    assert binding.unit_usd == pytest.approx(1372.0)


def test_a_server_that_stands_idle_is_not_worth_another():
    """Two allowed, at 2 USD an hour: a second would cost 1,460 USD and save 1,372, so it is not rented. One for nothing
    takes the place of the first, and saves its 1,460."""
    text = ONE_SERVER.replace("usd_per_h: 1, max: 1", "usd_per_h: 2, max: 2")
    found = explain(load_text(text))
    (free,) = found.savings
    assert (free.price, free.on_offer_usd_per_h) == ("for nothing", 2.0)
    assert free.usd == pytest.approx(1460.0)
    report = " ".join(to_text(explanation_report(found), width=100).split())
    assert "the most one should pay; at 2.00 USD an hour it is on offer, and the plan takes no more" in report


def test_the_held_node_of_a_startup_is_worth_what_two_plans_differ_by():
    """A day of it: a second node for nothing saves what `solve` has them differ by, and never more than all that is
    not paid for the first: 16 USD in each of 24 hours."""
    folder = Path(__file__).parent / "data" / "explain"
    options = router.SolveOptions(time_limit_s=20, gap=5e-3)
    found = explain(folder / "held-node.yaml", options=options, most_offers=0)
    assert found.plan is not None
    (free,) = [saving for saving in found.savings if saving.price == "for nothing"]
    text = (folder / "held-node.yaml").read_text()
    second = text.replace("reserved: 1, reserved_usd_per_h: 16", "reserved: 2, reserved_usd_per_h: 8")
    assert second != text
    other = router.solve(load_text(second, str(folder / "second.yaml")), options=options)
    apart = found.plan.cost_usd - other.cost_usd
    assert abs(free.usd - apart) <= free.within_usd + other.cost_usd - other.bound_usd + 0.01
    assert 0 < free.usd <= found.plan.cost_usd - 24 * 16
    assert free.on_offer_usd_per_h == 24.0


def test_what_the_limit_leaves_untried_has_no_figure():
    """Of a search that has no time for questions, the questions are listed, and nothing is said of them."""
    problem = load_text(ONE_SERVER)
    options = router.SolveOptions(time_limit_s=60).begun()
    plan = router.solve(problem)
    late = Search("highs", options.within(0.0))
    every = candidates(problem, plan, [Binding("instances", "own,m", 1, 1.0)], promises(normalise(problem)))
    assert savings(problem, plan, every, late) == ([], [candidate.text for candidate in every])
    assert len(every) == 2


REFUSED = """
schema: router/1
models: {m: {parameters_b: 172, quality: 0.5}, n: {}}
workloads:
  - name: w
    models: [m]
    demand: {requests_per_day: 1000}
    prompt_tokens: 3000
    completion_tokens: 101
    slo: {ttft_p95_ms: 100, request_p50_ms: 900}
    needs: {streaming: true, regions: [eu], min_quality: 0.7, context_tokens: 8000}
    unserved_usd_per_m_tokens: 1
offers:
  - name: slow
    models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1, ttft_p99_ms: 250, tpot_p50_ms: 10}}
    limits: {max_parameters_b: 100, streaming: false, regions: [us], context_tokens: 4096, max_completion_tokens: 100}
"""


def test_what_would_admit_a_refused_route():
    """At P95 the P99 of 250 ms stands in; a request at P50 takes 250 + 100 · 10 = 1,250 ms."""
    (one,) = explain(load_text(REFUSED)).refused
    text = "; ".join(one.changes)
    for part in (
        "limits.max_parameters_b: 172 (is 100)",
        "a context of 8,000 tokens in model and offer, limits.max_completion_tokens: 101 (is 100)",
        "limits.streaming: true",
        "one of eu in limits.regions (has us)",
        "needs.min_quality: 0.5 (is 0.7)",
        "slo.ttft_p95_ms: 250 (is 100)",
        "slo.request_p50_ms: 1,250 (is 900)",
    ):
        assert part in text


def test_the_command_ends_with_3_where_there_is_no_plan(tmp_path):
    file = tmp_path / "peak.yaml"
    file.write_text(PEAK)
    result = CliRunner().invoke(cli, ["explain", str(file), "--json"], standalone_mode=False)
    assert result.return_value == 3
    told = json.loads(result.stdout)
    assert told["feasible"] is False and told["repairs"] and told["conflict"]["proven_minimal"] is True
    result = CliRunner().invoke(cli, ["explain", str(file)], standalone_mode=False)
    assert "Any one of these changes makes a plan possible" in result.stdout


SLOW = """
schema: router/1
name: slow
models: {m: {memory_gb: 40, quality: 0.6}, other: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_total: 1000}, prompt_tokens: 900, completion_tokens: 100,
     slo: {ttft_p95_ms: 400}}
offers:
  - {name: a, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1, ttft_p95_ms: 900}}}
  - {name: b, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2, ttft_p95_ms: 600}}}
  - {name: c, models: {other: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
"""


def test_the_smallest_change_of_a_field_that_mends_it_is_told_first():
    """400 → 600 admits b, 400 → 900 also a: one field, so the least of it; to serve nothing is no repair."""
    found = explain(load_text(SLOW))
    assert [repair.text for repair in found.repairs] == ["workloads.chat.slo.ttft_p95_ms: 600 (is 400)"]
    assert found.repairs[0].size == pytest.approx(0.5)
    assert {(row.offer, row.model) for row in found.refused} == {("a", "m"), ("b", "m")}
    mended = explain(load_text(SLOW.replace("ttft_p95_ms: 400", "ttft_p95_ms: 600")))
    assert mended.plan is not None and mended.plan.cost_usd == pytest.approx(1000 * 1000 * 2 / 1e6)
    assert explain(load_text(SLOW.replace("ttft_p95_ms: 400", "ttft_p95_ms: 598"))).plan is None


def test_repairs_of_two_fields_and_of_one_by_their_relative_change():
    """b needs the SLO and a smaller quality (50 % and 14 %); a, with a prompt limit in its way too, is no less."""
    text = SLOW.replace("ttft_p95_ms: 400}", "ttft_p95_ms: 400}, needs: {min_quality: 0.7}")
    found = explain(load_text(text))
    (text_of,) = [repair.text for repair in found.repairs]
    assert (
        text_of
        == "workloads.chat.needs.min_quality: 0.6 (is 0.7) and workloads.chat.slo.ttft_p95_ms: 600 (is 400)"
    )
    changed = text.replace("min_quality: 0.7", "min_quality: 0.6").replace("p95_ms: 400}", "p95_ms: 600}")
    assert explain(load_text(changed)).plan is not None


def test_where_waiting_comes_on_top_the_change_goes_as_far_as_it_must():
    """The one instance allowed answers in 200 ms, but a request of 2 s every 3.33 s keeps it 60 % busy: waiting
    comes on top, so that 200 ms would not do. Two hundredths less than what is told does not either."""
    text = """
schema: router/1
name: waits
models: {m: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_per_hour: 1080}, prompt_tokens: 10, completion_tokens: 10,
     slo: {ttft_p95_ms: 100}}
offers:
  - {name: own, models: {m: {requests_per_s: 0.5, ttft_p95_ms: 200}}, instances: {usd_per_h: 1, max: 1}}
"""
    (repair,) = [repair for repair in explain(load_text(text)).repairs if "slo" in repair.field]
    assert repair.needed is not None and repair.needed > 220
    for slo, possible in ((repair.needed, True), (repair.needed - 0.02 * (repair.needed - 100), False)):
        asked = text.replace("ttft_p95_ms: 100}", f"ttft_p95_ms: {slo!r}}}")
        assert (explain(load_text(asked)).plan is not None) is possible


def test_a_quota_that_no_figure_of_mends_is_left_out():
    """Five requests a minute for work without a request size: no figure of the quota admits it, its absence does."""
    text = """
schema: router/1
name: unsized
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_hour: 250000, completion_share: 0}}]
offers:
  - {name: o, models: {m: {prompt_usd_per_m: 0.2, completion_usd_per_m: 0.2}}, quota: {requests_per_minute: 5}}
"""
    assert [repair.text for repair in explain(load_text(text)).repairs] == [
        "without offers.o.quota.requests_per_minute"
    ]


def test_solve_counts_offers_and_names_the_nearest():
    with pytest.raises(
        Infeasible, match=r'"chat": of 3 offers, 2 are too slow \(best: b, 600 ms\), 1 lacks the model'
    ):
        router.solve(load_text(SLOW))


def test_what_is_committed_binds_in_the_hours_that_use_all_of_it() -> None:
    """2 committed at half off, use of 2, 4, 6 at list: 1, 2 and 2 of it, so that the last two hours use it whole."""
    use = {"name": "w", "models": ["m"], "demand": {"requests_by_period": [1000, 2000, 3000]}}
    data = {
        "schema": "router/1",
        "horizon": {"periods": 3, "period_h": 1},
        "models": {"m": {}},
        "workloads": [{**use, "prompt_tokens": 1000, "completion_tokens": 0}],
        "offers": [{"name": "a", "models": {"m": {"prompt_usd_per_m": 2, "completion_usd_per_m": 2}}}],
        "commitments": [
            {
                "name": "plan",
                "offers": ["a"],
                "settled": "hour",
                "discount": 0.5,
                "min_usd": 2,
                "signed": True,
            }
        ],
    }
    explanation = explain(load_text(json.dumps(data)))
    (held,) = explanation.commitments
    assert (held.seller, held.spans, held.used_whole) == ("plan", 3, 2)
    assert held.unused_usd == pytest.approx(1.0)
    assert explanation.as_dict()["commitments"][0]["used_whole"] == 2
