"""`router explain`: why there is no plan, or what decides the one there is."""

from __future__ import annotations

import click

from router.commands.options import (
    SearchFlags,
    json_option,
    problem_argument,
    scenario_option,
    search_options,
    verbose_option,
)
from router.commands.terminal import answer, progress


@click.command(short_help="Why no plan exists, or what decides the best one.")
@problem_argument
@search_options
@scenario_option
@json_option
@verbose_option
def explain(file: str, search: SearchFlags, scenario: str | None, machine: bool, verbose: bool) -> int:
    """Say why no plan keeps every promise and the least change that makes one; or what binds, and what it is worth.

    Exit code 3 where no plan exists, as with `router solve`; the explanation is on stdout all the same.
    """
    from router.errors import Infeasible
    from router.explaining import explain as run
    from router.reports.explanation import explanation_report

    options = search.begun(log=verbose)
    with progress("explaining"):
        explanation = run(file, solver=search.solver, options=options, scenario=scenario)
    answer(explanation.as_dict(), lambda: explanation_report(explanation), machine)
    return 0 if explanation.plan is not None else Infeasible.exit_code
