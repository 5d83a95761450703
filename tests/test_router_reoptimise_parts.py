"""Scheduled runs of fleets and parts: roles, hosts, origins and recipes go on, move and stay, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from problem_factory import Data, api, by_period, gpu, hourly, load, problem, sized
from pytest import approx
from reoptimise_cases import run

import router

PER_WORKER = {"prompt_tokens_per_s": 1e6 / 3600, "completion_tokens_per_s": 1e5 / 3600}


def named(data: Data, **change: object) -> Data:
    return {"name": "p", **data, **({"reoptimise": change} if change else {})}


def by_role(requests: float, **change: object) -> Data:
    """A thousand requests an hour fill a prefill worker of 1 USD and a decode worker of 3."""
    roles = {"prefill": {"usd_per_h": 1}, "decode": {"usd_per_h": 3}}
    own = {"name": "own", "models": {"m": PER_WORKER}, "instances": {"roles": roles}}
    work = sized("chat", {"requests_per_hour": requests}, completion_tokens=100)
    return named(problem(work, [own, api("api", 20)]), **change)


def test_both_halves_are_resized_and_both_are_pinned(tmp_path: Path) -> None:
    """2 + 2 workers become 1 + 1: two resized at 0.5 each, unless they are pinned; then 3 + 3."""
    run(tmp_path, load(by_role(2000)))
    pinned = run(tmp_path, load(by_role(900, pins=[{"offer": "own"}], resize_usd=0.5)))
    assert (pinned.outcome, pinned.running_usd) == ("kept", approx(8))
    fewer = run(tmp_path, load(by_role(900, resize_usd=0.5)))
    assert (fewer.outcome, fewer.resized, fewer.plan.cost_usd) == ("cheaper", approx(2), approx(4 + 1))
    grown = run(tmp_path, load(by_role(3000, resize_usd=0.5)))
    assert (grown.outcome, grown.resized, grown.plan.cost_usd) == ("repair", approx(4), approx(12 + 2))
    running = fewer.plan.running
    assert running is not None
    assert {row.offer: row.count for row in running.counts} == {"own": 2, "own, decode": 2}


def test_hosts_follow_the_counts_that_go_on(tmp_path: Path) -> None:
    """Three replicas of 4 units in two hosts of 8 at 10 USD. One host will do for two, if resizing costs less."""

    def fleet(tokens: float, resize_usd: float) -> Data:
        replica = gpu("a", 0.0, 1, ("m",), units=4)
        host = {"name": "node", "units": 8, "usd_per_h": 10, "offers": ["a"]}
        return named(problem(hourly(tokens), replica, hosts=[host]), resize_usd=resize_usd)

    first = run(tmp_path, load(fleet(3e6, 11)))
    assert first.plan.cost_usd == approx(20)
    kept = run(tmp_path, load(fleet(1e6, 11)))
    assert (kept.outcome, kept.running_usd) == ("kept", approx(20))
    fewer = run(tmp_path, load(fleet(1e6, 4)))
    assert (fewer.outcome, fewer.plan.cost_usd) == ("cheaper", approx(10 + 4))
    more = run(tmp_path, load(fleet(5e6, 0)))
    assert (more.outcome, more.plan.cost_usd) == ("repair", approx(30))


def test_each_origin_goes_on_as_it_ran(tmp_path: Path) -> None:
    """Three quarters from eu at home. Half a dollar less abroad moves them, unless a move costs more."""

    def users(abroad: float, move: float, **origin: float) -> Data:
        here, there = (
            api("here", 3, limits={"regions": ["eu"]}),
            api("there", abroad, limits={"regions": ["us"]}),
        )
        near = [
            offer | {"models": {"m": offer["models"]["m"] | {"ttft_p99_ms": 100}}} for offer in (here, there)
        ]
        network = [{"from": "eu", "to": "us", "rtt_ms": 90, "egress_usd_per_gb": 100}]
        work = hourly(1e6, origin=origin, slo={"ttft_p99_ms": 195})
        return named(problem(work, near, network=network), move_usd_per_m_tokens=move)

    first = run(tmp_path, load(users(2.8, 1, eu=0.75, us=0.25)))  # to us 2.8 and 0.4 for egress
    assert first.plan.cost_usd == approx(0.75 * 3 + 0.25 * 2.8)
    kept = run(tmp_path, load(users(2.1, 0.6, eu=0.75, us=0.25)))
    assert kept.outcome == "kept"
    moved = run(tmp_path, load(users(2.1, 0.4, eu=0.75, us=0.25)))
    assert (moved.outcome, moved.moved_share) == ("cheaper", approx(0.75))
    assert moved.plan.cost_usd == approx(2.1 + 0.75 * (0.4 + 0.4))
    more = run(
        tmp_path, load(users(2.1, 0.4, eu=0.5, us=0.5))
    )  # another mix of the same origins moves nobody
    assert more.outcome == "kept"
    third = run(
        tmp_path, load(users(2.1, 0.4, eu=0.5, us=0.25, ap=0.25))
    )  # a new one as the whole: all to us
    assert third.outcome == "kept"


MODELS = {"big": {"quality": 0.9}, "small": {"quality": 0.8}}
CASCADE = {
    "name": "cascade",
    "quality": 0.88,
    "steps": [{"models": ["small"]}, {"models": ["big"], "requests": 0.3, "prompt_tokens": 2000}],
}


def answered(floor: float, big: float = 10, **change: object) -> Data:
    """A million tokens an hour by the big model at 10 USD, or by the cascade: 1 + 0.3 · 2 · 10 = 7 USD."""
    work = sized("chat", {"requests_per_hour": 1000}, recipes=[CASCADE], needs={"min_quality": floor})
    offers = [api("b", big, ("big",)), api("s", 1, ("small",))]
    return named(problem([work | {"models": ["big", "small"]}], offers, models=MODELS), **change)


def test_requests_of_a_recipe_that_did_not_run_move_there(tmp_path: Path) -> None:
    """All steps' tokens move, 1.6 M: at 2 USD a million that is 3.2 of the 3 USD gained; at 1 USD it pays."""
    assert run(tmp_path, load(answered(0.89))).plan.cost_usd == approx(10)
    kept = run(tmp_path, load(answered(0.88, move_usd_per_m_tokens=2)))
    assert kept.outcome == "kept"
    capped = run(tmp_path, load(answered(0.88, move_usd_per_m_tokens=1, max_moved_share=0.4)))
    share = 0.4 / (1.6 - 0.4 * 0.6)  # 1.6 x of 1 − x + 1.6 x million tokens are 0.4
    assert capped.outcome == "cheaper"
    assert capped.moved_share == approx(0.4)
    assert sum(row.share for row in capped.plan.routes if row.step == 0) == approx(share)
    frozen = run(tmp_path, load(answered(0.88, freeze_h=1)))
    assert frozen.outcome == "kept"
    moved = run(tmp_path, load(answered(0.88, move_usd_per_m_tokens=1)))
    assert (moved.outcome, moved.plan.cost_usd) == ("cheaper", approx(7 + 1.6 * (1 - share)))


