"""Measured performance → an offer with operating points: vLLM, SGLang, GuideLLM, AIPerf, and a table of points.

Files are read into `Run`s (one module per format), runs become the points of one offer (`offer.py`). Conventions:

- Percentiles only where measured; means stay means.
- Time per token is that after the first, whatever the format calls it.
- A run with failed requests is left out, by name, unless `allow_failed` lets so large a share pass: what survives an
  overloaded server is faster than what was asked of it.
- Of runs that repeat one load at one size the slowest counts.
- Steps of one sweep, whose drawn prompts differ by no more than 5 %, are one size, the largest mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from types import ModuleType

from router.errors import InputError, Issue
from router.importers.performance import aiperf, guidellm, points_csv, sglang, vllm_bench
from router.importers.performance.offer import Replica, ReplicaPoints, extract, fragment
from router.importers.performance.report_csv import report_records
from router.importers.performance.run import Run, json_records

__all__ = ["FORMATS", "TITLES", "Replica", "ReplicaPoints", "Run", "extract", "fragment", "read_runs"]

JSON_FORMATS: tuple[ModuleType, ...] = (guidellm, aiperf, sglang, vllm_bench)  # the most telling marks first
YAML = (".yaml", ".yml")
FORMATS = ("auto", *(module.NAME for module in (vllm_bench, sglang, guidellm, aiperf, points_csv)))
TITLES = {module.NAME: module.TITLE for module in (*JSON_FORMATS, points_csv)}


def read_runs(
    path: FilePath, form: str = "auto", where: Sequence[tuple[str, str]] = ()
) -> tuple[str, list[Run]]:
    """The format of a file and its runs; `where` picks the replica of a table. Raises InputError."""
    records = report_records(path)
    if form == points_csv.NAME or (not records and form == "auto" and points_csv.recognises(path)):
        return points_csv.NAME, points_csv.runs(path, where)
    if where:
        raise InputError(
            Issue(("--where",), "is for tables of points", file=str(path), hint="--format points-csv")
        )
    if path.suffix.lower() in YAML:
        rule = "is YAML, and GuideLLM's YAML report is not read; its JSON or CSV is"
        raise InputError(Issue((), rule, hint="--outputs json", file=str(path)))
    found: list[Run] = []
    names = []
    for record in records or json_records(path):
        module = next((one for one in JSON_FORMATS if form == one.NAME), None)
        if module is None:
            module = next((one for one in JSON_FORMATS if one.recognises(record)), None)
        if module is None:
            known = ", ".join(one.TITLE for one in JSON_FORMATS)
            raise record.error(
                (), "is not a benchmark result in a known format", hint=f"known formats: {known}"
            )
        names.append(module.NAME)
        found += module.runs(record)
    if not found:
        raise InputError(Issue((), "holds no run", file=str(path)))
    return names[0], found
