"""Figures of scheduled runs in the Prometheus text format, for a node exporter's textfile collector.

The file is replaced whole. What a run does not say is kept from the run before, so that a failed run neither hides the
plan in force nor resets a counter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from router.errors import from_extra
from router.output import write_text
from router.reoptimisation.run import Result

PREFIX = "router_"
RUNS = "runs_total"
HELP: Mapping[str, str] = {
    RUNS: "Runs by outcome: first, cheaper, repair, kept, same inputs, or the error's name.",
    "last_run_timestamp_seconds": "End of the last run.",
    "last_run_duration_seconds": "Length of the last run.",
    "last_run_exit_code": "Exit code of the last run without --detailed-exitcode.",
    "last_success_timestamp_seconds": "End of the last run that ended well.",
    "plan_id": "Number of the plan in force.",
    "plan_created_timestamp_seconds": "When the plan in force was made.",
    "plan_cost_usd": "Cost of the plan in force over its horizon, churn included, when it was made.",
    "plan_gap_ratio": "How far from the best possible it may have been.",
    "running_cost_usd": "Cost of going on as it ran, under the last data; absent where that is broken.",
    "unconstrained_cost_usd": "Cost of the best plan if change were free.",
    "gain_usd": "What the best plan would gain over going on, churn paid.",
    "moved_share_ratio": "Share of all tokens that the best plan would move.",
    "promises_broken": "Promises that going on would break.",
}

Samples = dict[tuple[str, tuple[str, ...]], float]
"""By metric and the values of its labels: the problem's file, and the outcome of what is counted."""


def record(
    path: str, file: str, ended: float, seconds: float, code: int, outcome: str, result: Result | None
) -> None:
    """Write what a run did. Raises InputError where the file cannot be written, or the library is not installed."""
    samples, name = read(path), Path(file).name
    samples[RUNS, (name, outcome)] = samples.get((RUNS, (name, outcome)), 0.0) + 1
    figures: dict[str, float | None] = {
        "last_run_timestamp_seconds": ended,
        "last_run_duration_seconds": seconds,
        "last_run_exit_code": float(code),
    }
    if result is not None:
        figures |= _of(result) | {"last_success_timestamp_seconds": ended}
    for metric, value in figures.items():
        samples.pop((metric, (name,)), None)
        if value is not None:
            samples[metric, (name,)] = value
    write_text(path, text(samples), "--metrics")


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
    parser = _client("parser")
    try:
        families = list(parser.text_string_to_metric_families(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
    samples = [(s.name.removeprefix(PREFIX), s) for family in families for s in family.samples]
    return {
        (metric, tuple(sample.labels[label] for label in _labels(metric))): sample.value
        for metric, sample in samples
        if metric in HELP and sample.labels.keys() == set(_labels(metric))
    }


def text(samples: Samples) -> str:
    """The exposition format: help and type, then the samples of each metric."""
    registry = _client("registry").CollectorRegistry()
    registry.register(_Collector(samples))
    return str(_client("exposition").generate_latest(registry).decode())


class _Collector:
    """Samples as the library asks for them."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def collect(self) -> Iterator[Any]:
        core = _client("metrics_core")
        for metric, what in HELP.items():
            kind = core.CounterMetricFamily if metric == RUNS else core.GaugeMetricFamily
            family = kind(PREFIX + metric, what, labels=_labels(metric))
            for (name, labels), value in sorted(self.samples.items()):
                if name == metric:
                    family.add_metric(labels, value)
            if family.samples:
                yield family


def _labels(metric: str) -> tuple[str, ...]:
    return ("file", "outcome") if metric == RUNS else ("file",)


def _client(module: str) -> ModuleType:
    return from_extra(f"prometheus_client.{module}", "store", ("--metrics",))
