"""A problem to its verified plan: normalise → encode → solve → fix the integers → decode → verify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from problems.core.arrays import Floats
from problems.core.decision import Decision
from problems.core.encode import Encoded, encode
from problems.core.uncollected import without_collections
from router.errors import CertificateFailed, Infeasible, InputError, Issue, RouterError
from router.loading.fingerprint import hashed_beside
from router.normalise import normalise
from router.plan.document import Insurance, Plan
from router.plan.left_out import ended_by_clock
from router.planning.flows.among_equals import decided_among_equals, undecided
from router.planning.infeasible import why_infeasible
from router.planning.kinds.alike import Kinds, kinds_of
from router.planning.own_rows import in_own_rows
from router.planning.proving import checking_s, proving_s, with_proof
from router.planning.publish import publish
from router.planning.roads import best_by_any_road, by_other_roads
from router.planning.two_steps import Incumbent
from router.scenarios import planned_draw
from router.schema import Generated, Problem
from solvers import SolveOptions

DEFAULT_SOLVER = "highs"
MOST_SAVED = 0.6  # of the time, for what follows a search
LISTED = 12  # scenarios named in a message


@dataclass(frozen=True)
class Search:
    """How a plan is looked for; part of a run's key."""

    solver: str
    options: SolveOptions
    scenario: str | None = None

    def begun(self) -> Search:
        """The same, with the time running from now on; where it runs already, unchanged."""
        return replace(self, options=self.options.begun())

    def within(self, share: float) -> Search:
        """The same within a share of the time that is left."""
        return replace(self, options=self.options.within(share))

    def saving(self, proving: float, checking: float) -> Search:
        """The same, with the seconds kept that a bound of our own and the check take, or the check alone.

        `MOST_SAVED` of what is left is kept at most.
        """
        left_s = self.options.left_s
        most = MOST_SAVED * left_s
        kept = proving if proving <= most else min(checking, most)
        return replace(self, options=self.options.within(most_s=left_s - kept))

    def best(self, encoded: Encoded, start: Floats | None = None, fixed: Decision | None = None) -> Incumbent:
        """See `best_by_any_road`."""
        return best_by_any_road(encoded, self.solver, self.options, start, fixed)


@dataclass(frozen=True)
class Telling:
    """Who is told how far the planning of a problem is."""

    encoded: Callable[[Encoded], None] = lambda _: None
    found: Callable[[Incumbent], None] = lambda _: None


def planned(
    problem: Problem, search: Search, *, insured: bool = True, telling: Telling | None = None
) -> Plan:
    """The verified plan of least cost; `insured`: with what `policy.survive_loss_of` costs, which takes a second plan.

    Many workloads of few kinds are planned by kinds, see `kinds`; where that leads to no plan, each by itself, so that
    what is said of it is of the file's own workloads.

    Raises InputError, Infeasible, NoPlanInTime, SolverFailed, and CertificateFailed where the plan fails its check.
    """
    search, telling = search.begun(), telling or Telling()
    with without_collections():
        plan, kinds = None, kinds_of(problem)
    if kinds is not None:
        hashed_beside(problem)
        with suppress(InputError, Infeasible, CertificateFailed), without_collections():
            plan = _planned(problem, kinds, search, telling)
    plan = plan or _planned(problem, None, search, telling)
    if not insured:
        return plan
    # who watches is told of this plan alone
    beside = replace(search, options=replace(search.options, watch=None, log=False))
    plan = with_insurance(plan, problem, lambda bare: planned(bare, beside, insured=False))
    ended = [note for note in ended_by_clock(search.options.ended_by_clock) if note not in plan.notes]
    return replace(plan, notes=(*plan.notes, *ended))


def _planned(problem: Problem, kinds: Kinds | None, search: Search, telling: Telling) -> Plan:
    encoded = encode_problem(problem if kinds is None else kinds.problem, search.scenario)
    telling.encoded(encoded)
    incumbent = before_proof(encoded, search)
    telling.found(incumbent)
    return proven_plan(problem, encoded, incumbent, kinds)


def before_proof(encoded: Encoded, search: Search) -> Incumbent:
    """The best point of a search that leaves time for what follows, see `Search.saving`. Raises as `optimise`."""
    search = search.begun()
    best = search.saving(proving_s(encoded), checking_s(encoded)).best(encoded)
    return replace(best, options=search.options)


def proven_plan(problem: Problem, encoded: Encoded, incumbent: Incumbent, kinds: Kinds | None = None) -> Plan:
    """The verified plan of an incumbent, or of a better one that is met while its bound is worked out; see `checked`.

    kinds    the incumbent plans `kinds.problem`
    """
    return checked(encoded, incumbent, lambda best: _proven(problem, encoded, best, kinds))


