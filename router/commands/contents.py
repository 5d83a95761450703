"""`router export`: a plan for other tools; a problem's linear program, for other solvers and for reading."""

from __future__ import annotations

import sys

import click

from router.commands import export_plans
from router.commands.options import (
    output_option,
    problem_argument,
    problem_of,
    scenario_option,
    tracebacks_option,
)
from router.commands.terminal import remark


@click.group(short_help="A plan for other tools, or a problem's linear program.")
def export() -> None:
    """Write a plan for what steers traffic and counts replicas, or the linear program of a problem."""


for command in export_plans.COMMANDS:
    export.add_command(command)


@export.command()
@problem_argument
@output_option
@scenario_option
@tracebacks_option
def lp(file: str, output: str | None, scenario: str | None) -> None:
    """CPLEX LP format: rows and columns by name, to be read by people too."""
    _write("lp", file, output, scenario)


@export.command()
@problem_argument
@output_option
@scenario_option
@tracebacks_option
def mps(file: str, output: str | None, scenario: str | None) -> None:
    """Free MPS format, which every solver reads."""
    _write("mps", file, output, scenario)


def _write(form: str, file: str, output: str | None, scenario: str | None) -> None:
    from router.output import written
    from router.planning.solve import encode_problem
    from solvers.export import to_lp, to_mps

    writer = {"lp": to_lp, "mps": to_mps}[form]
    program = encode_problem(problem_of(file), scenario).program
    if output is None:
        writer(program, sys.stdout)
        return
    with written(output) as target:
        writer(program, target)
    remark(f"{program.n_columns:,} columns and {program.n_rows:,} rows written to {output}")
