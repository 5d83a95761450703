"""Change of a running plan: hand-proved cases, caps, freezes and pins. Workload w has one million tokens an hour."""

from __future__ import annotations

import itertools

import pytest
from campaign import times
from pytest import approx
from reoptimise_cases import api, gpu, lines, problem, run, shares

from router.errors import Infeasible
from router.verification import verify


def test_a_saving_below_the_cost_of_moving_is_left_alone(tmp_path):
    """a at 1.00 runs; b falls to 0.70 USD per million. Moving the million saves 0.30 and costs 0.40."""
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    kept = run(
        tmp_path, problem(api("a", 1.0) + api("b", 0.7), more="reoptimise: {move_usd_per_m_tokens: 0.4}")
    )
    assert kept.outcome == "kept"
    assert (kept.running_usd, kept.best_usd, kept.unconstrained_usd) == approx((1.0, 1.0, 0.7))
    assert shares(kept) == {"a": 1.0}


def test_a_saving_above_the_cost_of_moving_is_taken(tmp_path):
    """The same with moving at 0.20: 0.70 + 0.20 < 1.00."""
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    made = problem(api("a", 1.0) + api("b", 0.7), more="reoptimise: {move_usd_per_m_tokens: 0.2}")
    taken = run(tmp_path, made)
    assert taken.outcome == "cheaper"
    assert lines(taken) == {("b", "tokens"): approx(0.7), (None, "churn"): approx(0.2)}
    assert (taken.gain_usd, taken.moved_share, taken.churn_usd) == approx((0.1, 1.0, 0.2))
    assert verify(made, taken.plan).ok
    assert taken.plan.cost_usd == approx(0.9)


@pytest.mark.parametrize(("least", "outcome"), [(0.09, "cheaper"), (0.11, "kept")])
def test_a_gain_must_exceed_the_least_gain(tmp_path, least, outcome):
    """The gain after churn is 0.10."""
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    more = f"reoptimise: {{move_usd_per_m_tokens: 0.2, min_gain_usd: {least}}}"
    assert run(tmp_path, problem(api("a", 1.0) + api("b", 0.7), more=more)).outcome == outcome


def test_equal_costs_change_nothing(tmp_path):
    """Without any price on change a tie still leaves things alone."""
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    kept = run(tmp_path, problem(api("a", 1.0) + api("b", 1.0)))
    assert kept.outcome == "kept"
    assert kept.best_usd is None  # nothing could be gained, so nothing more was looked for


def test_no_more_moves_than_may(tmp_path):
    """b at 0.50: a quarter moves at 0.20 per million: 0.75·1.00 + 0.25·(0.50 + 0.20) = 0.925."""
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    more = "reoptimise: {move_usd_per_m_tokens: 0.2, max_moved_share: 0.25}"
    taken = run(tmp_path, problem(api("a", 1.0) + api("b", 0.5), more=more))
    assert shares(taken) == approx({"a": 0.75, "b": 0.25})
    assert taken.plan.cost_usd == approx(0.925)
    assert taken.unconstrained_usd == approx(0.5)


def test_a_cap_that_forbids_the_repair_is_told(tmp_path):
    """a is gone: all must move, a quarter may. The plan stays, and the error says what breaks."""
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    with pytest.raises(Infeasible, match="is gone") as told:
        run(tmp_path, problem(api("b", 2.0), more="reoptimise: {max_moved_share: 0.25}"))
    assert "max_moved_share" in str(told.value)


@pytest.mark.parametrize(("resize", "count", "outcome"), [(3.0, 3, "kept"), (1.5, 2, "cheaper")])
def test_a_step_down_must_pay_for_itself(tmp_path, resize, count, outcome):
    """300 tok/s need 3 instances of 2 USD; demand falls to 200 tok/s: a step saves 2.00 and costs 3.00, or 1.50."""
    load = (
        "- {{name: w, models: [m], demand: {{requests_per_s: {}}}, prompt_tokens: 90, completion_tokens: 10}}"
    )
    run(tmp_path, problem(gpu("g", 2.0), workloads=load.format(3)))
    more = f"reoptimise: {{resize_usd: {resize}}}"
    result = run(tmp_path, problem(gpu("g", 2.0), workloads=load.format(2), more=more))
    assert result.outcome == outcome
    assert [row.count for row in result.plan.instances] == [count]
    if outcome == "cheaper":
        assert lines(result)[None, "churn"] == approx(1.5)
        assert result.resized == 1


