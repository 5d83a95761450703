"""Tables of the result pages, in Markdown, from plans and simulations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.planning import Run
    from router.simulation import SimulationReport

LISTED = 24  # counts in a row of the table


def run_lines(run: Run) -> list[str]:
    """Cost, bound, gap, size, time and memory."""
    plan, steps = run.plan, ", ".join(f"{name} {s:.1f}" for name, s in run.seconds.items())
    return [
        "",
        f"- cost {plan.cost_usd:,.2f} USD; bound {plan.bound_usd:,.2f}; gap {plan.gap or 0:.2%}; stop: {plan.stop}",
        f"- {run.columns:,} columns ({run.integers:,} whole), {run.rows:,} rows",
        f"- {sum(run.seconds.values()):.0f} s ({steps}), peak {run.gibibytes:.2f} GiB",
        f"- verified: {plan.ok}",
        "",
    ]


def cost_table(run: Run) -> list[str]:
    """USD by offer and kind."""
    total = run.plan.cost_usd
    lines = ["| offer | for | USD | share |", "|---|---|---|---|"]
    ordered = sorted(run.plan.cost_lines, key=lambda line: -line.usd)
    return [
        *lines,
        *(f"| {line.offer} | {line.kind} | {line.usd:,.2f} | {line.usd / total:.1%} |" for line in ordered),
        "",
    ]


def count_table(run: Run) -> list[str]:
    """Instances by period; days of many periods are rows of their own."""
    periods = run.problem.horizon.periods
    counts: dict[tuple[str, str | None], list[float]] = defaultdict(lambda: [0.0] * periods)
    for row in run.plan.instances:
        counts[row.offer, row.model][row.period] = row.count
    lines = ["```", f"instances, {LISTED} periods a line"] if counts else []
    for (offer, model), row in sorted(counts.items(), key=lambda item: -sum(item[1])):
        lines.append(
            f"{offer} ({model}): least {min(row):g}, mean {sum(row) / periods:.2f}, most {max(row):g}"
        )
        for first in range(0, periods, LISTED):
            part = " ".join(f"{count:3g}" for count in row[first : first + LISTED])
            lines.append(f"  {first:3d}  {part}")
    return [*lines, "```", ""] if counts else []


def simulation_table(rows: Sequence[str]) -> list[str]:
    """The table of all simulations."""
    return [
        "| plan | USD | arrivals | periods | requests | kept | undecided | broken | requests within their limit | "
        "worst period | formula optimistic |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def simulation_row(name: str, run: Run, found: SimulationReport) -> str:
    """One simulation: verdicts at 95 % confidence each, and the part of all requests within their limit."""
    part = [row for row in found.promises if row.within is not None]
    within = sum((row.within or 0.0) * row.requests for row in part) / sum(row.requests for row in part)
    worst = min(part, key=lambda row: row.within or 0.0)
    optimistic = sum(row.optimistic for row in found.promises)
    verdicts = found.verdicts
    return (
        f"| {name} | {run.plan.cost_usd:,.2f} | {found.arrivals} | {len(found.periods)} | {found.requests:,} | "
        f"{verdicts['kept']} | {verdicts['undecided']} | {verdicts['broken']} | {within:.2%} | "
        f"{worst.within or 0.0:.1%} ({worst.workload}, period {worst.period}) | "
        f"{optimistic} of {len(found.promises)} |"
    )


def promise_table(found: SimulationReport) -> list[str]:
    """Promised and achieved: all rows where they are few, else those of the fewest requests within their limit."""
    ranked = sorted(
        found.promises, key=lambda row: (row.within if row.within is not None else 1.0, -row.requests)
    )
    shown = sorted(ranked[:LISTED], key=lambda row: (row.workload, row.period))
    lines = [
        "| workload | period | promise | limit ms | achieved ms | wait ms | formula ms | within | 95 % | requests | |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in shown:
        share = "–" if row.within is None else f"{row.within:.2%}"
        lines.append(
            f"| {row.workload} | {row.period} | {row.promise} | {row.limit_ms:,.0f} | {row.achieved_ms:,.0f} | "
            f"{row.wait_ms:,.0f} | {row.formula_wait_ms:,.0f} | {share} | {row.low:.2%}–{row.high:.2%} | "
            f"{row.requests:,} | {row.verdict} |"
        )
    return [*lines, ""]
