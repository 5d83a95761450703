"""Many scenarios in one linear program: priced together, decided by cuts from all of them, at prices that move."""

from __future__ import annotations

import pickle
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from benchmarks.sizing import year
from benchmarks.textbook_shapes import textbook_shape
from campaign import times
from hand_clock import set_clock
from problem_factory import Data, api, gpu, load, monthly, problem
from random_sizing import random_problem
from sizing_factory import MONTH, M, contract, futures, near

from problems.core.arrays import Floats
from problems.core.decision import decision_of
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from problems.core.variants import repriced, rows_read_prices
from router.errors import Infeasible
from router.normalise import normalise
from router.planning import two_steps
from router.planning.fixed import exact
from router.planning.two_steps import Incumbent
from router.sizing import SizeOptions, first_stage, joint, options, outcomes, size
from router.sizing.best import best_plan, priced
from router.sizing.first_stage import decide
from router.sizing.joint import JointSearch
from router.sizing.options import Study
from router.workers import ALONE
from solvers import SolveOptions, Stop
from solvers.two_stage.joint_recourse import JointRecourse
from solvers.two_stage.recourse import Recourse

STUDY = Study("highs", SolveOptions(gap=1e-7), "auto", ALONE)
SMALL = replace(STUDY, method="program")


def shape(scenarios: int = 24, seed: int = 1) -> Instance:
    return normalise(load(textbook_shape(scenarios, 3, 6, seed)))


