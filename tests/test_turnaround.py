"""Batches that answer within so many hours, against deadlines and SLOs: worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from problem_factory import SOLVERS, Data, api, by_period, gpu, load, plan_of, problem, sized

import router
from router.errors import InputError

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
