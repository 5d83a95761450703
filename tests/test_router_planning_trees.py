"""How much work a proof is: no more than the search, but for a floor; and rows that make its tree short."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.unstructured import starts, unsplittable

import router
from router.planning.doubts.second_look import LONG, SOON, STEPS, by_another_path
from router.planning.proofs import trees
from router.planning.solve import Search, before_proof, encode_problem, proven_plan
from router.schema import Problem
from solvers import SolveOptions, Stop
from solvers.proof import effort

type Tree = tuple[float, float]
"""Work that was allowed, and what it took; see `WorkLimits`."""


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> list[Tree]:
    """Trees that were grown."""
    taken: list[Tree] = []
    honest = trees.searched_by

    def counted(model: trees.ScaledRelaxation, *rest: object) -> trees.ProgramProof:
        found = honest(model, *rest)  # type: ignore[arg-type]
        taken.append((float(rest[2]), effort(model.program, found.nodes, found.iterations)))  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(trees, "searched_by", counted)
    return taken


@pytest.mark.parametrize("floor", [20_000.0, 100_000.0])
@pytest.mark.parametrize(
    "problem", [starts(1, 1, 3, 12), starts(2, 1, 3, 12), unsplittable(1, 20, 4), unsplittable(2, 20, 4)]
)
def test_a_proof_is_no_more_work_than_the_search(
    problem: Problem, floor: float, grown: list[Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or `FLOOR`, where that is more; a tree ends with the split during which its work comes to an end."""
    monkeypatch.setattr(trees, "FLOOR", floor)
    encoded = encode_problem(problem)
    best = before_proof(encoded, Search("highs", SolveOptions()))
    assert best.stop is Stop.OPTIMAL
    assert best.nodes is not None
    assert best.iterations is not None
    proven_plan(problem, encoded, best)
    most = max(effort(encoded.program, best.nodes, best.iterations), floor)
    assert sum(allowed for allowed, _ in grown) <= most
    root = effort(encoded.program, 1, best.iterations + encoded.program.n_rows)
    assert all(taken <= allowed + 3.0 * root for allowed, taken in grown)


def test_what_a_search_took_is_allowed_up_to_a_limit() -> None:
    """An iteration counts for a fiftieth of the rows: 10⁸ / rows of them for two million; `FLOOR` is half of that."""
    encoded = encode_problem(unsplittable(1, 20, 4))
    best = before_proof(encoded, Search("highs", SolveOptions()))
    rows = encoded.program.n_rows
    assert trees.allowed(replace(best, nodes=0, iterations=0), 1e-6) == (0.0, trees.NEAR)
    spent = replace(best, nodes=0, iterations=100_000_000 // rows)
    assert trees.allowed(spent, 1e-6)[0] == pytest.approx(1_000_000, rel=1e-3)
    longer = replace(spent, iterations=200_000_000 // rows)
    assert trees.allowed(longer, 1e-6)[0] == pytest.approx(4_000_000 * trees.MORE, rel=1e-3)
    assert trees.allowed(replace(spent, iterations=10**8), 1e-6)[0] == trees.PATIENT * trees.MORE
    assert trees.allowed(replace(spent, stop=Stop.TIME_LIMIT), 1e-6) == (0.0, 0.0)
    usd = best.decoded.objective_usd
    near, far = (replace(spent, stop=Stop.EXHAUSTED, bound=usd * (1.0 - part)) for part in (5e-6, 5e-5))
    assert trees.allowed(near, 1e-6) == trees.allowed(
        spent, 1e-6
    )  # dearer by an allowance: the solver's word is as good
    assert trees.allowed(far, 1e-6) == (0.0, 0.0)


def test_a_proof_that_took_half_of_a_search_leaves_no_second_look() -> None:
    """Counted in iterations, of which a tree's are a third of a solver's; of a short search there always is one."""
    encoded = encode_problem(unsplittable(1, 20, 4))
    best = before_proof(encoded, Search("highs", SolveOptions()))
    long = replace(best, iterations=SOON + 1000)
    half = STEPS * (SOON + 1000) // 2
    assert by_another_path(encoded, long, half) is not None
    assert by_another_path(encoded, long, half + 1) is None
    assert by_another_path(encoded, replace(best, iterations=SOON), 10 * half) is not None
    assert by_another_path(encoded, replace(best, iterations=LONG + 1)) is None


def test_sums_of_promises_rounded_make_a_tree_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """With so much work no tree ends without them; they are stated by their weights, and verified."""
    problem = unsplittable(1)
    plan = router.solve(problem)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.ok
    assert any(part.roundings for part in plan.proof.parts)
    assert plan.bound_usd == pytest.approx(plan.objective_usd, rel=1e-6)

    monkeypatch.setattr(trees, "ROUNDS", 0)
    plain = router.solve(problem)
    assert plain.proof is not None
    assert plain.proof.kind != "own"


def test_who_asks_for_a_wide_gap_gets_a_bound_within_it() -> None:
    """A tree ends, but for a few nodes, where its bound is as near as was asked for; that is a proof."""
    plan = router.solve(starts(2, 1, 3, 12), options=SolveOptions(gap=0.01))
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.stop == "optimal"
    assert plan.objective_usd * 0.99 <= plan.proof.bound_usd <= plan.objective_usd
