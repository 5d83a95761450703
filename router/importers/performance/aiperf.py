"""AIPerf summaries: `profile_export_aiperf.json`, each metric with its own `unit`.

`inter_token_latency` is (request time − TTFT) / (completion tokens − 1) per request, our time per token.
GPU telemetry may see more GPUs than the replica uses, so the count is not taken from it.
"""

from __future__ import annotations

import datetime as dt

from router.importers.performance.run import PERCENTILES, RawRecord, Run, in_flight, measured

NAME = "aiperf"
TITLE = "AIPerf"

MS_PER = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3}
_RATES = ("requests/sec", "requests/s")
_LATENCY = {"ttft": "time_to_first_token", "tpot": "inter_token_latency"}


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return isinstance(record.get("request_throughput"), dict)


def runs(record: RawRecord) -> list[Run]:
    """The run of one summary. Raises InputError."""
    unit = record.text("request_throughput", "unit")
    if unit not in _RATES:
        hint = f"known: {', '.join(_RATES)}"
        raise record.error(("request_throughput", "unit"), "is not a known unit of throughput", unit, hint)
    rate = record.number("request_throughput", "avg") or 0.0
    completed = record.number("request_count", "avg")
    failed = record.number("error_request_count", "avg")
    if failed is None and record.get("request_count") is not None:
        failed = _errors(record)
    unusable = None
    if record.get("was_cancelled") is True:
        unusable = "the run was cancelled"
    elif completed == 0 or rate <= 0:
        unusable = "no request was completed"
    return [
        Run(
            file=record.file,
            line=record.line,
            prompt_tokens=record.number("input_sequence_length", "avg") or 0.0,
            completion_tokens=record.number("output_sequence_length", "avg") or 0.0,
            requests_per_s=rate,
            concurrency=in_flight(rate, _ms(record, "request_latency", "avg")),
            setting=_setting(record),
            latency=_latencies(record),
            completed=completed,
            failed=failed,
            model=_model(record),
            measured_on=_date(record.text("start_time")),
            unusable=unusable,
        )
    ]


def _latencies(record: RawRecord) -> dict[str, float]:
    values: dict[str, float | None] = {}
    for kind, metric in _LATENCY.items():
        values[f"{kind}_mean_ms"] = _ms(record, metric, "avg")
        for percentile in PERCENTILES:
            values[f"{kind}_{percentile}_ms"] = _ms(record, metric, percentile)
    return measured(values)


def _ms(record: RawRecord, metric: str, statistic: str) -> float | None:
    value = record.number(metric, statistic)
    if value is None:
        return None
    unit = record.text(metric, "unit")
    if unit not in MS_PER:
        raise record.error(
            (metric, "unit"), "is not a known unit of time", unit, f"known: {', '.join(MS_PER)}"
        )
    return value * MS_PER[unit]


def _errors(record: RawRecord) -> float:
    """An export without `error_request_count` had no errors, or lists them."""
    summary = record.get("error_summary")
    entries = summary if isinstance(summary, list) else []
    return float(sum(entry.get("count", 1) for entry in entries if isinstance(entry, dict)))


def _setting(record: RawRecord) -> tuple[float | str | None, ...]:
    load = ("input_config", "loadgen")
    return (record.number(*load, "concurrency"), record.number(*load, "request_rate"))


def _model(record: RawRecord) -> str | None:
    names = record.get("input_config", "endpoint", "model_names")
    return str(names[0]) if isinstance(names, list) and len(names) == 1 else None


def _date(text: str | None) -> dt.date | None:
    try:
        return dt.datetime.fromisoformat(text).date() if text else None
    except ValueError:
        return None