def best_plan(
    problem: Problem, search: Search, encoded: Encoded | None = None, fixed: Decision | None = None
) -> Plan:
    """The verified plan of a search that leaves time for its check, without a proof of its own. Raises as `planned`."""
    encoded, search = encode_problem(problem, search.scenario) if encoded is None else encoded, search.begun()
    check_s = checking_s(encoded)
    best = search.saving(check_s, check_s).best(encoded, fixed=fixed)
    return checked(encoded, replace(best, options=search.options), partial(publish, problem))


def checked[T](encoded: Encoded, incumbent: Incumbent, publishing: Callable[[Incumbent], T]) -> T:
    """What is published of an incumbent; where that does not pass its check, of the first by another road that does.

    Raises CertificateFailed where none does, and Infeasible where that is because there is none.
    """
    try:
        return publishing(incumbent)
    except CertificateFailed as failed:
        why = f"for that of {incumbent.solver} does not pass the check"
        for other in _others(encoded, incumbent, why):
            with suppress(CertificateFailed):
                return publishing(other)
        from router.planning.doubts.no_plan import refuted  # here: plans pass their check

        if refuted(encoded, incumbent.options):
            raise Infeasible(why_infeasible(encoded)) from failed
        raise failed


def _others(encoded: Encoded, incumbent: Incumbent, why: str) -> Iterator[Incumbent]:
    again = in_own_rows(incumbent) if len(encoded.views) == 1 else None
    if again is not None:
        yield replace(again, found_by=f"its flows solved again, {why}")
    yield from by_other_roads(encoded, (incumbent.solver, incumbent.options), why)


def _proven(problem: Problem, encoded: Encoded, incumbent: Incumbent, kinds: Kinds | None) -> Plan:
    solved = problem if kinds is None else kinds.problem
    best, proof = with_proof(solved, encoded, incumbent)
    first = decided_among_equals(solved, best)
    try:
        return publish(problem, first, proof=proof, kinds=kinds)
    except CertificateFailed:
        if first is best:
            raise
        plain = undecided(best, "the one that comes first does not pass the check")
        return publish(problem, plain, proof=proof, kinds=kinds)


def with_insurance(plan: Plan, problem: Problem, solve: Callable[[Problem], Plan]) -> Plan:
    """The plan with a section `insurance` {survive_loss_of, usd, without_usd} and a note; unchanged without a policy.

    usd = cost − cost of the best plan known without the policy, this one included.
    """
    kind = problem.policy.survive_loss_of
    if kind == "none":
        return plan
    bare = problem.policy.model_copy(update={"survive_loss_of": "none"})
    try:
        found = solve(problem.model_copy(update={"policy": bare})).cost_usd
    except RouterError as error:
        unknown = (
            f"what surviving the loss of any one {kind} costs is not known: {str(error).splitlines()[0]}"
        )
        return replace(plan, notes=(*plan.notes, unknown))
    without = min(found, plan.cost_usd)  # which this plan is too
    usd = plan.cost_usd - without
    note = (
        f"surviving the loss of any one {kind} costs {usd:,.2f} USD: "
        f"a plan that could not do without anybody costs {without:,.2f}"
    )
    return replace(plan, notes=(*plan.notes, note), insurance=Insurance(kind, usd, without))


def encode_problem(problem: Problem, scenario: str | None = None) -> Encoded:
    """The linear program of a problem, for solving or for export; raises InputError."""
    return encode(normalise(problem, scenario_of(problem, scenario)))


def scenario_of(problem: Problem, scenario: str | None) -> str | None:
    """The scenario to plan for; where there are several, one must be named (`router size` plans for all at once)."""
    if isinstance(problem.scenarios, Generated):
        names = list(planned_draw(problem).names)
    else:
        names = [future.name for future in problem.scenarios]
    if scenario is None and len(names) > 1:
        rule = f"one of several scenarios must be chosen: {_listed(names)}"
        raise InputError(
            Issue(("scenarios",), rule, hint="--scenario NAME; router size plans for all of them at once")
        )
    if scenario is not None and scenario not in names:
        rule = f"unknown scenario; the file has {_listed(names) or 'none'}"
        raise InputError(Issue(("scenarios",), rule, value=scenario))
    return scenario if scenario is not None else (names[0] if names else None)


def _listed(names: list[str]) -> str:
    """All of them, or the first of very many."""
    if len(names) <= LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more"