def test_a_plan_that_breaks_is_replaced_whatever_it_costs(tmp_path):
    """Demand rises to 400 tok/s: 3 instances are one too few, and resizing at 1000 USD is still right."""
    load = (
        "- {{name: w, models: [m], demand: {{requests_per_s: {}}}, prompt_tokens: 90, completion_tokens: 10}}"
    )
    run(tmp_path, problem(gpu("g", 2.0), workloads=load.format(3)))
    made = problem(
        gpu("g", 2.0), workloads=load.format(4), more="reoptimise: {resize_usd: 1000, min_gain_usd: 1e9}"
    )
    result = run(tmp_path, made)
    assert result.outcome == "repair"
    assert result.running_usd is None
    (broken,) = (one for one in result.broken if one.promise == "throughput")
    assert broken.worst == approx(1 / 3)
    assert "4 exceeds 3" in broken.detail
    assert result.plan.cost_usd == approx(4 * 2 + 1000)


def test_what_is_frozen_stays(tmp_path):
    """Two hours; b becomes cheaper, but the first hour stays with a: 1.00 + 0.70."""
    two = "{periods: 2, period_h: 1}"
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0), horizon=two))
    made = problem(api("a", 1.0) + api("b", 0.7), horizon=two, more="reoptimise: {freeze_h: 1}")
    taken = run(tmp_path, made)
    assert (shares(taken, 0), shares(taken, 1)) == ({"a": 1.0}, {"b": 1.0})
    assert taken.plan.cost_usd == approx(1.7)


def test_a_frozen_time_that_is_broken_thaws(tmp_path):
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    result = run(tmp_path, problem(api("b", 2.0), more="reoptimise: {freeze_h: 1}"))
    assert result.outcome == "repair"
    assert any("freeze_h gave way" in note for note in result.plan.notes)


@pytest.mark.parametrize(
    ("pin", "moves"),
    [
        ("{workload: w}", False),
        ("{offer: a}", False),
        ("{workload: w, offer: a}", False),
        ("{offer: c}", True),
    ],
)
def test_what_is_pinned_stays(tmp_path, pin, moves):
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0) + api("c", 9.0)))
    made = problem(api("a", 1.0) + api("b", 0.7) + api("c", 0.1), more=f"reoptimise: {{pins: [{pin}]}}")
    result = run(tmp_path, made)
    assert shares(result) == ({"b": 1.0} if moves else {"a": 1.0})  # c stays at nothing where it is pinned


def test_a_contract_signed_earlier_is_sunk(tmp_path):
    """r: 0.50 a million, at least 730 USD a month, 1 USD for the hour; signed when on demand cost 5.00.

    On demand falls to 0.80: with the contract to be signed anew that would win (0.80 < 1.00), but it is due anyway.
    """
    contract = ", commitment: {min_usd_per_month: 730, term_months: 12}"
    first = run(tmp_path, problem(api("r", 0.5, contract) + api("b", 5.0)))
    assert shares(first) == {"r": 1.0}
    made = problem(api("r", 0.5, contract) + api("b", 0.8))
    again = run(tmp_path, made)
    assert again.outcome == "kept"
    assert again.running_usd == approx(1.0)
    made = problem(api("r", 0.5, contract) + api("b", 0.8) + api("c", 0.1))
    again = run(tmp_path, made)
    assert again.outcome == "kept"  # even 0.10 would come on top of the 1.00


def test_a_sunk_contract_is_due_in_the_plan_that_leaves_it(tmp_path):
    """The offer's rate triples to 3.00 and its use is 3.00 > 1.00 due: leaving pays, and the 1.00 stays due."""
    contract = ", commitment: {min_usd_per_month: 730, term_months: 12}"
    run(tmp_path, problem(api("r", 0.5, contract) + api("b", 5.0)))
    made = problem(api("r", 3.0, contract) + api("b", 0.8))
    result = run(tmp_path, made)
    assert result.outcome == "cheaper"
    assert result.running_usd == approx(3.0)
    # 0.333 of the million fills the 1.00 due at 3.00; the rest goes to b
    assert lines(result) == {("r", "commitment"): approx(1.0), ("b", "tokens"): approx(0.8 * 2 / 3)}
    (row,) = result.plan.contracts
    assert (row.signed_by, row.committed_usd_per_month, row.end_month) == ("before", 730.0, 12)
    assert verify(made, result.plan).ok
    later = run(tmp_path, problem(api("r", 3.0, contract) + api("b", 0.7)))  # and so it goes on
    assert later.running_usd == approx(1.0 + 0.7 * 2 / 3)


def test_what_runs_needs_no_start(tmp_path):
    """g costs 2.00 and 10 to start; h comes at 1.00 and 10 to start. At hour 0 g runs: staying is 2.00, not 12."""
    start = ", start_usd: 10"
    run(tmp_path, problem(gpu("g", 2.0, 300, start)))
    kept = run(tmp_path, problem(gpu("g", 2.0, 300, start) + gpu("h", 1.0, 300, start)))
    assert kept.outcome == "kept"
    assert kept.running_usd == approx(2.0)
    assert kept.unconstrained_usd == approx(2.0)


