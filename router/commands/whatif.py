"""`router whatif`: a changed problem solved beside the problem."""

from __future__ import annotations

import click

from router.commands.options import (
    SearchFlags,
    json_option,
    output_option,
    problem_argument,
    problem_of,
    scenario_option,
    search_options,
    verbose_option,
)
from router.commands.terminal import answer, progress


@click.command(short_help="What a change of the problem would do.")
@problem_argument
@click.option(
    "--set",
    "texts",
    multiple=True,
    required=True,
    metavar="PATH=VALUE",
    help="A field and its new value, or a factor such as x1.2; may be repeated.",
)
@output_option
@search_options
@scenario_option
@json_option
@verbose_option
def whatif(
    file: str,
    texts: tuple[str, ...],
    output: str | None,
    search: SearchFlags,
    scenario: str | None,
    machine: bool,
    verbose: bool,
) -> int:
    """Solve the problem as it is and with fields changed, and show what differs: cost, routes, counts, contracts.

    A path names what it goes through: workloads.chat.slo.ttft_p95_ms; a name with a dot stands in quotes. The factor
    x1.2 scales a number, or workloads.chat.demand and offers.acme.prices as a whole. An empty value, null, leaves a
    field out. With -o the plan with the change is written. Ends with 3 where the changed problem has no plan.
    """
    from dataclasses import replace

    from router.errors import Infeasible
    from router.explaining.whatif import whatif as run
    from router.loading.settings import settings_of
    from router.reports.whatif import whatif_report

    settings = settings_of("--set", texts)
    options = search.begun(log=verbose)
    with progress("planning", lambda: options.left_s) as doing:
        result = run(
            problem_of(file),
            settings,
            solver=search.solver,
            options=replace(options, watch=doing.reached),
            scenario=scenario,
            progress=doing.anew,
        )
    if output is not None and result.after is not None:
        from router.commands.plan_file import write_plan
        from router.commands.terminal import remark

        write_plan(output, result.after)
        remark(f"plan with the change written to {output}")
    answer(result, lambda: whatif_report(result), machine)
    return 0 if result.after is not None else Infeasible.exit_code
