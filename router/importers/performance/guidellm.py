"""GuideLLM reports: `benchmarks.json`, schema versions 1 (0.3 to 0.6) and 2, whose fields read here are the same.

*Trap*: its `time_per_output_token_ms` counts the first token in, (last token − request start) / tokens. What a planner
calls time per token after the first is its `inter_token_latency_ms`, (last − first) / (tokens − 1), weighted by tokens.
Latency of requests is in seconds, everything named `_ms` in milliseconds. Requests cut off by the end of a run are
`incomplete`, not failed.
"""

from __future__ import annotations

from router.importers.performance.run import PERCENTILES, RawRecord, Run, day_of, measured

NAME = "guidellm"
TITLE = "GuideLLM"
VERSIONS = (1, 2)
CUT_OFF = 0.1  # share of requests from which on the missing long ones are worth a remark

_LATENCY = {"ttft": "time_to_first_token_ms", "tpot": "inter_token_latency_ms"}


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return isinstance(record.get("benchmarks"), list) and record.get("metadata") is not None


def runs(record: RawRecord) -> list[Run]:
    """One run per benchmark of the report. Raises InputError."""
    version = record.number("metadata", "version")
    if version not in VERSIONS:
        hint = "versions 1 and 2 are read; run it again with GuideLLM 0.3 or newer"
        raise record.error(("metadata", "version"), "is not known", record.get("metadata", "version"), hint)
    benchmarks = record.get("benchmarks")
    found = []
    for index, benchmark in enumerate(benchmarks if isinstance(benchmarks, list) else ()):
        if not isinstance(benchmark, dict):
            raise record.error(("benchmarks", str(index)), "must be an object", benchmark)
        found.append(_run(RawRecord(benchmark, f"{record.file}, benchmarks[{index}]")))
    return found


def _run(record: RawRecord) -> Run:
    completed = record.number("metrics", "request_totals", "successful") or 0.0
    cut_off = record.number("metrics", "request_totals", "incomplete") or 0.0
    remarks: tuple[str, ...] = ()
    if completed and cut_off > CUT_OFF * (completed + cut_off):
        remarks = (
            f"{cut_off:g} of {completed + cut_off:g} requests were cut off by the end of the run: "
            "long ones are missing from the latencies",
        )
    return Run(
        file=record.file,
        line=None,
        prompt_tokens=_mean(record, "prompt_token_count"),
        completion_tokens=_mean(record, "output_token_count"),
        requests_per_s=_mean(record, "requests_per_second"),
        concurrency=_mean(record, "request_concurrency") or None,
        setting=_setting(record),
        latency=_latencies(record),
        completed=completed,
        failed=record.number("metrics", "request_totals", "errored"),
        model=record.text("config", "backend", "model"),
        measured_on=day_of(record.number("scheduler_metrics", "start_time") or record.number("start_time")),
        unusable="no request was completed" if completed == 0 else None,
        remarks=remarks,
    )


def _mean(record: RawRecord, metric: str) -> float:
    return record.number("metrics", metric, "successful", "mean") or 0.0


def _latencies(record: RawRecord) -> dict[str, float]:
    values: dict[str, float | None] = {}
    for kind, metric in _LATENCY.items():
        values[f"{kind}_mean_ms"] = record.number("metrics", metric, "successful", "mean")
        for percentile in PERCENTILES:
            values[f"{kind}_{percentile}_ms"] = record.number(
                "metrics", metric, "successful", "percentiles", percentile
            )
    return measured(values)


def _setting(record: RawRecord) -> tuple[float | str | None, ...]:
    strategy = ("config", "strategy")
    return (
        record.text(*strategy, "type_"),
        record.number(*strategy, "streams"),
        record.number(*strategy, "rate"),
        record.number(*strategy, "max_concurrency"),
    )
