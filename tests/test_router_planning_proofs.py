"""Every plan has a bound of its own: large ones, of several futures, made from a running plan, stopped early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import problem_factory as factory
import pytest
from problem_factory import load
from reoptimise_cases import api, gpu, problem, run
from scipy import sparse
from sizing_factory import sized
from strategies import EVERYTHING, random_problem

import router
from problems.core.encode import encode
from router.errors import RouterError
from router.normalise import normalise
from router.plan.proof import Proof
from router.planning import proving
from router.planning.proofs.mixed import MOST, _cut, finer
from router.planning.proofs.scaled import ScaledRelaxation
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from solvers import LinearProgram, SolveOptions, solve
from solvers.highs_relaxation import HighsRelaxation
from solvers.proof import WorkLimits, prove

FLEETS = Path(__file__).parent / "instances" / "bug-016-five-fleets-apart.yaml"
MILLIONTH = Path(__file__).parent / "instances" / "bug-own-millionth-beside-an-api.yaml"
MIXES = Path(__file__).parent / "instances" / "waiting-at-mixes-of-no-plan.yaml"
SEVERAL = [0, 8, 36, 39, 49, 55]  # seeds whose problems have several futures


@pytest.mark.parametrize("seed", SEVERAL)
def test_the_rows_of_several_futures_are_those_of_the_program(seed: int) -> None:
    """Both relaxations have the same optimum; the tree over all futures then proves the plan."""
    data = random_problem(Random(seed), EVERYTHING - {"slo"})
    assert len(data["scenarios"]) == 3
    plan = sized(data)
    model = relaxation_of(Audit(load(data), replace(plan, objective_usd=1e12)))
    assert model is not None
    ours = solve(ScaledRelaxation.of(model).program.relax(), "highs", SolveOptions()).objective
    theirs = solve(encode(normalise(load(data))).program.relax(), "highs", SolveOptions()).objective
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd == pytest.approx(plan.objective_usd, rel=1e-5)


def test_beyond_a_tree_the_relaxation_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """11,765.50 USD is the optimum of five fleets; fractions of instances cost a little less."""
    monkeypatch.setattr(proving, "LARGEST", 10)
    plan = router.solve(FLEETS)
    assert plan.proof is not None
    assert plan.proof.kind != "own"
    assert all(part.leaves is None for part in plan.proof.parts)
    assert 11_000 < plan.proof.bound_usd < 11_765.5
    assert plan.ok


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("bug-044-units-for-a-term", 428.4),
        ("bug-045-two-engines-at-one-mix", 9.0),
        ("bug-046-levels-of-several-mixes", 53_571.37),
    ],
)
def test_what_a_solver_claims_is_proven(name: str, usd: float) -> None:
    """Counts under a term, a mix at the corner of its piece, levels of several mixes: no solver's word is left."""
    plan = router.solve(FLEETS.parent / f"{name}.yaml")
    assert plan.cost_usd == pytest.approx(usd, rel=1e-6)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd == pytest.approx(usd, rel=1e-6)
    assert plan.ok


def test_no_tree_is_grown_for_what_the_verifier_lets_go() -> None:
    """18 instance-hours of six, and 6 of two, at 1 USD: the relaxation proves 24 but for a millionth of the work.

    That this millionth needs no instance less in any of the hours would take thousands of leaves to show.
    """
    work = factory.hourly(1e6, window={"start": "22:00", "end": "06:00"})
    plan = router.solve(load(factory.problem(work, factory.gpu("g", 1, 1), periods=24)))
    assert plan.cost_usd == pytest.approx(24.0)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.stop == "optimal"
    assert plan.bound_usd == pytest.approx(24.0, rel=1.001e-6)
    assert sum(len(part.leaves or ()) for part in plan.proof.parts) < 80


def knapsacks(n: int) -> LinearProgram:
    """min Σ (1 + i / n) x_i : x_i + x_(i+1) ≥ 1, in [0, 10]; half of every x costs 3 n / 4 or so."""
    index = np.arange(n - 1)
    rows, columns = np.concatenate([index, index]), np.concatenate([index, index + 1])
    return LinearProgram(
        cost=1.0 + np.arange(n) / n,
        matrix=sparse.coo_array((np.ones(2 * n - 2), (rows, columns)), shape=(n - 1, n)).tocsr(),
        row_lower=np.ones(n - 1),
        row_upper=np.full(n - 1, np.inf),
        col_lower=np.zeros(n),
        col_upper=np.full(n, 10.0),
        integer=np.arange(n) % 2 == 0,
        offset=0.0,
    )


def test_what_a_limit_ends_still_bounds_and_more_work_bounds_more() -> None:
    program = knapsacks(4_000)
    best = prove(program, HighsRelaxation).bound
    few = prove(program, HighsRelaxation, work=WorkLimits(effort=0.0, root=80_000.0))
    assert not few.complete
    assert 0.1 * best < few.bound < best
    assert few.bound == prove(program, HighsRelaxation, work=WorkLimits(effort=0.0, root=80_000.0)).bound


RUNNING = gpu("slow", 2.0, 150.0, ", start_usd: 0.7, start_h: 0.5, min_up_h: 2, max_utilisation: 1.0")
TERM = gpu("term", 1.5, 150.0, ", term_months: 1, upfront_usd: 2.0, max_utilisation: 1.0")


