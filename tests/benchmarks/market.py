"""Markets of many small pools: this planner against HiGHS alone, on one program, under one time limit.

    python tests/benchmarks/market.py                          1,000 workloads × 100 offers × 24 hours, 60 s
    python tests/benchmarks/market.py 200 30 6 --limit 20 --seeds 1 2 3

Both sides start from the encoded program and take turns. Ours is the search alone (loading, the check and writing left
out). Where other programs share the machine, judge by the CPU seconds beside the seconds of the clock.
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
from router.planning.solve import Search, encode_problem
from solvers import SolveOptions, solve


def ours(encoded: Encoded, options: SolveOptions) -> tuple[float, float]:
    """(USD of the plan, USD of the bound)."""
    best = Search("highs", options.begun()).best(encoded)
    return best.objective_usd, best.bound


def alone(encoded: Encoded, options: SolveOptions) -> tuple[float, float]:
    """The same by HiGHS at its defaults."""
    answer = solve(encoded.program, "highs", options.begun())
    return float("nan") if answer.objective is None else answer.objective, answer.bound


def main() -> None:
    """Print a row per seed and side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", nargs="*", type=int, default=[1000, 100, 24], help="workloads, offers, hours")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--gap", type=float, default=1e-6)
    given = parser.parse_args()
    say = sys.stdout.write
    say("| seed | side | plan, USD | bound, USD | gap | s | CPU s |\n|---|---|---:|---:|---:|---:|---:|\n")
    for seed in given.seeds:
        encoded = encode_problem(market(*given.size, seed=seed))
        for name, side in (("pieces", ours), ("HiGHS", alone)):
            clock, cpu = perf_counter(), process_time()
            plan, bound = side(encoded, SolveOptions(gap=given.gap, time_limit_s=given.limit))
            spent = f"{perf_counter() - clock:.1f} | {process_time() - cpu:.1f}"
            say(f"| {seed} | {name} | {plan:,.2f} | {bound:,.2f} | {(plan - bound) / plan:.2%} | {spent} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
