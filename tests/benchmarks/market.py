"""Markets of many small pools: this planner against HiGHS alone, on one program, under one time limit.

    python tests/benchmarks/market.py                          1,000 workloads × 100 offers × 24 hours, 60 s
    python tests/benchmarks/market.py 200 30 6 --limit 20 --seeds 1 2 3
    python tests/benchmarks/market.py --volume 100             large pools

Both sides start from the encoded program and take turns. Ours is the search alone (loading, the check and writing left
out), then with the bound that `router verify` works out itself; HiGHS's relaxation stands first. Where other programs
share the machine, judge by the CPU seconds beside the seconds of the clock.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter, process_time

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.synthetic import market
from problems.core.encode import Encoded
from router.planning.proving import with_proof
from router.planning.solve import Search, before_proof, encode_problem
from router.planning.two_steps import Incumbent
from router.schema import Problem
from solvers import SolveOptions, solve


class Sides:
    """Each gives USD of its plan and of its bound."""

    def __init__(self, problem: Problem, encoded: Encoded, options: SolveOptions) -> None:
        self.problem, self.encoded, self.options = problem, encoded, options
        self.best: Incumbent | None = None

    def relaxation(self) -> tuple[float, float]:
        """By HiGHS."""
        answer = solve(self.encoded.program.relax(), "highs", self.options.begun())
        return float("nan"), answer.bound

    def pieces(self) -> tuple[float, float]:
        """Ours, before its proof."""
        self.best = before_proof(self.encoded, Search("highs", self.options.begun()))
        return self.best.objective_usd, self.best.bound

    def own(self) -> tuple[float, float]:
        """Its proof."""
        assert self.best is not None  # `pieces` comes before
        best, proof = with_proof(self.problem, self.encoded, self.best)
        return best.objective_usd, float("nan") if proof is None else proof.bound_usd

    def alone(self) -> tuple[float, float]:
        """HiGHS at its defaults."""
        answer = solve(self.encoded.program, "highs", self.options.begun())
        return float("nan") if answer.objective is None else answer.objective, answer.bound


def main() -> None:
    """Print a row per seed and side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", nargs="*", type=int, default=[1000, 100, 24], help="workloads, offers, hours")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--volume", type=float, default=1.0, help="times as many requests")
    parser.add_argument("--ours", action="store_true", help="HiGHS is left out")
    parser.add_argument("--gap", type=float, default=1e-6)
    given = parser.parse_args()
    say = sys.stdout.write
    say("| seed | side | plan, USD | bound, USD | gap | s | CPU s |\n|---|---|---:|---:|---:|---:|---:|\n")
    for seed in given.seeds:
        problem = market(*given.size, seed=seed, volume=given.volume)
        sides = Sides(problem, encode_problem(problem), SolveOptions(gap=given.gap, time_limit_s=given.limit))
        for name in ("relaxation", "pieces", "own", *(() if given.ours else ("alone",))):
            clock, cpu = perf_counter(), process_time()
            plan, bound = getattr(sides, name)()
            spent = f"{perf_counter() - clock:.1f} | {process_time() - cpu:.1f}"
            say(f"| {seed} | {name} | {plan:,.2f} | {bound:,.2f} | {(plan - bound) / plan:.2%} | {spent} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