def test_terms_bought_earlier_are_sunk(tmp_path):
    """An instance bought for 12 months at 2.00 an hour; h at 1.00 by the hour does not undo it."""
    run(tmp_path, problem(gpu("g", 2.0, 300, ", term_months: 12, upfront_usd: 100")))
    made = problem(gpu("g", 2.0, 300, ", term_months: 12, upfront_usd: 100") + gpu("h", 1.0, 300))
    kept = run(tmp_path, made)
    assert kept.outcome == "kept"
    assert (kept.running_usd, kept.unconstrained_usd) == approx((2.0, 2.0))
    load = "- {name: w, models: [m], demand: {requests_per_s: 6}, prompt_tokens: 90, completion_tokens: 10}"
    made = problem(
        gpu("g", 2.0, 300, ", term_months: 12, upfront_usd: 100") + gpu("h", 1.0, 300), workloads=load
    )
    more = run(tmp_path, made)
    assert more.outcome == "repair"
    assert {(row.offer, row.count) for row in more.plan.instances} == {("g", 1.0), ("h", 1.0)}
    assert more.plan.purchases == ()
    assert verify(made, more.plan).ok


def test_new_work_moves_nothing(tmp_path):
    """A workload that the running plan does not know is a repair without churn."""
    run(tmp_path, problem(api("a", 1.0)))
    sizes = "prompt_tokens: 900, completion_tokens: 100"
    load = f"- {{{{name: {{}}, models: [m], demand: {{{{requests_per_hour: 1000}}}}, {sizes}}}}}\n"
    made = problem(
        api("a", 1.0),
        workloads=load.format("w") + load.format("new"),
        more="reoptimise: {move_usd_per_m_tokens: 5, max_moved_share: 0}",
    )
    result = run(tmp_path, made)
    assert result.outcome == "repair"
    assert [one.promise for one in result.broken] == ["demand"]
    assert result.plan.cost_usd == approx(2.0)


def test_zero_demand_scales_down(tmp_path):
    load = (
        "- {{name: w, models: [m], demand: {{requests_per_s: {}}}, prompt_tokens: 90, completion_tokens: 10}}"
    )
    run(tmp_path, problem(gpu("g", 2.0), workloads=load.format(3)))
    result = run(tmp_path, problem(gpu("g", 2.0), workloads=load.format(0)))
    assert result.outcome == "cheaper"
    assert result.plan.instances == ()
    assert result.plan.cost_usd == 0


@pytest.mark.parametrize("seed", range(times(3)))
def test_against_every_plan_there_is(tmp_path, seed):
    """Counts of two pools over two hours, all 5^4 of them, with what change costs counted by hand."""
    import random

    draw = random.Random(seed)
    two = "{periods: 2, period_h: 1}"
    price = [draw.choice([1.0, 2.0, 3.0]) for _ in range(4)]
    resize, start = draw.choice([0.0, 0.5, 2.0]), draw.choice([0.0, 1.5])
    demand = [[draw.randint(0, 4) for _ in range(2)] for _ in range(2)]

    def case(prices: list[float], load: list[int], more: str = ""):
        offers = gpu("g", prices[0], more=f", start_usd: {start}") + gpu(
            "h", prices[1], more=f", start_usd: {start}"
        )
        requests = [3600 * n for n in load]
        work = (
            f"- {{name: w, models: [m], demand: {{requests_by_period: {requests}}}, "
            "prompt_tokens: 90, completion_tokens: 10}"
        )
        return problem(offers, workloads=work, horizon=two, more=more)

    first = run(tmp_path, case(price[:2], demand[0]))
    old = {
        (offer, t): sum(r.count for r in first.plan.instances if (r.offer, r.period) == (offer, t))
        for offer in "gh"
        for t in (0, 1)
    }
    made = case(price[2:], demand[1], f"reoptimise: {{resize_usd: {resize}}}")
    result = run(tmp_path, made)

    def cost(g0: int, g1: int, h0: int, h1: int) -> float:
        new = {("g", 0): g0, ("g", 1): g1, ("h", 0): h0, ("h", 1): h1}
        if any(new["g", t] + new["h", t] < demand[1][t] for t in (0, 1)):
            return float("inf")
        usd = sum(price[2 + "gh".index(o)] * n for (o, _), n in new.items())
        usd += resize * sum(abs(n - old[at]) for at, n in new.items())
        for o in "gh":
            usd += start * (max(new[o, 0] - old[o, 0], 0) + max(new[o, 1] - new[o, 0], 0))
        return usd

    best = min(cost(*counts) for counts in itertools.product(range(5), repeat=4))
    stay = cost(*(int(old[at]) for at in (("g", 0), ("g", 1), ("h", 0), ("h", 1))))
    if stay == float("inf"):
        assert result.outcome == "repair"
        assert result.plan.cost_usd == approx(best)
    elif stay > best + 1e-6:
        assert result.outcome == "cheaper"
        assert (result.running_usd, result.plan.cost_usd) == approx((stay, best))
    else:
        assert result.outcome == "kept"
        assert result.running_usd == approx(stay)
    if result.changed:
        assert verify(made, result.plan).ok
