"""Prometheus range results (`/api/v1/query_range`) of raw counters: vLLM's and OpenTelemetry's GenAI names.

    vLLM            vllm:prompt_tokens_total, vllm:generation_tokens_total, vllm:request_success_total (all reasons),
                    vllm:prefix_cache_hits_total (tokens), vllm:time_to_first_token_seconds_{sum,count}; model_name
    OpenTelemetry   gen_ai_client_token_usage_{sum,count} with gen_ai_token_type input|output (inputs are counted once a
                    request), gen_ai_server_time_to_first_token_seconds_{sum,count}; gen_ai_request_model

    use between two samples of a series = later − earlier, or the later alone where it is lower: the counter was reset

What a series counted before its first sample is not known and not counted, as in PromQL. The record covers the time
between samples that follow each other within 2.5 steps (the usual distance), as far as every kind of counter does;
where one series of several has a longer hole, its use is spread over the hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from router.importers.records import RawRecord, moment
from router.importers.usage.reading import Row, UsageRecords

NAME = "prometheus"
TITLE = "Prometheus range result"

HOLE = 2.5  # steps
KINDS = {
    "vllm_prompt_tokens_total": "prompt",
    "vllm_generation_tokens_total": "completion",
    "vllm_request_success_total": "requests",
    "vllm_prefix_cache_hits_total": "cached",
    "vllm_gpu_prefix_cache_hits_total": "cached",
    "vllm_time_to_first_token_seconds_sum": "ttft_s",
    "vllm_time_to_first_token_seconds_count": "ttft_n",
    "gen_ai_server_time_to_first_token_seconds_sum": "ttft_s",
    "gen_ai_server_time_to_first_token_seconds_count": "ttft_n",
    "gen_ai_client_token_usage_sum": "tokens",
    "gen_ai_client_token_usage_count": "calls",
}
BY_TYPE = {("tokens", "input"): "prompt", ("tokens", "output"): "completion", ("calls", "input"): "requests"}
MODEL = ("gen_ai_request_model", "model_name", "gen_ai_response_model", "model")
LABELS = {
    "provider": "gen_ai_provider_name",
    "job": "job",
    "namespace": "namespace",
    "service": "service_name",
    "instance": "instance",
}

Samples = list[tuple[float, float]]


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return record.get("status") is not None and isinstance(record.get("data"), dict)


def read(found: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The use of all series of all files. Raises InputError."""
    rows: list[Row] = []
    spans: dict[str, set[tuple[float, float]]] = {}
    ttft: dict[str, dict[str, float]] = {}
    ignored: dict[str, int] = {}
    resets = 0
    for record in found:
        for series in _series(record):
            kind, labels = _kind(series), _labels(series)
            if kind is None:
                ignored[_name(series)] = ignored.get(_name(series), 0) + 1
                continue
            samples = _samples(series)
            times = [time for time, _ in samples]
            step = median([b - a for a, b in pairwise(times)]) if len(times) > 1 else 0.0
            for (t1, v1), (t2, v2) in pairwise(samples):
                use = v2 - v1 if v2 >= v1 else v2
                resets += v2 < v1
                hole = t2 - t1 > HOLE * step
                if not hole and kind in ("prompt", "completion", "requests"):
                    spans.setdefault(kind, set()).add((t1, t2))
                if kind in ("ttft_s", "ttft_n"):
                    its = ttft.setdefault(labels["model"], {"ttft_s": 0.0, "ttft_n": 0.0})
                    its[kind] += use
                elif use > 0:
                    rows.append(_row(kind, t1, t2, use, labels, hole))
    remarks = [f"{resets:,} counter resets bridged"] if resets else []
    remarks += [f"{name}: {count:,} series not used" for name, count in sorted(ignored.items())]
    means = {
        m: (1000 * its["ttft_s"] / its["ttft_n"], its["ttft_n"])
        for m, its in ttft.items()
        if its["ttft_n"] > 0
    }
    return UsageRecords(rows, _by_all(list(spans.values())), remarks, means)


def _by_all(spans: Sequence[Iterable[tuple[float, float]]]) -> list[tuple[float, float]]:
    """What every kind of counter covers: requests without their tokens would change the size of a request."""
    common = _union(spans[0]) if spans else []
    for others in spans[1:]:
        its = _union(others)
        overlaps = [(max(a, c), min(b, d)) for a, b in common for c, d in its]
        common = [(start, end) for start, end in overlaps if end > start]
    return common


def _union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _series(record: RawRecord) -> Iterator[RawRecord]:
    if record.get("status") != "success":
        raise record.error(("status",), f"the query failed: {record.get('error')}", record.get("status"))
    kind, result = record.get("data", "resultType"), record.get("data", "result")
    if kind != "matrix" or not isinstance(result, list):
        hint = "ask /api/v1/query_range for the raw counter, like vllm:prompt_tokens_total"
        raise record.error(("data", "resultType"), "must be matrix, a range result", kind, hint)
    for one in result:
        yield RawRecord(one if isinstance(one, dict) else {}, record.file, record.line)


def _name(series: RawRecord) -> str:
    """The metric's name with `:` and `.` as `_`; a rate or a sum has none any more."""
    name = series.text("metric", "__name__")
    if name is None:
        hint = "query the raw counter, without rate() or sum(): rates are made here, resets included"
        raise series.error(("metric", "__name__"), "is missing: the query changed the counter", None, hint)
    return name.replace(":", "_").replace(".", "_")


def _kind(series: RawRecord) -> str | None:
    kind = KINDS.get(_name(series))
    token = _label(series, ("gen_ai_token_type",))
    return BY_TYPE.get((kind, token)) if kind in ("tokens", "calls") and token else kind


def _label(series: RawRecord, names: Sequence[str]) -> str | None:
    metric = series.get("metric")
    labels = (
        {key.replace(".", "_"): value for key, value in metric.items()} if isinstance(metric, dict) else {}
    )
    return next((str(labels[name]) for name in names if labels.get(name)), None)


def _labels(series: RawRecord) -> dict[str, str]:
    labels = {name: _label(series, (column,)) or "none" for name, column in LABELS.items()}
    labels["model"] = _label(series, MODEL) or "unknown"
    return labels


def _samples(series: RawRecord) -> Samples:
    """Times and values in order; NaN is no sample."""
    values = series.get("values")
    if not isinstance(values, list):
        raise series.error(("values",), "must be a list of [time, value]", values)
    found: Samples = []
    for pair in values:
        fields = dict(zip(("time", "value"), pair, strict=False)) if isinstance(pair, list) else {}
        record = RawRecord(fields, series.file, series.line)
        if len(record.values) != 2:
            raise series.error(("values",), "must be a list of [time, value]", pair)
        time, value = moment(record, "time"), record.number("value")
        if value is not None:
            found.append((time, value))
    return sorted(found)


def _row(kind: str, start: float, end: float, use: float, labels: Mapping[str, str], hole: bool) -> Row:
    return Row(
        start=start,
        end=end,
        requests=use if kind == "requests" else 0.0,
        prompt_tokens=use if kind == "prompt" else 0.0,
        cached_tokens=use if kind == "cached" else 0.0,
        completion_tokens=use if kind == "completion" else 0.0,
        labels=labels,
        hole=hole,
    )
