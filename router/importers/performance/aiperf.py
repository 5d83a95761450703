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
    models = _models(record)
    if len(models) > 1:
        unusable = f"it measured {len(models)} models together: {', '.join(models)}"
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
            model=models[0] if len(models) == 1 else None,
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
    """The load asked for: `loadgen`, or from 0.13 on `phases`, whose warm-ups are not what was measured."""
    config = record.get("input_config")
    phases = config.get("phases", config.get("loadgen")) if isinstance(config, dict) else None
    found: list[float | None] = []
    for phase in phases if isinstance(phases, list) else [phases]:
        load = RawRecord(phase if isinstance(phase, dict) else {}, record.file, record.line)
        if not any("warm" in str(load.get(key)).lower() for key in ("kind", "name", "type")):
            rate = load.number("rate")
            found += [load.number("concurrency"), load.number("request_rate") if rate is None else rate]
    return tuple(found)


def _models(record: RawRecord) -> list[str]:
    """What was measured: `endpoint.model_names`, or from 0.13 on `models.items`."""
    names = record.get("input_config", "endpoint", "model_names")
    items = record.get("input_config", "models", "items")
    if isinstance(items, list):
        names = [item.get("name") for item in items if isinstance(item, dict)]
    return sorted({str(name) for name in names}) if isinstance(names, list) else []


def _date(text: str | None) -> dt.date | None:
    try:
        return dt.datetime.fromisoformat(text).date() if text else None
    except ValueError:
        return None
