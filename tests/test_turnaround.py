"""Batches that answer within so many hours, against deadlines and SLOs: worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from problem_factory import SOLVERS, Data, api, by_period, gpu, load, plan_of, problem, sized

import router
from router.errors import Infeasible, InputError

BATCH = api("batch", 1, turnaround_h=24)
NOW = api("now", 3)


def due(quota: Data | None = None, **rest: Any) -> Data:
    """5 M tokens in the first of six hours."""
    batch = BATCH | ({"quota": quota} if quota else {})
    return problem([by_period([5e6, 0, 0, 0, 0, 0], **rest)], [batch, NOW], periods=6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("hours", "usd"), [(23.9, 15.0), (24, 13.0), (25.5, 11.0), (26, 9.0), (40, 5.0)], ids=str
)
def test_work_may_go_where_the_answer_comes_in_time(hours: float, usd: float, solver: str) -> None:
    """The batch takes 1 M tokens an hour: each hour that is left saves 2 USD, the last one included to the minute."""
    plan = plan_of(due({"tokens_per_minute": 1e6 / 60}, deferrable_h=hours), solver)
    assert plan.cost_usd == pytest.approx(usd)


def test_answers_may_come_after_the_horizon_and_after_midnight() -> None:
    """A window of 22:00 to 06:00; the batch of 6 h may have it until midnight, two hours of 1 M of 4 M tokens."""
    work = sized("chat", {"tokens_per_day": 4e6}, window={"start": "22:00", "end": "06:00"})
    batch = BATCH | {"turnaround_h": 6, "quota": {"tokens_per_minute": 1e6 / 60}}
    clock = {"start": "2027-01-01T22:00:00"}
    plan = plan_of(problem([work], [batch, NOW], periods=8, horizon=clock))
    assert plan.cost_usd == pytest.approx(3 * 1 + 1 * 3)


def test_a_window_cut_by_the_start_of_the_horizon_has_its_end_left() -> None:
    """From midnight 6 of 8 h are left: the batch of 6 h takes what is sent at once, that of 7 h is refused."""
    for hours, usd in ((6, 3.0), (7, 9.0)):
        work = sized("chat", {"tokens_per_day": 4e6}, window={"start": "22:00", "end": "06:00"})
        plan = plan_of(problem([work], [BATCH | {"turnaround_h": hours}, NOW], periods=6))
        assert plan.cost_usd == pytest.approx(usd)
        assert bool(plan.refused) == (hours == 7)


def test_a_provider_that_is_too_slow_for_some_work_carries_no_part_of_all() -> None:
    """Two providers with 0.3 each, the same in every window. The batch of 7 h takes none of the 3 M of the one that the
    horizon cuts: `third` must. 3 · (0.7 · 3 + 0.3 · 50) + 4 · (0.4 · 1 + 0.3 · 3 + 0.3 · 50).
    """
    routing = {"min_providers": 2, "min_share_per_provider": 0.3}
    work = sized("chat", {"tokens_per_day": 4e6}, window={"start": "22:00", "end": "06:00"}, routing=routing)
    offers = [BATCH | {"turnaround_h": 7}, NOW, api("third", 50)]
    assert plan_of(problem([work], offers, periods=30)).cost_usd == pytest.approx(51.3 + 65.2)


def test_work_without_a_time_is_taken_with_a_note() -> None:
    plan = plan_of(due())
    assert plan.cost_usd == pytest.approx(5.0)
    assert any("answers of batch come within 24 h" in note for note in plan.notes)
    assert not any("answers of batch" in note for note in plan_of(due(deferrable_h=30)).notes)


def test_an_slo_shorter_than_it_refuses_it() -> None:
    """24 h are 86,400,000 ms, of every percentile and of the whole request, however slow its tokens."""
    kept = due(
        slo={"ttft_p99_ms": 86.4e6, "request_mean_ms": 86.4e6}, prompt_tokens=900, completion_tokens=100
    )
    assert plan_of(kept | {"offers": [kept["offers"][0]]}).cost_usd == pytest.approx(5.0)
    broken = due(slo={"request_p50_ms": 86.3e6})
    broken["offers"][1]["models"]["m"] |= {"ttft_p50_ms": 1}
    plan = plan_of(broken)
    assert plan.cost_usd == pytest.approx(15.0)
    assert [row.reasons for row in plan.refused] == [("latency",)]


def test_a_loss_does_not_send_work_too_late() -> None:
    """Without `now` the batch would be too late from the second hour on; it has the work in the first."""
    data = due(deferrable_h=24)
    data["policy"] = {"survive_loss_of": "offer"}
    assert plan_of(data).cost_usd == pytest.approx(5.0)


def test_verify_sees_an_answer_that_comes_too_late() -> None:
    data = load(due(deferrable_h=26))
    plan = router.solve(data)
    late = replace(plan, routes=tuple(replace(row, period=3) for row in plan.routes))
    assert "windows" in router.verify(data, late).failed()


def test_it_stands_in_the_place_of_what_else_says_how_long() -> None:
    slow = api("slow", 1, turnaround_h=24)
    slow["models"]["m"]["ttft_p50_ms"] = 100
    with pytest.raises(InputError, match="does not go with turnaround_h"):
        load(due() | {"offers": [slow]})
    with pytest.raises(InputError, match="do not go with turnaround_h"):
        load(due() | {"offers": [gpu("own", 1, 1, offer={"turnaround_h": 24})]})


def cascade(due_h: float | None, steps: list[Data] | None = None, periods: int = 1) -> Data:
    """A thousand requests in the first hour, each small first, and 0.3 of them with 2,000 tokens big: of 1,000 requests
    the small batch has 1 USD (24 h), the small answer 2, the big batch 0.6 · 10 (24 h), the big answer 0.6 · 15."""
    steps = steps or [{"models": ["small"]}, {"models": ["big"], "requests": 0.3, "prompt_tokens": 2000}]
    work = by_period([1e6] + [0.0] * (periods - 1), needs={"min_quality": 0.85})
    work |= {"demand": {"requests_by_period": [1000] + [0] * (periods - 1)}}
    work |= {"prompt_tokens": 1000, "completion_tokens": 0, "models": ["small"]}
    work |= {"recipes": [{"name": "cascade", "quality": 0.9, "steps": steps}]}
    work |= {} if due_h is None else {"deferrable_h": due_h}
    offers = [
        api("small batch", 1, ("small",), turnaround_h=24),
        api("small", 2, ("small",)),
        api("big batch", 10, ("big",), turnaround_h=24),
        api("big", 15, ("big",)),
    ]
    return problem([work], offers, models={"big": {}, "small": {"quality": 0.8}}, periods=periods)


@pytest.mark.parametrize("solver", SOLVERS)
def test_batches_of_steps_come_one_after_the_other(solver: str) -> None:
    """Due in 23 h: none of them, 2 + 9. From 24 h on one: 2 + 6 is less than 1 + 9. From 48 h on both, 1 + 6. Without
    a time both, whenever they answer.
    """
    for due_h, right in ((23, 11), (24, 8), (47.9, 8), (48, 7), (None, 7)):
        plan = plan_of(cascade(due_h), solver)
        assert plan.cost_usd == pytest.approx(right)
        assert plan.gap == pytest.approx(0, abs=1e-5)
        assert plan.proof is not None
        assert any("answers of" in note for note in plan.notes) == (due_h is None)


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_period_leaves_its_own_time(solver: str) -> None:
    """Due in 49 h, a third of it an hour in the small batch: both batches at 00:00 and at 01:00, and from 02:00 on one:
    2/3 · 7 + 1/3 · 8 = 22 / 3.
    """
    data = cascade(49, periods=4)
    data["offers"][0]["quota"] = {"requests_per_minute": 1000 / 3 / 60}
    assert plan_of(data, solver).cost_usd == pytest.approx(22 / 3)


def test_requests_of_a_step_are_batches_one_by_one_or_at_once() -> None:
    """Three drafts of a batch take 72 h, at once 24: 3 USD in place of 6, and the answer 10 or 15 a million."""
    for parallel, due_h, right in (
        (False, 71.9, 6 + 10),
        (False, 72, 3 + 15),
        (False, 96, 13),
        (True, 48, 13),
    ):
        steps = [{"models": ["small"], "requests": 3, "parallel": parallel}, {"models": ["big"]}]
        data = cascade(due_h, steps)
        data["offers"][2]["models"]["big"]["prompt_usd_per_m"] = 10 if right != 18 else 14
        assert plan_of(data).cost_usd == pytest.approx(right)


def test_one_step_in_a_batch_is_its_model_in_a_batch() -> None:
    """And a promise on whole requests adds up the turnarounds of those that count: both take 48 h at p99, at the median
    no request has a second step.
    """
    for due_h, right in ((23.9, 2.0), (24, 1.0)):
        assert plan_of(cascade(due_h, [{"models": ["small"]}])).cost_usd == pytest.approx(right)
    for limits, right in (({"request_p99_ms": 48 * 3.6e6}, 7), ({"request_p50_ms": 24 * 3.6e6}, 7)):
        data = cascade(None)
        data["workloads"][0]["slo"] = limits
        for offer in data["offers"]:
            for entry in offer["models"].values() if "turnaround_h" not in offer else ():
                entry |= {"ttft_p99_ms": 0, "tpot_p99_ms": 0}
        assert plan_of(data).cost_usd == pytest.approx(right)
    data["workloads"][0]["slo"] = {"request_p99_ms": 47.9 * 3.6e6}
    assert plan_of(data).cost_usd == pytest.approx(8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_after_a_loss_batches_of_steps_are_in_time_too(solver: str) -> None:
    """A second batch of the big model at 12, and of its answers at once half. Due in 48 h a loss of any leaves two
    batches or less, 7. Due in 24 h, without `small` its batch leaves the big model no time for one: half has nowhere
    to go.
    """
    for due_h, right in ((48, 7), (24, None)):
        data = cascade(due_h) | {"policy": {"survive_loss_of": "offer"}}
        data["offers"].append(api("second", 12, ("big",), turnaround_h=24))
        data["offers"][3]["quota"] = {"requests_per_minute": 150 / 60}
        if right is None:
            with pytest.raises(Infeasible):
                plan_of(data, solver)
            continue
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(right)
        assert plan.gap == pytest.approx(0, abs=1e-5)
    late = load(cascade(24) | {"policy": {"survive_loss_of": "offer"}, "offers": data["offers"]})
    assert "survival" in router.verify(late, plan).failed()
    alone = plan_of(cascade(24) | {"offers": data["offers"]})  # of a loss it says nothing
    assert alone.cost_usd == pytest.approx(8)
    assert "survival" in router.verify(late, alone).failed()
    data["offers"][3].pop("quota")
    free = load(cascade(24) | {"policy": {"survive_loss_of": "offer"}, "offers": data["offers"]})
    assert "survival" not in router.verify(free, alone).failed()


def test_the_bound_has_the_batches_after_a_loss() -> None:
    """In place of big answers at once an instance of 20 an hour: only that is in time where `small` is lost. Then
    it has the work without a loss too, 1 + 20; small and the big batch, 8, would do without that loss.
    """
    data = cascade(24) | {"policy": {"survive_loss_of": "offer"}}
    data["offers"][3:] = [api("second", 12, ("big",), turnaround_h=24), gpu("own", 20, 1, ("big",))]
    plan = plan_of(data)
    assert plan.cost_usd == pytest.approx(21)
    assert plan.proof is not None
    assert (plan.proof.kind, plan.proof.bound_usd) == ("own", pytest.approx(21))


def test_what_batches_of_steps_take_is_checked_and_explained() -> None:
    plan = router.solve(load(cascade(48)))
    assert "answer_times" in router.verify(load(cascade(47.9)), plan).failed()
    data = cascade(47.9)
    data["offers"] = data["offers"][::2]
    with pytest.raises(Infeasible):
        router.solve(load(data))
    conflict = router.explain(load(data)).conflict
    assert conflict is not None
    assert "workloads.chat.deferrable_h" in [row.field for row in conflict.promises]
    repairs = router.explain(load(data)).repairs
    assert "workloads.chat.deferrable_h: 48 (is 47.9)" in [repair.text for repair in repairs or ()]
    data["workloads"][0]["deferrable_h"] = 48
    assert router.solve(load(data)).ok