@pytest.fixture
def jointly(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the problem is."""
    monkeypatch.setattr(joint, "FEW", 1)
    monkeypatch.setattr(joint, "LEAST", 0)


def test_together_scenarios_cost_what_each_costs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    inst = shape()
    decision = decide(inst, SMALL).decision
    together = outcomes.outcomes(inst, decision, STUDY, decodes=True)
    assert outcomes._programs(inst).in_a_block == 3  # of 24: eight programs at least
    monkeypatch.setattr(outcomes, "BLOCK", 1)
    alone = outcomes.outcomes(replace(inst), decision, STUDY, decodes=True)
    assert [one.name for one in together] == [one.name for one in alone]
    assert outcomes.costs_of(together) == pytest.approx(outcomes.costs_of(alone), rel=1e-9)
    for one, other in zip(together, alone, strict=True):
        assert one.decoded is not None
        assert other.decoded is not None
        assert {row.scenario for row in one.decoded.routes} == {one.name}


def test_several_decisions_at_once_are_each_by_itself() -> None:
    """Its own best, what the best first stage of all costs, and one that signs nothing."""
    inst = shape()
    best = decide(inst, SMALL).decision
    nothing = replace(
        best, **{name: 0.0 * getattr(best, name) for name in ("signed", "committed", "ahead", "paid")}
    )
    asked = (None, best, nothing)
    for answer, decision in zip(outcomes.outcomes_under(inst, asked, STUDY), asked, strict=True):
        alone = outcomes.outcomes(replace(inst), decision, STUDY)
        assert outcomes.costs_of(answer) == pytest.approx(outcomes.costs_of(alone), rel=1e-9)


@pytest.mark.parametrize(
    ("inst", "whole"), [(normalise(year(6, workloads=6, offers=6)), True), (shape(6), False)]
)
def test_what_is_best_for_one_is_its_relaxation_where_that_is_whole(inst: Instance, whole: bool) -> None:
    """As contracts of a year are signed in whole, and instances for a month are not: each costs what a search finds.

    A search may use the millionth that bounds allow at the end of a count (`fixed.part_lent`), which is not read here.
    """
    assert outcomes._is_whole(inst, STUDY) is whole
    own = outcomes.costs_of(outcomes.outcomes(inst, None, STUDY))
    for s, usd in enumerate(own.tolist()):
        alone = encode(replace(inst, scenarios=inst.scenarios.only(s)))
        found = outcomes.search(alone, STUDY).objective_usd
        assert found * (1 - 3e-7) <= usd <= found * (1 + 3e-6)


def test_scenarios_are_shared_out_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert SizeOptions().suited(options.SHARED_OUT, generated=False).workers == 3
    assert SizeOptions().suited(options.SHARED_OUT - 1, generated=False).workers == 1
    assert SizeOptions(workers=2).suited(10, generated=False).workers == 2


def test_no_processes_are_started_that_would_be_ready_when_the_time_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where they are asked for they are."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    short, long = 0.5 * options.TO_START_S, options.TO_START_S
    many = options.SHARED_OUT
    assert SizeOptions().suited(many, generated=False, limit_s=short).workers == 1
    assert SizeOptions().suited(many, generated=False, limit_s=long).workers == 3
    assert SizeOptions(workers=2).suited(many, generated=False, limit_s=short).workers == 2


@pytest.mark.usefixtures("jointly")
def test_cuts_that_the_time_ends_leave_the_best_first_stage_that_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 60 s the first look at all scenarios takes 61: one whole first stage follows in the overtime of 3 s."""
    inst, clock = shape(), set_clock(monkeypatch)
    best = decide(inst, STUDY)
    at = JointRecourse.at

    def slowly(self: JointRecourse, x: Floats) -> tuple[Floats, Floats, Floats]:
        clock.s = max(clock.s, began + 61.0)
        return at(self, x)

    monkeypatch.setattr(JointRecourse, "at", slowly)
    began = clock.s
    late = decide(inst, replace(STUDY, options=replace(STUDY.options, time_limit_s=60.0).begun()))
    assert (best.stop, late.stop) == (Stop.OPTIMAL, Stop.TIME_LIMIT)
    assert late.method == best.method == "cuts"
    assert best.plan is not None
    assert late.plan is not None
    assert late.bound_usd <= best.plan.objective_usd * (1 + 1e-7) <= late.plan.objective_usd * (1 + 2e-7)


def test_the_proof_of_many_futures_takes_a_part_of_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two futures of one workload and two offers, four flows: 60 s each here, and a quarter of 900 s is 225 s."""
    data = problem(monthly(5 * M), [api("a", 1.0), api("b", 2.0)], period_h=MONTH)
    data["scenarios"] = futures((0.5, 1.0), (0.5, 2.0))
    how = SizeOptions(questions=False, alternatives=0, measures=False)
    monkeypatch.setattr("router.planning.proving.WRITING_S", 60.0)
    short, long = (size(load(data), options=SolveOptions(time_limit_s=s), how=how) for s in (900.0, 1000.0))
    assert short.proof is None
    assert any("a bound of our own" in note for note in short.notes)
    assert long.proof is not None


def test_the_one_that_cannot_be_served_is_named_among_many() -> None:
    """Machines of 2 M tokens a month each, one bought: 30 futures of 1.5 M are served, the 31st needs 3 M."""
    own = gpu("own", 1.0, 2 / MONTH, resize="horizon", max=4)
    many = futures(*[(1 / 32, 1.0)] * 31, (1 / 32, 2.0))
    inst = normalise(load(problem(monthly(1.5 * M), [own], period_h=MONTH, scenarios=many)))
    one = decide(replace(inst, scenarios=inst.scenarios.only(0)), SMALL).decision
    assert one.ahead.tolist() == [1.0]
    costs = outcomes.costs_of(outcomes.outcomes(inst, one, STUDY))
    assert np.flatnonzero(~np.isfinite(costs)).tolist() == [31]
    assert costs[:31] == near(MONTH)


def test_scenarios_one_by_one_are_looked_at_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 60 s the first scenario's program takes 61: no other is looked at, and the best first stage for the mean
    stands. It is asked for within the 60 s."""
    inst, clock, limits = shape(), set_clock(monkeypatch), list[float]()
    mean = decide(replace(inst, scenarios=inst.scenarios.mean()), SMALL)
    asked, looked, at = first_stage.search, list[int](), Recourse.at

    def searched(encoded: Encoded, study: Study, fixed: Any = None) -> Incumbent:
        limits.append(study.options.left_s)
        return asked(encoded, study, fixed)

    def slowly(self: Recourse, x: Floats, basis: Any = None) -> Any:
        looked.append(1)
        clock.s += 61.0
        return at(self, x, basis)

    monkeypatch.setattr(first_stage, "search", searched)
    monkeypatch.setattr(Recourse, "at", slowly)
    options = replace(STUDY.options, time_limit_s=60.0).begun()
    late = decide(inst, replace(STUDY, method="cuts", options=options))
    assert (late.stop, late.method, late.plan) == (Stop.TIME_LIMIT, "cuts", None)
    assert late.decision.signed.tolist() == mean.decision.signed.tolist()
    assert (len(looked), limits) == (1, [60.0])


def test_no_relaxation_is_asked_for_that_would_end_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 s are left, without the overtime; with a second for each number no solver looks at its clock before."""
    inst, _ = shape(), set_clock(monkeypatch)
    begun = replace(STUDY, options=STUDY.options.begun())
    exactly = exact(encode(replace(inst, scenarios=inst.scenarios.only(0))))
    assert exactly.program.matrix.nnz > 60
    asked, run = list[float](), outcomes.run
    monkeypatch.setattr(outcomes, "run", lambda *given: asked.append(given[2].left_s) or run(*given))
    for seconds in (0.0, 1.0):
        monkeypatch.setattr(two_steps, "BEGINNING_S", seconds)
        found = outcomes.relaxed_point(exactly, begun)
        assert asked == [60.0]
    assert found is None


def test_of_one_future_there_is_nothing_to_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large: cuts know no whole numbers of what follows the first stage, and by hand there is always a plan."""
    monkeypatch.setattr(first_stage, "LARGEST_MONOLITH", 0)
    inst = shape()
    assert decide(replace(inst, scenarios=inst.scenarios.only(0)), STUDY).method == "one program"
    assert decide(inst, STUDY).method == "cuts"


@pytest.mark.usefixtures("jointly")
@pytest.mark.parametrize("seed", range(times(6)))
def test_joint_cuts_and_one_program_agree(seed: int) -> None:
    """On problems that mix everything that is signed; where cuts are not for one, one program decides it anyway."""
    data = random_problem(Random(seed))
    close, how = SolveOptions(gap=1e-7), SizeOptions(questions=False, alternatives=0, measures=False)
    try:
        whole = size(load(data), options=close, how=replace(how, method="program"))
    except Infeasible:
        with pytest.raises(Infeasible):
            size(load(data), options=close, how=how)
        return
    cuts = size(load(data), options=close, how=how)
    assert cuts.ok
    assert cuts.objective_usd == pytest.approx(whole.objective_usd, rel=1e-6, abs=1e-6)
    assert cuts.bound_usd <= whole.objective_usd * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize("seed", [1, 2])
def test_textbook_shapes_are_decided_jointly(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "LEAST", 100)
    inst = shape(40, seed)
    first = decide(inst, STUDY)
    whole = decide(inst, SMALL)
    assert (first.method, whole.method) == ("cuts", "one program")
    assert first.plan is not None
    assert whole.plan is not None
    assert first.plan.objective_usd == pytest.approx(whole.plan.objective_usd, rel=3e-7)
    assert first.bound_usd <= whole.plan.objective_usd * (1 + 1e-9)


@pytest.mark.usefixtures("jointly")
def test_at_higher_prices_the_search_goes_on_from_cuts_that_hold() -> None:
    """At 1.0, 1.3 and 1.7 times an offer's prices, and back at 0.2, where no cut is known: as if begun anew."""
    inst = shape()
    o = inst.offers.names.index("o2")
    search = JointSearch.of(encode(inst), STUDY)
    assert search is not None
    rounds = []
    for multiple in (1.0, 1.3, 1.7, 0.2):
        dearer = priced(inst, o, multiple)
        going_on = search.repriced(dearer)
        assert going_on is not None
        known = going_on.recourse.known()
        plan = best_plan(STUDY, dearer, going_on)
        anew = best_plan(STUDY, dearer)
        assert plan.objective_usd == pytest.approx(anew.objective_usd, rel=3e-7)
        for x, cost, gradient in known:  # no known cut lies above what a first stage costs
            here, _, _ = going_on.recourse.at(going_on.start)
            assert (cost + gradient @ (going_on.start - x) <= here * (1 + 1e-9) + 1e-6).all()
        rounds.append((len(known) > 0, plan.first.rounds))
        search = going_on
    assert [known for known, _ in rounds] == [False, True, True, False]


@pytest.mark.parametrize("seed", range(times(40)))
def test_repriced_is_encoded_at_those_prices(seed: int) -> None:
    """Row by row and dollar by dollar, wherever it is said that no row reads prices."""
    rng = Random(seed)
    inst = normalise(load(random_problem(rng)))
    dearer = priced(inst, rng.randrange(len(inst.offers.names)), rng.choice((0.3, 1.7)))
    if rows_read_prices(inst):
        return
    quick, anew = repriced(encode(inst), dearer), encode(dearer)
    same(quick.program, anew.program)
    for costs, others in zip(quick.costs, anew.costs, strict=True):
        assert [(c.kind, c.constant) for c in costs] == [(c.kind, c.constant) for c in others]
        for cost, other in zip(costs, others, strict=True):
            assert (cost.at == other.at).all()
            assert (cost.usd == other.usd).all()


def same(program: Any, other: Any) -> None:
    assert (program.matrix != other.matrix).nnz == 0
    assert program.offset == other.offset
    for name in ("cost", "row_lower", "row_upper", "col_lower", "col_upper", "integer"):
        assert (getattr(program, name) == getattr(other, name)).all()


def test_all_second_stages_at_once_are_what_each_is() -> None:
    """Costs to the cent, and every subgradient below the costs at another first stage."""
    inst = shape(6)
    encoded = encode(inst)
    all_of = JointRecourse(encoded.program, inst.scenarios.probability)
    of = inst.contracts.start_contract
    rng = np.random.default_rng(1)
    points = [rng.uniform(0.0, 1.0, len(all_of.linking)) for _ in range(3)]
    found = [all_of.at(x) for x in points]
    for s in range(len(inst.scenarios)):
        alone = encode(replace(inst, scenarios=inst.scenarios.only(s)))
        unit = np.ones(len(all_of.linking))
        unit[encoded.first.committed] = (encoded.first.commit_scale / alone.first.commit_scale)[of]
        for x, (cost, _, _) in zip(points, found, strict=True):
            value = Recourse(alone.program).at(x * unit)
            assert value.cost == pytest.approx(cost[s], rel=1e-9)
    for x, (cost, gradient, _) in zip(points, found, strict=True):
        for y, (other, _, _) in zip(points, found, strict=True):
            assert (cost + gradient @ (y - x) <= other * (1 + 1e-9)).all()


def test_a_first_stage_that_some_future_cannot_follow_is_cut_off() -> None:
    """One machine serves 2 M tokens a month: of 1.5 and 3 M the second needs two, and the cut says 1.5 at least."""
    own = gpu("own", 1.0, 2 / MONTH, resize="horizon", max=4)
    data: Data = problem(monthly(1.5 * M), [own], period_h=MONTH, scenarios=futures((0.5, 1.0), (0.5, 2.0)))
    encoded = encode(normalise(load(data)))
    recourse = JointRecourse(encoded.program, np.full(2, 0.5))
    at = np.flatnonzero(recourse.linking == encoded.first.ahead.count[0, 0])
    x = np.zeros(len(recourse.linking))
    x[at] = 1.0
    cost, gradient, least = recourse.at(x)
    assert not np.isfinite(cost).any()
    assert gradient[0] @ x < least[0]
    x[at] = 1.5 + 1e-6
    assert gradient[0] @ x >= least[0] - 1e-6
    assert np.isfinite(recourse.at(x)[0]).all()


def test_walk_away_prices_are_those_of_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's steps from cuts that are known, and every question besides."""
    data = textbook_shape(20, 2, 3, 3)
    how = SizeOptions(questions=True, alternatives=2)
    monkeypatch.setattr("router.sizing.sensitivity.CLOSE", 0.5)
    whole = size(load(data), how=replace(how, method="program")).to_dict()["sizing"]
    monkeypatch.setattr(joint, "LEAST", 0)
    cuts = size(load(data), how=how).to_dict()["sizing"]
    assert [row["offer"] for row in cuts["quotes"]] == [row["offer"] for row in whole["quotes"]]
    for row, other in zip(cuts["quotes"], whole["quotes"], strict=True):
        assert row["verdict"] == other["verdict"]
        assert row["walk_away_multiple"] == pytest.approx(other["walk_away_multiple"], rel=1e-4)
        assert row["worth_usd"] == pytest.approx(other["worth_usd"], rel=1e-4, abs=0.1)


@pytest.mark.usefixtures("jointly")
@pytest.mark.parametrize("seed", range(times(4)))
def test_questions_asked_of_one_program_are_those_of_many(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alternatives, quotes and flips, on problems that mix everything that is signed."""
    monkeypatch.setattr("router.sizing.sensitivity.CLOSE", 0.5)
    data, close = random_problem(Random(100 + seed)), SolveOptions(gap=1e-7, time_limit_s=600.0)
    how = SizeOptions(questions=True, alternatives=3, measures=False)
    try:
        whole = size(load(data), options=close, how=replace(how, method="program")).to_dict()["sizing"]
    except Infeasible:
        return
    quick = size(load(data), options=close, how=how).to_dict()["sizing"]
    for kind, figures in (
        ("alternatives", ("objective_usd",)),
        ("quotes", ("verdict", "walk_away_multiple", "worth_usd")),
        ("flips", ("direction", "at")),
    ):
        assert len(quick[kind]) == len(whole[kind])
        for row, other in zip(quick[kind], whole[kind], strict=True):
            for name in figures:
                now = row.get(name)
                exact = isinstance(now, str) or now is None
                assert now == (other.get(name) if exact else pytest.approx(other[name], rel=1e-4, abs=1e-3))
    for row, other in zip(quick["flips"], whole["flips"], strict=True):
        for step, own in zip(row["steps"], other["steps"], strict=True):
            now, usd = step["expected_usd"], own["expected_usd"]
            assert now == (usd if usd is None else pytest.approx(usd, rel=1e-6, abs=1e-6))


def test_what_a_search_states_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 M tokens a month at 1.50 USD on demand are 15; a reserved rate of 0.60 from 10 M on is 6. A search that says
    that 15 is the least is found out by another, of no more nodes, and its bound is not believed.
    """
    offers = [api("on-demand", 1.5), contract("reserved", 0.6, 10)]
    data = problem(monthly(10 * M), offers, period_h=MONTH, scenarios=futures((0.5, 1.0), (0.5, 1.0)))

    def lies(encoded: Encoded, study: Study) -> Incumbent:
        nothing = decision_of(encoded, np.zeros(encoded.program.n_columns))
        plan = outcomes.search(encoded, study, fixed=nothing)
        return replace(plan, encoded=encoded, stop=Stop.OPTIMAL, bound=plan.objective_usd, nodes=1)

    monkeypatch.setattr("router.sizing.first_stage.search", lies)
    how = SizeOptions(questions=False, alternatives=0, measures=False)
    plan = size(load(data), how=how)
    assert plan.objective_usd == near(6.0)
    assert plan.bound_usd <= 6.0 * (1 + 1e-6)
    assert [row.offer for row in plan.contracts] == ["reserved"]


def test_months_that_are_alike_once_contracts_are_signed_are_solved_once() -> None:
    """Twelve months of a year are one kind of part; all at once costs the same, and no subgradient lies above."""
    inst = normalise(year(1, workloads=6, offers=6))
    program = encode(inst).program
    parts, whole = Recourse(program), Recourse(program)
    assert parts._parts is not None
    assert {kind.rows.shape[0] % 12 for kind in parts._parts.kinds} == {0}
    whole._parts = None
    rng, basis = np.random.default_rng(1), None
    points = [rng.uniform(0.0, 0.2, len(parts.linking)) for _ in range(4)]
    points[0][:] = 0.0
    values = []
    for x in points:
        value = parts.at(x, basis)
        assert value.cost == pytest.approx(whole.at(x).cost, rel=1e-9)
        basis = pickle.loads(pickle.dumps(value.basis))
        values.append(value)
    for x, value in zip(points, values, strict=True):
        for y, other in zip(points, values, strict=True):
            assert value.cost is not None
            assert other.cost is not None
            assert value.cost + value.gradient @ (y - x) <= other.cost * (1 + 1e-9)