@pytest.mark.parametrize("offer", [RUNNING, TERM])
def test_a_plan_made_from_a_running_one_has_its_own_bound(tmp_path: Path, offer: str) -> None:
    """What ran starts for nothing, what was bought goes on; what change costs is left out, and here there is none."""
    hours = "{periods: 3, period_h: 1}"
    run(tmp_path, problem(offer + api("dear", 9.0), horizon=hours))
    more = "- {name: w, models: [m], demand: {requests_per_hour: 3000}, prompt_tokens: 900, completion_tokens: 100}"
    result = run(tmp_path, problem(offer + api("cheap", 0.3), horizon=hours, workloads=more))
    plan = result.plan
    assert plan.running is not None
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd == pytest.approx(plan.objective_usd, rel=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_no_plan_from_a_running_one_is_cheaper_than_its_proof(tmp_path: Path, seed: int) -> None:
    """Random problems, run again at other prices: the plan is within its relaxation, whatever runs and is signed."""
    data = random_problem(Random(seed), EVERYTHING - {"scenarios", "slo"})
    try:
        run(tmp_path, load(data))
        for offer in data["offers"][::2]:
            for entry in offer["models"].values():
                for name in [name for name in entry if name.endswith("usd_per_m")]:
                    entry[name] *= 3.0
        plan = run(tmp_path, load(data)).plan
    except RouterError:
        return
    if plan is not None and plan.running is not None:
        assert plan.proof is not None
        assert plan.proof.bound_usd <= plan.objective_usd * (1 + 1e-6) + 1e-9


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_a_plan_takes_as_much_of_an_allowance_as_its_proof_needs(solver: str) -> None:
    """2.00 USD without the millionth that a node may carry more, 2.0 − 3.6e-6 with all of it: no more than a millionth
    of the cost is left open, and hardly more than half of the 3.6e-6 is used.
    """
    plan = router.solve(MILLIONTH, solver=solver)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.stop == "optimal"
    assert plan.gap <= 1e-6
    assert 2.0 - 1.8e-6 < plan.objective_usd <= 2.0
    assert router.verify(MILLIONTH, plan).ok


def test_regions_of_a_proof_are_cut_where_its_relaxation_waits_too_long() -> None:
    """Each cut leaves every plan in the relaxation, whose optimum comes up from 1.7 % below to what the plan costs."""
    problem, plan, mixes = router.load(MIXES), router.solve(MIXES), {}
    encoded, usd = encode(normalise(problem)), []
    for _ in range(4):
        model = relaxation_of(Audit(problem, replace(plan, proof=Proof("solver", 0.0, (), mixes=mixes))))
        assert model is not None
        scaled = ScaledRelaxation.of(model)
        found = solve(scaled.program, "highs", SolveOptions())
        assert found.point is not None
        usd.append(scaled.program.objective(found.point))
        cut = finer(encoded, scaled, found.point, mixes)
        if cut is None:
            break
        assert all(set(each) <= set(cut[name]) and len(cut[name]) <= MOST for name, each in mixes.items())
        mixes = cut
    assert usd[0] < 0.99 * plan.objective_usd
    assert plan.objective_usd * (1 - 1e-5) < usd[-1] <= plan.objective_usd


def test_what_promises_let_go_of_beside_an_api_is_no_want_of_a_proof() -> None:
    """Two reserved instances carry nine tenths, the API costs nearly all that is paid: a millionth more in the pool is
    worth 9e-6 of the plan, and waits, servers and work may each have some. The solver's word stood, 2.2e-5 away.

    Of 3 · 5,028 requests at 1,597.5 USD per million the API would take 24.10 USD; the instances are 0.0438.
    """
    plan = router.solve(
        load(
            {
                "schema": "router/1",
                "horizon": {"periods": 3, "period_h": 1},
                "models": {"m": {}},
                "workloads": [
                    {
                        "name": "w",
                        "models": ["m"],
                        "demand": {"requests_per_hour": 5028},
                        "prompt_tokens": 100,
                        "completion_tokens": 100,
                        "slo": {"ttft_p99_ms": 900},
                    }
                ],
                "offers": [
                    {
                        "name": "gpu",
                        "models": {"m": {"tokens_per_s": 346.8, "ttft_p99_ms": 233, "tpot_p99_ms": 10}},
                        "instances": {"usd_per_h": 0.007306, "reserved": 2, "start_h": 6},
                    },
                    {
                        "name": "api",
                        "models": {
                            "m": {
                                "prompt_usd_per_m": 3.995,
                                "completion_usd_per_m": 11.98,
                                "ttft_p99_ms": 248,
                                "tpot_p99_ms": 20,
                            }
                        },
                    },
                ],
            }
        ),
        options=SolveOptions(gap=1e-6),
    )
    assert plan.objective_usd == pytest.approx(2.516106, rel=1e-6)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd == plan.proof.bound_usd
    assert 1e-6 < plan.gap < 3e-5


def test_no_cut_is_made_where_one_is_as_near_as_makes_a_difference() -> None:
    """At 1, and a fifth of the way to its neighbours, which are at 0.5 and 2 until there are any."""
    mixes = _cut((), 1.0)
    assert mixes == pytest.approx((0.9, 1.0, 1.2))
    for _ in range(20):
        mixes = _cut(mixes, 1.0)
    assert _cut(mixes, 1.0) == mixes
    assert mixes[mixes.index(1.0) + 1] - mixes[mixes.index(1.0) - 1] <= 1e-7
