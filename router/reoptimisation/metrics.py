"""Figures of scheduled runs in the Prometheus text format, for a node exporter's textfile collector.

The file is replaced whole. What a run does not say is kept from the run before, so that a failed run neither hides the
plan in force nor resets a counter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from router.output import write_text
from router.reoptimisation.run import Result

PREFIX = "router_"
HELP: Mapping[str, tuple[str, str]] = {
    "runs_total": (
        "counter",
        "Runs by outcome: first, cheaper, repair, kept, same inputs, or the error's name.",
    ),
    "last_run_timestamp_seconds": ("gauge", "End of the last run."),
    "last_run_duration_seconds": ("gauge", "Length of the last run."),
    "last_run_exit_code": ("gauge", "Exit code of the last run without --detailed-exitcode."),
    "last_success_timestamp_seconds": ("gauge", "End of the last run that ended well."),
    "plan_id": ("gauge", "Number of the plan in force."),
    "plan_created_timestamp_seconds": ("gauge", "When the plan in force was made."),
    "plan_cost_usd": (
        "gauge",
        "Cost of the plan in force over its horizon, churn included, when it was made.",
    ),
    "plan_gap_ratio": ("gauge", "How far from the best possible it may have been."),
    "running_cost_usd": (
        "gauge",
        "Cost of going on as it ran, under the last data; absent where that is broken.",
    ),
    "unconstrained_cost_usd": ("gauge", "Cost of the best plan if change were free."),
    "gain_usd": ("gauge", "What the best plan would gain over going on, churn paid."),
    "moved_share_ratio": ("gauge", "Share of all tokens that the best plan would move."),
    "promises_broken": ("gauge", "Promises that going on would break."),
}
LINE = re.compile(r"^router_(\w+)\{([^}]*)\} (\S+)$")

Samples = dict[tuple[str, str], float]


def record(
    path: str, file: str, ended: float, seconds: float, code: int, outcome: str, result: Result | None
) -> None:
    """Write what a run did. Raises InputError where the file cannot be written."""
    found = read(path)
    label = f'file="{_escaped(Path(file).name)}"'
    told = f'{label},outcome="{_escaped(outcome)}"'
    found["runs_total", told] = found.get(("runs_total", told), 0.0) + 1
    figures: dict[str, float | None] = {
        "last_run_timestamp_seconds": ended,
        "last_run_duration_seconds": seconds,
        "last_run_exit_code": float(code),
    }
    if result is not None:
        figures |= _of(result) | {"last_success_timestamp_seconds": ended}
    for name, value in figures.items():
        found.pop((name, label), None)
        if value is not None:
            found[name, label] = value
    write_text(path, text(found))


def _of(result: Result) -> dict[str, float | None]:
    plan = result.plan
    figures = {
        "plan_id": float(result.id),
        "plan_created_timestamp_seconds": datetime.fromisoformat(plan.created).timestamp(),
        "plan_cost_usd": plan.cost_usd,
        "plan_gap_ratio": plan.gap,
    }
    if result.outcome == "same inputs":  # nothing was priced anew
        return dict(figures)
    return figures | {
        "running_cost_usd": result.running_usd,
        "unconstrained_cost_usd": result.unconstrained_usd,
        "gain_usd": result.gain_usd,
        "moved_share_ratio": result.moved_share,
        "promises_broken": float(len(result.broken)),
    }


def read(path: str) -> Samples:
    """Samples of a file written before; of none, or of another program's, nothing."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    matches = (LINE.match(line) for line in lines)
    return {(m[1], m[2]): float(m[3]) for m in matches if m is not None and m[1] in HELP}


def text(samples: Samples) -> str:
    """The exposition format: help and type, then the samples of each metric."""
    lines = []
    for name, (kind, told) in HELP.items():
        mine = sorted((labels, value) for (metric, labels), value in samples.items() if metric == name)
        if mine:
            lines += [f"# HELP {PREFIX}{name} {told}", f"# TYPE {PREFIX}{name} {kind}"]
            lines += [f"{PREFIX}{name}{{{labels}}} {value!r}" for labels, value in mine]
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
