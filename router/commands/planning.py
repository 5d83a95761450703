"""`router solve` and `router compare`: the commands that plan."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from router.commands.options import (
    SearchFlags,
    check_parquet,
    json_option,
    output_option,
    parquet_option,
    problem_argument,
    problem_of,
    scenario_option,
    search_options,
    verbose_option,
)
from router.commands.terminal import answer, progress, remark

if TYPE_CHECKING:
    from problems.core.encode import Encoded
    from router.planning.two_steps import Incumbent
    from router.schema import Problem
    from solvers import SolveOptions


@click.command(short_help="The plan of least cost, verified.")
@problem_argument
@output_option
@search_options
@scenario_option
@parquet_option
@json_option
@verbose_option
def solve(
    file: str,
    output: str | None,
    search: SearchFlags,
    scenario: str | None,
    parquet: bool,
    machine: bool,
    verbose: bool,
) -> None:
    """Find the plan of least cost that keeps every promise, and check it independently.

    With -o the plan is written as JSON, for `router verify`, `report` and `diff`. With --parquet its tables by
    period stand beside it: plan.routes.parquet, plan.instances.parquet and plan.quotas.parquet. What is too large
    for one program is then planned a day at a time, where nothing but contracts and fees reaches across periods.
    """
    from dataclasses import replace

    from router.planning.solve import Search, Telling, planned
    from router.reports.plan import plan_report

    if parquet:
        check_parquet(output)
    options, parts = search.begun(log=verbose), dict[str, float]()
    if parquet and output is not None:
        from router.planning.blocks.planning import is_large

        problem = problem_of(file)
        if (
            scenario is None
            and is_large(problem)
            and _planned_by_blocks(problem, search, options, output, machine)
        ):
            return
    with progress("planning", lambda: options.left_s) as doing:

        def encoded(program: Encoded) -> None:
            if verbose:
                _sizes(program)
            doing(f"{program.program.n_columns:,} columns, {program.program.n_rows:,} rows")

        def found(incumbent: Incumbent) -> None:
            parts.update(incumbent.seconds)
            doing("working out a bound, and checking the plan")

        watched = Search(search.solver, replace(options, watch=doing.reached), scenario)
        plan = planned(problem_of(file), watched, telling=Telling(encoded, found))
    if verbose:
        remark(", ".join(f"{part}: {seconds:.2f} s" for part, seconds in parts.items()))
    answer(plan, lambda: plan_report(plan), machine, output, "plan", parquet=parquet)


def _planned_by_blocks(
    problem: Problem, search: SearchFlags, options: SolveOptions, output: str, machine: bool
) -> bool:
    """Whether the plan of many periods was made and written by blocks; says why not."""
    from dataclasses import replace

    from router.planning.blocks.planning import plan_by_blocks, undividable
    from router.planning.solve import Search
    from router.reports.plan import plan_report
    from router.workers import start_workers

    asked = Search(search.solver, replace(options, threads=1))
    why = undividable(problem, asked)
    if why is not None:
        remark(f"Planned as one program, for {why}.")
        return False
    with (
        progress("planning", lambda: options.left_s) as doing,
        start_workers("loky", search.threads) as workers,
    ):
        plan = plan_by_blocks(problem, asked, output, workers, doing)
    beside = ", ".join(table.name for table in (plan.tables or {}).values())
    remark(f"plan written to {output}, beside it {beside} and its proof")
    answer(plan, lambda: plan_report(plan), machine, delivered=True)
    return True


@click.command(short_help="Every offer alone, side by side.")
@problem_argument
@output_option
@search_options
@scenario_option
@json_option
@verbose_option
def compare(
    file: str, output: str | None, search: SearchFlags, scenario: str | None, machine: bool, verbose: bool
) -> None:
    """Price every offer alone with all the work, side by side, or say why it cannot have it.

    One --time-limit holds for all of them. With -o the table is written as JSON.
    """
    from dataclasses import replace

    from router.comparison import compare as side_by_side
    from router.reports.comparison import comparison_report

    options = search.begun(log=verbose)
    with progress("comparing", lambda: options.left_s) as doing:
        watched = replace(options, watch=doing.reached)
        table = side_by_side(
            problem_of(file), solver=search.solver, options=watched, scenario=scenario, progress=doing.anew
        )
    answer(table.to_dict(), lambda: comparison_report(table), machine, output, "comparison")


def _sizes(encoded: Encoded) -> None:
    """Rows by family, so that a constraint that vanished is seen."""
    program = encoded.program
    kinds = f"{int(program.integer.sum()):,} of them integer"
    remark(
        f"{program.n_columns:,} columns, {kinds}; {program.n_rows:,} rows, {program.n_nonzeros:,} non-zeros"
    )
    rows = Counter[str]()
    for family, first, end, _ in encoded.row_families:
        rows[family] += end - first
    remark("rows by family: " + ", ".join(f"{family} {n:,}" for family, n in rows.items()))