def test_a_recipe_goes_on_by_step_and_back(tmp_path: Path) -> None:
    """From the cascade back to the big model where that is cheaper: a million tokens move."""
    first = run(tmp_path, load(answered(0.88)))
    assert first.plan.cost_usd == approx(7)
    same = run(tmp_path, load(answered(0.88, move_usd_per_m_tokens=1)))
    assert (same.outcome, same.running_usd) == ("kept", approx(7))
    dearer = run(tmp_path, load(answered(0.88, big=2.2, move_usd_per_m_tokens=0.1)))
    assert (dearer.outcome, dearer.moved_share) == ("cheaper", approx(1.0))
    assert dearer.plan.cost_usd == approx(2.2 + 0.1)
    higher = run(tmp_path, load(answered(0.88)))
    assert higher.outcome == "cheaper"
    broken = run(tmp_path, load(answered(0.89)))
    assert (broken.outcome, broken.plan.cost_usd) == ("repair", approx(10))
    assert any("is refused now: quality" in str(each) for each in broken.broken)


@pytest.mark.parametrize("kind", ["whole", "grid", "roles", "no rules later"])
def test_what_was_bought_for_a_term_keeps_its_price(tmp_path: Path, kind: str) -> None:
    """Six hours bought at half of 10 USD, before prices rise. Two hours later a second is bought at 10, and four hours
    are left at 5: 4 · (5 + 10); then two, and a third is bought, and what follows them: 2 · 5 + 4 · 20 + 2 · 10.
    """

    def file(hour: int, tokens: float) -> Data:
        machines = gpu("own", 10.0, 1, ("m", "n") if kind == "grid" else ("m",), term_h=6)
        if kind == "grid":
            for entry in machines["models"].values():
                entry |= {"min": 1, "step": 1}
        if kind == "roles":
            machines["models"]["m"] = {"prompt_tokens_per_s": 1e6 / 3600, "completion_tokens_per_s": 1e5}
            halves = {"prefill": {"usd_per_h": 10}, "decode": {"usd_per_h": 2}}
            machines["instances"] = {"roles": halves, "term_h": 6, "max_utilisation": 1.0}
        midnight = "2027-01-04T{:02}:00"
        daily = {"daily": {"start": "03:00", "end": "05:00"}, "prices": 3.0}
        if kind != "no rules later" or hour == 0:
            machines["schedule"] = [{"until": midnight.format(2), "prices": 0.5}, daily]
        data = problem(by_period([tokens] * 4), [machines, api("other", 20.0, ("m", "n"))], periods=4)
        return {**data, "name": "p", "horizon": {**data["horizon"], "start": midnight.format(hour)}}

    first = run(tmp_path, load(file(0, 1e6))).plan
    assert first.cost_usd == approx(20)
    assert [(row.from_h, row.usd_per_h) for row in first.purchases] == [(0.0, 5.0)]
    for hour, tokens, usd in ((2, 2e6, 60), (4, 3e6, 110)):
        data = load(file(hour, tokens))
        plan = run(tmp_path, data).plan
        assert plan.proof is not None
        assert (plan.cost_usd, plan.proof.kind) == (approx(usd), "own")
        assert plan.running is not None
        assert router.verify(data, plan).ok
        second = None if kind == "no rules later" else 10.0
        assert [row.usd_per_h for row in plan.running.purchases] == [5.0, second][: hour // 2]
        dearer = replace(plan.running.purchases[0], usd_per_h=6.0)
        lie = replace(plan.running, purchases=(dearer, *plan.running.purchases[1:]))
        assert "cost" in router.verify(data, replace(plan, running=lie)).failed()
        lies = tuple(replace(row, usd_per_h=9.0) for row in plan.purchases)
        assert "purchases" in router.verify(data, replace(plan, purchases=lies)).failed()


def test_verify_sees_another_past(tmp_path: Path) -> None:
    """A decode worker that did not run is not resized; what no step ran moves, as nothing unknown does."""
    run(tmp_path, load(by_role(2000)))
    data = load(by_role(900, resize_usd=0.5))
    plan = run(tmp_path, data).plan
    assert plan.running is not None
    counts = tuple(
        replace(row, count=1) if row.offer == "own, decode" else row for row in plan.running.counts
    )
    wrong = replace(plan, running=replace(plan.running, counts=counts))
    assert {"cost", "churn"} & set(router.verify(data, wrong).failed())

    steps = tmp_path / "steps"
    steps.mkdir()
    run(steps, load(answered(0.89)))
    data = load(answered(0.88, move_usd_per_m_tokens=1))
    plan = run(steps, data).plan
    assert plan.running is not None
    shares = tuple(row for row in plan.running.shares if row.workload == "chat")
    assert len(shares) < len(plan.running.shares)
    wrong = replace(plan, running=replace(plan.running, shares=shares))
    assert {"cost", "churn"} & set(router.verify(data, wrong).failed())
