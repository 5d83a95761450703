"""Problems of the campaigns that once ended in a bug of the planner, by the seed that draws them."""

from __future__ import annotations

import pytest
from campaigns import corners
from problem_factory import SOLVERS, load

import router
from router.errors import Infeasible


@pytest.mark.parametrize(
    "seed",
    [
        3_000_111,  # exit 5, then 6: every solver's point had a ten-millionth of a cell on instances that do not run
        11_001_137,  # exit 6: half a billionth of an instance ran and was not bought
    ],
)
def test_a_corner_has_a_verified_plan(seed: int) -> None:
    assert router.solve(load(corners.drawn(seed))).ok


def test_a_tiny_load_keeps_its_shares_beside_a_large_one_that_runs_at_another_time() -> None:
    """Exit 6: 0.0023 tokens an hour went to one provider, where each may have 70 %; 12 hours of which most are idle."""
    plan = router.solve(load(corners.drawn(61_001_006)))
    assert plan.ok
    assert plan.cost_usd == pytest.approx(27.6000000138, rel=1e-10)


@pytest.mark.usefixtures("short_proofs")
@pytest.mark.parametrize(
    ("seed", "usd"),
    [
        (1_000_321, 44.325714313),  # exit 5: a contract to sign and an instance, for 30 % of a tiny load
        (1_001_095, 1_500.00000345),  # exit 6: an instance of 500 USD in each of three periods
        (1_001_185, 1.4000000119),  # exit 6: an instance of 0.50 USD beside a signed commitment of 0.90
        (1_001_626, 5_436.273657649),  # exit 6: equal plans, of which the first runs on what boots
    ],
)
def test_nothing_goes_through_what_is_closed(seed: int, usd: float) -> None:
    """Billionths of a large load went through what is not rented, so that a tiny one kept its share of providers."""
    plan = router.solve(load(corners.drawn(seed)))
    assert plan.cost_usd == pytest.approx(usd, rel=1e-9)
    assert plan.gap < 1e-6


@pytest.mark.usefixtures("short_proofs")
def test_whole_numbers_that_presolve_calls_infeasible_are_a_plan_all_the_same() -> None:
    """A tiny load in a pool that waits: rounds ended at the first such point, with twice the cost and a gap of 50 %."""
    plan = router.solve(load(corners.drawn(11_001_886)))
    assert plan.cost_usd == pytest.approx(14.599359501)
    assert plan.gap < 1e-5


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_goes_through_a_quota_of_none(solver: str) -> None:
    """Two providers are asked for, and the second has none: a third of a request a month went there (exit 1)."""
    with pytest.raises(Infeasible):
        router.solve(load(corners.drawn(11_002_282)), solver=solver)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", [11_000_543, 1_002_407, 1_003_013, 1_003_154])
def test_nothing_runs_on_what_still_boots(solver: str, seed: int) -> None:
    """Two providers are asked for, and one boots throughout: a billionth of an instance's load went there (6, 5)."""
    with pytest.raises(Infeasible):
        router.solve(load(corners.drawn(seed)), solver=solver)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", [410_000_001_001_723, 410_000_001_004_848, 440_000_001_001_584])
def test_a_tiny_load_alone_with_one_provider_has_no_plan(solver: str, seed: int) -> None:
    """No provider may have over 70 %; all others boot throughout the first period, or have a quota of none.

    Of all work the tiny load is 2.5e-7 (5.9e-7, 5e-10), and 0.3 of that within a solver's tolerance: it ran there (6).
    """
    with pytest.raises(Infeasible):
        router.solve(load(corners.drawn(seed)), solver=solver)


def test_a_point_of_a_pool_that_waits_contradicts_nothing() -> None:
    """CBC has a point of the program of 1004650, whose requests would wait too long: neither of the two has a plan."""
    problem = load(corners.drawn(1_004_650))
    with pytest.raises(Infeasible):
        router.solve(problem)
    assert not corners.contradicted(problem)


def test_two_engines_in_a_pool_leave_no_gap() -> None:
    """A tiny load on a model of two engines beside one that minds waiting: the plan was 7 % too dear."""
    plan = router.solve(load(corners.drawn(5_000_656)))
    assert plan.cost_usd == pytest.approx(1284.48882)
    assert plan.gap < 1e-6


def test_rounds_go_on_while_a_bound_stands_still() -> None:
    """A mix that just misses its promise has neighbours at the same cost: 3 % were left when rounds ended too early."""
    plan = router.solve(load(corners.drawn(6_001_401)))
    assert plan.cost_usd == pytest.approx(9672.002)
    assert plan.gap < 1e-6


@pytest.mark.usefixtures("short_proofs")
def test_what_a_search_lets_go_of_is_left_to_the_check() -> None:
    """A quota that is exceeded by 3e-7 of it, less than the check allows: flows to within 1e-7 ended with exit 5."""
    assert router.solve(load(corners.drawn(1_001_211))).ok


def test_a_millionth_of_a_cent_has_a_bound() -> None:
    """Costs of 1e-9 USD are within a tolerance of duals: our own bound is 0, and was taken for one of them."""
    plan = router.solve(load(corners.drawn(5_001_100)))
    assert plan.cost_usd == pytest.approx(1e-9, rel=1e-6)
    assert plan.gap < 1e-6


def test_a_pool_that_waits_and_is_rented_in_parts_has_a_bound_of_its_own() -> None:
    """The verifier asks whether any of it is rented, the program does without that column."""
    plan = router.solve(load(corners.drawn(1_000_142)))
    assert plan.proof is not None
    assert plan.proof.kind == "own"


def test_a_proof_of_a_program_without_coefficients() -> None:
    """Its relaxation is solved without a basis; HiGHS, asked for one, read where nothing is, and the process died."""
    assert corners.campaign(1, 520_000_001_002_521).faults == []
