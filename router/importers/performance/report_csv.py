"""CSV reports of GuideLLM, AIPerf and `vllm bench sweep`, as the records that their JSON reports hold.

GuideLLM   three rows of headings: group, name, statistic; a row a benchmark. Percentiles are a list of eleven: least,
           0.1, 1, 5, 10, 25, 75, 90, 95, 99 %, most
AIPerf     `Metric,avg,…,p99` with the unit in the metric's name, then `Metric,Value`; neither model nor load
vLLM       `summary.csv` of a sweep: the names of its JSON, a row a run
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath

from router.errors import InputError, Issue
from router.importers.performance.run import RawRecord, read_text

_AT = {"p90": 7, "p95": 8, "p99": 9}
_METRICS = {
    "requests_per_second": ("Server Throughput", "Successful Requests/Sec"),
    "request_concurrency": ("Server Throughput", "Successful Concurrency"),
    "prompt_token_count": ("Token Metrics", "Successful Input Tokens"),
    "output_token_count": ("Token Metrics", "Successful Output Tokens"),
    "time_to_first_token_ms": ("Time to First Token", "Successful ms"),
    "inter_token_latency_ms": ("Inter Token Latency", "Successful ms"),
}
_METRIC = re.compile(r"(?P<name>.+?)(?: \((?P<unit>[^)]+)\))?")


def report_records(path: FilePath) -> list[RawRecord]:
    """The records of such a report; none where a table is another one. Raises InputError."""
    if path.suffix.lower() != ".csv":
        return []
    text = read_text(path)
    reader: Callable[[list[list[str]], str], list[RawRecord]] | None = None
    if text.startswith(("Run Info,", "Benchmark,")):
        reader = _guidellm
    elif text.startswith("Metric,"):
        reader = _aiperf
    elif {"model_id", "completed", "request_throughput"} <= set(text.partition("\n")[0].strip().split(",")):
        reader = _vllm
    if reader is None:
        return []
    try:
        return reader(list(csv.reader(io.StringIO(text, newline=""), strict=True)), str(path))
    except csv.Error as error:
        raise InputError(Issue((), f"is not CSV: {error}", file=str(path))) from None
    except (ValueError, LookupError) as error:
        rule = f"is not a whole report: {error}"
        raise InputError(Issue((), rule, file=str(path), hint="its JSON report is read too")) from None


def _guidellm(rows: Sequence[Sequence[str]], file: str) -> list[RawRecord]:
    heads = list(zip(*rows[:3], strict=True))
    benchmarks = []
    if not rows[3:]:
        raise ValueError("it has no run")
    for row in rows[3:]:
        cells = dict(zip(heads, row, strict=True))
        first = {head[:2]: cell for head, cell in reversed(cells.items())}
        metrics: dict[str, object] = {
            "request_totals": {
                name.lower(): first[("Request Counts", name)]
                for name in ("Successful", "Incomplete", "Errored")
            }
        }
        for name, head in _METRICS.items():
            percentiles = json.loads(cells[(*head, "Percentiles")] or "[]")
            known = {key: percentiles[at] for key, at in _AT.items()} if percentiles else {}
            known["p50"] = cells[(*head, "Median")]
            metrics[name] = {"successful": {"mean": cells[(*head, "Mean")], "percentiles": known}}
        index = ", ".join(first.get(("Run Info", name), "") for name in ("Run ID", "Run Index"))
        strategy = {"type_": f"{first.get(('Benchmark', 'Strategy'))}, run {index}"}
        config = {"strategy": strategy, "backend": json.loads(first.get(("Run Info", "Backend")) or "{}")}
        start = {"start_time": _seconds(first.get(("Timings", "Start Time"), ""))}
        benchmarks.append({"config": config, "scheduler_metrics": start, "metrics": metrics})
    stated = json.loads(first.get(("Runtime Info", "Metadata")) or '{"version": 2}')
    return [RawRecord({"metadata": stated, "benchmarks": benchmarks}, file)]


def _aiperf(rows: Sequence[Sequence[str]], file: str) -> list[RawRecord]:
    found: dict[str, object] = {}
    heads: Sequence[str] = ()
    for row in rows:
        if row[:1] == ["Metric"]:
            heads = ["avg" if head == "Value" else head for head in row]
        elif len(row) == len(heads) and (match := _METRIC.fullmatch(row[0])):
            key = match["name"].strip().lower().replace(" ", "_")
            found[key] = dict(zip(heads[1:], row[1:], strict=True)) | {"unit": match["unit"]}
    return [RawRecord(found, file)]


def _vllm(rows: Sequence[Sequence[str]], file: str) -> list[RawRecord]:
    return [
        RawRecord(dict(zip(rows[0], row, strict=True)), file, line)
        for line, row in enumerate(rows[1:], start=2)
    ]


def _seconds(text: str) -> float | None:
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return None
