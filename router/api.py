"""The pipeline: load → normalise → encode → solve → fix the integers → decode → verify.

plan = solve("problem.yaml")            one plan of least cost, verified
table = compare("problem.yaml")         every offer alone, side by side
verify("problem.yaml", plan).ok         checked again, by code that shares nothing with what made it
simulate("problem.yaml", plan).ok       requests replayed against it

A problem is a `Problem`, or the path of its file. Money is in USD over the horizon, times in hours from its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from problems.core.uncollected import without_collections
from router.comparison import compare
from router.loading.catalogue import load
from router.plan.difference import Difference, difference
from router.plan.document import Plan
from router.plan.file import read_plan
from router.planning.solve import DEFAULT_SOLVER, Search, planned
from router.schema import Problem
from router.verification import Verification
from router.verification import verify as check
from solvers import SolveOptions

if TYPE_CHECKING:
    from router.backtesting import Backtest
    from router.backtesting.foresight import Method
    from router.reoptimisation.run import Result
    from router.simulation import SimulationReport

__all__ = ["backtest", "compare", "diff", "load", "reoptimise", "simulate", "solve", "verify"]


def solve(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
) -> Plan:
    """The plan of least cost that keeps every promise, re-checked by `verify`.

    problem     a `Problem`, or the path of its file (YAML, or JSON by its name)
    solver      a name of `router solvers`, like "highs" or "pulp:COIN_CMD"
    options     `gap` relative, ≥ 0; `time_limit_s` in seconds for all of it, None without limit; `threads`; `seed`;
                `relax` gives a bound and no plan to follow; None: 1e-6 within 60 s, on one thread
    scenario    the future to plan for, needed where the problem has several

    Gives a `Plan`: `cost_usd`, `bound_usd` (no plan is cheaper) and `gap` (relative) over the horizon, `stop` (why the
    search ended), and a row for each route, instance count, contract and line of cost. With a gap it is a plan too.

    Raises InputError (what is wrong with the file, the solver's name or an option), Infeasible (nothing keeps all
    promises), NoPlanInTime, SolverFailed, and CertificateFailed where the plan fails its check.
    """
    search = Search(solver, options or SolveOptions(), scenario).begun()
    return planned(load(problem), search)


def verify(problem: Problem | str | Path, plan: Plan) -> Verification:
    """Re-check every promise of a plan and its cost, from the problem and the plan alone, without any solver's word.

    problem     a `Problem`, or the path of its file
    plan        of this problem: `solve` or `size` gave it, or `Plan.from_dict` read it from JSON

    Gives a `Verification`: `ok`; `cost_usd`, by arithmetic of its own, over the horizon; and `checks`, one for each
    promise, with its `name`, `ok` and the largest relative miss, `worst`. A broken promise is a verdict, no exception.

    Raises InputError where the problem file is wrong, or the plan is of a form that no verdict can be given on.
    """
    loaded = load(problem)
    if plan.kinds is None:
        return check(loaded, plan)
    with without_collections():
        return check(loaded, plan)


def diff(old: Plan | str | Path, new: Plan | str | Path) -> Difference:
    """What changes from one plan to another.

    old, new    plans, or the paths of their files

    Gives a `Difference`: costs by offer and kind in USD over the horizon, shares of each workload's tokens, most
    instances at once, tokens or USD committed a month; only what differs, each before and after. `moved_share` is the
    part of all tokens that another offer or model serves now. Raises InputError where a file holds no plan.
    """
    before, after = (plan if isinstance(plan, Plan) else read_plan(plan) for plan in (old, new))
    return difference(before, after)


def simulate(
    problem: Problem | str | Path,
    plan: Plan | str | Path,
    *,
    hours: str | Sequence[int] = "all",
    arrivals: str = "stated",
    trace: str | Path | None = None,
    scenario: str | None = None,
    seed: int = 0,
    requests: int = 20_000,
) -> SimulationReport:
    """Requests replayed against the instances of a plan: percentiles achieved beside those promised.

    problem     a `Problem`, or the path of its file, from which the plan was made
    plan        a `Plan`, or the path of its file
    hours       "all", "busiest", or numbers of periods, from 0
    arrivals    "stated", "poisson", "bursty", or "trace" for requests as recorded
    trace       a file of single requests, in place of those that the problem names
    scenario    the future to replay, of a plan for several
    seed        of the arrivals; equal seeds give equal results
    requests    of the rarest workload with a promise, in each period

    Gives a `SimulationReport`: for each promise and period the limit, what was achieved and waited, in ms, and a
    verdict at 95 % confidence; for each pool its waits beside the formula's. `ok`: no promise is broken.

    Raises InputError where plan and problem do not belong together.
    """
    from router.simulation import simulate as replay

    loaded = load(problem)
    document = plan if isinstance(plan, Plan) else read_plan(plan, loaded)
    kind = "trace" if trace is not None else arrivals
    path = None if trace is None else str(trace)
    return replay(
        loaded,
        document,
        hours=hours,
        arrivals_as=kind,
        trace=path,
        scenario=scenario,
        seed=seed,
        requests=requests,
    )


def reoptimise(
    problem: Problem | str | Path,
    store: str,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
) -> Result:
    """One scheduled run: plan again from the running plan, and put a new one in force only where it pays.

    problem     a `Problem`, or the path of its file
    store       URL of the plans so far: "sqlite:///plans.db", "postgresql://…"
    solver, options, scenario    as for `solve`

    Gives a `Result`: `outcome` ("first", "same inputs", "kept", "cheaper", "repair"), the `plan` in force, and in USD
    over the horizon what going on would cost, what changing costs, and what is gained.

    Raises LockHeld where another run is at work, StoreFailed, and all that `solve` raises; the running plan then stays.
    """
    from router.reoptimisation.run import reoptimise as run
    from router.store import open_store

    search = Search(solver, options or SolveOptions(), scenario)
    with open_store(store) as opened:
        return run(load(problem), opened, search)


def backtest(
    problem: Problem | str | Path,
    *,
    forecast: Method = "same-hour-last-week",
    every: int = 1,
    lookahead: int | None = None,
    warm_up: int | None = None,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
) -> Backtest:
    """Replay demand that is known by now, as scheduled runs would have met it, and settle what that would have cost.

    problem     a `Problem`, or the path of its file, whose demand is recorded
    forecast    how each step sees what is to come, made from the past alone; "perfect": what really came
    every       periods from one planning to the next
    lookahead   periods planned for; None: a day
    warm_up     first periods, history only; None: what the forecast takes
    solver      a name of `router solvers`
    options     as for `solve`, for the plan in hindsight; a step has 5 s at most

    Gives a `Backtest`: cost of the replay, of the best plan in hindsight, and of the first plan kept, in USD, and
    figures by period. Raises InputError, and Infeasible or NoPlanInTime where no first plan exists.
    """
    from router.backtesting import Settings
    from router.backtesting import backtest as replayed

    settings = Settings(forecast=forecast, every=every, lookahead=lookahead, warm_up=warm_up)
    return replayed(load(problem), settings, Search(solver, options or SolveOptions()))
