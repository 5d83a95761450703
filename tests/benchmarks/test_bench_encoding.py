"""How long a large problem takes to become a model inside HiGHS, against the same model through PuLP's objects.

    pytest tests/benchmarks/test_bench_encoding.py -s          1,000 workloads × 100 offers × 24 hours

Both sides start from data in memory and end with a filled HiGHS, unsolved. Ours: `encode` (admissibility, columns,
rows, prices, assembly) and the hand-over of arrays. PuLP's: a variable object per column, an expression and a
constraint object per row, the objective, and the hand-over by PuLP's own HiGHS interface; its coefficients are read
off our finished arrays, so that it has nothing left to compute. Rounds alternate; the median of their ratios counts.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from math import inf, isfinite
from statistics import median
from time import perf_counter
from typing import Any

import highspy
import pulp
import pytest

from benchmarks.synthetic import market
from problems.core.encode import encode
from problems.core.instance import Instance
from router.normalise import normalise
from solvers import LinearProgram, SolveOptions, Stop, solve
from solvers.highs import load

ROUNDS = 5
AT_LEAST_TIMES_FASTER = 20
AT_MOST_OF_LP_TIME = 0.1


def ours(inst: Instance) -> tuple[Any, float, float]:
    """(the program, seconds to encode, seconds to hand over)."""
    begin = perf_counter()
    program = encode(inst).program
    built = perf_counter()
    h: Any = highspy.Highs()
    h.setOptionValue("output_flag", False)
    load(h, program)
    assert h.getNumCol() == program.n_columns
    return program, built - begin, perf_counter() - built


def pulps(program: LinearProgram) -> tuple[float, float]:
    """Seconds to build PuLP's objects, and to hand them over."""
    begin = perf_counter()
    problem = objects(program)
    built = perf_counter()
    h = pulp.HiGHS(msg=False)
    h.createAndConfigureSolver(problem)
    h.buildSolverModel(problem)
    assert problem.solverModel.getNumRow() >= program.n_rows
    return built - begin, perf_counter() - built


def objects(program: LinearProgram) -> Any:
    """The program as PuLP objects, by the quickest calls that PuLP 4.2 has for it."""
    problem = pulp.LpProblem("benchmark", pulp.LpMinimize)
    lower, upper = program.col_lower.tolist(), program.col_upper.tolist()
    x = [
        problem.add_variable(
            f"c{j}",
            low if isfinite(low) else None,
            high if isfinite(high) else None,
            pulp.LpInteger if whole else pulp.LpContinuous,
        )
        for j, (low, high, whole) in enumerate(zip(lower, upper, program.integer.tolist(), strict=True))
    ]
    problem.setObjective(pulp.lpSum_vars_coefs(list(zip(x, program.cost.tolist(), strict=True))))
    matrix = program.matrix
    start, column, value = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
    limits = zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)
    for i, (low, high) in enumerate(limits):
        row = pulp.lpSum_vars_coefs([(x[column[k]], value[k]) for k in range(start[i], start[i + 1])])
        if low == high:
            problem.addConstraint(row == low, f"r{i}")
            continue
        if low > -inf:
            problem.addConstraint(row >= low, f"r{i}l")
        if high < inf:
            problem.addConstraint(row <= high, f"r{i}u")
    return problem


def tell(text: str) -> None:
    """Shown with `-s`."""
    sys.stdout.write(f"\n{text}")


def undisturbed[T](work: Callable[[], T]) -> T:
    """Run after a collection of what others left behind."""
    gc.collect()
    return work()


@pytest.fixture(scope="module")
def instance() -> Instance:
    return normalise(market())


def test_arrays_are_many_times_faster_than_objects(instance: Instance) -> None:
    """Building and hand-over on both sides; the median ratio of the rounds."""
    ratios = []
    for _ in range(ROUNDS):
        runs = [undisturbed(lambda: ours(instance)) for _ in range(5)]
        program, encoding, handing = sorted(runs, key=lambda run: run[1] + run[2])[2]
        building, giving = undisturbed(lambda program=program: pulps(program))
        ratios.append((building + giving) / (encoding + handing))
        tell(
            f"arrays {encoding:.3f} + {handing:.3f} s, PuLP {building:.2f} + {giving:.2f} s: {ratios[-1]:.1f} times"
        )
    size = f"{program.n_columns:,} columns, {program.n_rows:,} rows, {program.n_nonzeros:,} coefficients"
    tell(f"{size}; median {median(ratios):.1f} times")
    assert 300_000 <= program.n_columns <= 330_000
    assert median(ratios) >= AT_LEAST_TIMES_FASTER


def test_encoding_is_a_fraction_of_the_lp_time(instance: Instance) -> None:
    """Against HiGHS's time for the relaxation, one thread."""
    times = []
    for _ in range(ROUNDS):
        program, encoding, _ = undisturbed(lambda: ours(instance))
        times.append(encoding)
    begin = perf_counter()
    solution = solve(program.relax(), "highs", SolveOptions(time_limit_s=None))
    lp = perf_counter() - begin
    assert solution.stop is Stop.OPTIMAL
    tell(f"encoding {median(times):.3f} s, the relaxation {lp:.2f} s: {median(times) / lp:.1%}")
    assert median(times) <= AT_MOST_OF_LP_TIME * lp


MEASURED = """
import sys
sys.path[:0] = {path!r}
from benchmarks.synthetic import market
from router.normalise import normalise
inst = normalise(market())
def peak():  # of this process alone: getrusage would count what its parent had before it
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
from benchmarks import test_bench_encoding as bench
before = peak()
program, _, _ = bench.ours(inst)
if {pulp!r}:
    before = peak()
    bench.pulps(program)
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_is_told() -> None:
    """Growth of the resident peak, each side in a process of its own, beside its input."""
    path = [entry for entry in sys.path if entry]
    grown = {}
    for name, by_pulp in (("arrays", False), ("PuLP", True)):
        code = MEASURED.format(path=path, pulp=by_pulp)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        grown[name] = float(done.stdout)
    tell(f"peak memory: arrays {grown['arrays']:.0f} MiB, PuLP {grown['PuLP']:.0f} MiB")
    assert grown["arrays"] < grown["PuLP"]
