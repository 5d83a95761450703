"""Programs written from another's: the plans, costs and second stages that those written anew have."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from benchmarks.textbook_shapes import textbook_shape
from campaign import times
from problem_factory import MONTH, api, gpu, load, monthly, problem
from random_sizing import random_problem
from sizing_factory import M, contract, futures

from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from problems.core.variants import grown, limited
from router.errors import Infeasible
from router.normalise import normalise
from router.sizing import best
from router.sizing.options import Study
from router.sizing.outcomes import is_linear, search
from router.sizing.signatures import can_be_required, quoted
from router.workers import ALONE
from solvers import SolveOptions
from solvers.two_stage.joint_recourse import JointRecourse

STUDY = Study("highs", SolveOptions(gap=1e-8), "program", ALONE)
FACTORS = (0.1, 0.4, 0.8, 1.25, 2.5, 10.0)


def shape(seed: int, scenarios: int = 6) -> Instance:
    return normalise(load(textbook_shape(scenarios, 3, 6, seed)))


def least_usd(encoded: Encoded) -> float | None:
    """None: there is no plan."""
    try:
        return search(encoded, STUDY).objective_usd
    except Infeasible:
        return None


def agree(quick: Encoded, anew: Encoded) -> None:
    one, other = least_usd(quick), least_usd(anew)
    assert (one is None) == (other is None)
    if one is not None:
        assert one == pytest.approx(other, rel=1e-7, abs=1e-6)


def questions(inst: Instance) -> list[Instance]:
    """Each quote without and with its signature."""
    offers = np.flatnonzero(quoted(inst)).tolist()
    asked = [best.without(inst, best.only(inst, o)) for o in offers]
    return asked + [best.signing(inst, o) for o in offers if can_be_required(inst)[o]]


@pytest.mark.parametrize("seed", range(times(10)))
def test_less_on_the_table_costs_what_its_own_program_says(seed: int) -> None:
    """On problems that mix everything that is signed."""
    inst = normalise(load(random_problem(Random(seed))))
    encoded = encode(inst)
    for other in questions(inst):
        quick = limited(encoded, other)
        if quick is not None:
            agree(quick, encode(other))


@pytest.mark.parametrize("seed", [1, 2])
def test_textbook_shapes_are_limited_without_another_program(seed: int) -> None:
    inst = shape(seed)
    for other in questions(inst):
        quick = limited(encode(inst), other)
        assert quick is not None
        agree(quick, encode(other))


@pytest.mark.parametrize("seed", range(times(30)))
def test_more_demand_costs_what_its_own_program_says(seed: int) -> None:
    rng = Random(seed)
    inst = normalise(load(random_problem(rng)))
    factor, encoded = rng.choice(FACTORS), encode(inst)
    more = best.grown(inst, factor)
    found = grown(encoded, more, factor) if is_linear(encoded) else None
    if found is not None:
        agree(found[0], encode(more))
        second_stages_agree(encoded, found[0], more, factor)


@pytest.mark.parametrize("factor", FACTORS)
def test_textbook_shapes_grow_by_proportion(factor: float) -> None:
    inst = shape(3)
    encoded, more = encode(inst), best.grown(inst, factor)
    found = grown(encoded, more, factor)
    assert found is not None
    agree(found[0], encode(more))
    second_stages_agree(encoded, found[0], more, factor)


def second_stages_agree(encoded: Encoded, there: Encoded, more: Instance, factor: float) -> None:
    """Q'(x) = f · Q(x / unit): costs, subgradients and cuts told of the one are those of the other, read as its own."""
    found = grown(encoded, more, factor)
    assert found is not None
    probability, (_, growth) = more.scenarios.probability, found
    before = JointRecourse(encoded.program, probability)
    rng, k = np.random.default_rng(1), len(before.linking)
    points = [rng.uniform(0.0, 1.0, k) for _ in range(3)]
    for x in points:
        before.at(x)
    after = before.multiplied(there.program, factor, growth.unit, growth.amounts)
    own = JointRecourse(there.program, probability)
    for x in points:
        cost, slope, least = after.at(x)
        usd, _, _ = own.at(x)
        assert (np.isfinite(cost) == np.isfinite(usd)).all()
        if not np.isfinite(usd).all():
            assert (slope[0] @ x < least[0]) or least[0] == -np.inf
            continue
        assert cost == pytest.approx(usd, rel=1e-7, abs=1e-7)
        rows = ~there.program.linking[1]
        left = there.program.matrix[rows] @ after.point
        assert (left <= there.program.row_upper[rows] + 1e-6).all()
        assert (left >= there.program.row_lower[rows] - 1e-6).all()
        for y, known, gradient in after.known():
            assert (known + gradient @ (x - y) <= usd * (1 + 1e-8) + 1e-6).all()


def test_a_price_in_rows_or_a_minimum_count_is_no_proportion() -> None:
    """What 3 instances at least could be of use in, and what a limit on spending leaves, stands in rows."""
    two = futures((0.5, 0.5), (0.5, 2.0))
    least = gpu("own", 1.0, 2 / MONTH, resize="horizon", max=9, min=3)
    data = problem(monthly(5 * M), [api("a", 3.0), contract("b", 1.0, 2)], period_h=MONTH, scenarios=two)
    for other, fits in (
        (data, True),
        ({**data, "offers": [*data["offers"], least]}, False),
        ({**data, "policy": {"max_spend_usd": 100.0}}, False),
    ):
        inst = normalise(load(other))
        assert (grown(encode(inst), best.grown(inst, 2.0), 2.0) is not None) is fits


def test_a_route_that_was_not_there_is_written_anew() -> None:
    inst = shape(1)
    less = best.without(inst, best.only(inst, 1))
    assert limited(encode(inst), less) is not None
    assert limited(encode(less), less) is not None
    assert limited(encode(less), inst) is None
