"""One figure for a table: a problem planned under a limit, and the bound that `router verify` works out itself.

python tests/benchmarks/measured.py problem.yaml --limit 60
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter, process_time

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from router import api
from router.errors import RouterError
from router.planning.solve import encode_problem
from router.schema import Problem
from solvers import SolveOptions, solve

HEAD = "| side | plan, USD | own bound, USD | gap | stated bound | s | CPU s |\n|---|---:|---:|---:|---:|---:|---:|\n"


def measured(problem: Problem, limit_s: float, gap: float = 1e-4, beside_s: float | None = None) -> None:
    """Print a row of ours, check included, and one of HiGHS alone on the encoded program where asked for."""
    sys.stdout.write(HEAD)
    clock, cpu = perf_counter(), process_time()
    try:
        plan = api.solve(problem, options=SolveOptions(time_limit_s=limit_s, gap=gap))
    except RouterError as error:
        sys.stdout.write(f"| plan | {type(error).__name__}: {str(error).splitlines()[0]} |\n")
    else:
        own = float("nan") if plan.proof is None else plan.proof.bound_usd
        spent = (perf_counter() - clock, process_time() - cpu)
        _row("plan", plan.objective_usd, own, plan.bound_usd, spent)
    if beside_s is not None:
        program = encode_problem(problem).program
        clock, cpu = perf_counter(), process_time()
        answer = solve(program, "highs", SolveOptions(time_limit_s=beside_s, gap=gap))
        usd = float("nan") if answer.objective is None else answer.objective
        spent = (perf_counter() - clock, process_time() - cpu)
        _row("HiGHS", usd, float("nan"), answer.bound, spent)


def _row(side: str, usd: float, own: float, bound: float, spent: tuple[float, float]) -> None:
    gap = (usd - (bound if own != own else own)) / usd if usd else 0.0
    seconds = f"{spent[0]:.1f} | {spent[1]:.1f}"
    sys.stdout.write(f"| {side} | {usd:,.2f} | {own:,.2f} | {gap:.3%} | {bound:,.2f} | {seconds} |\n")
    sys.stdout.flush()


def main() -> None:
    """Print the row of a problem file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problem")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--beside", type=float, help="seconds for HiGHS alone")
    given = parser.parse_args()
    measured(api.load(given.problem), given.limit, given.gap, given.beside)


if __name__ == "__main__":
    main()
