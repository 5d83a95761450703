"""Series of Prometheus answers as counters: samples of all files together, each counted once."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from router.importers.account import Account
from router.importers.records import RawRecord, moment
from router.importers.usage.prometheus_names import (
    LABELS,
    MAY_BE_SAME,
    MODEL,
    PLACES,
    SAME_REQUEST,
    SAME_TARGET,
    TOKEN_TYPES,
)

ALMOST = 0.9  # of the count before: a reset falls to less, another scrape of the same counter does not


@dataclasses.dataclass(frozen=True)
class Counter:
    """A series over all files: its samples by time; kind and source "" where it is none that is known."""

    name: str
    source: str
    kind: str
    preference: int
    metric: dict[str, str]
    samples: dict[float, float]
    place: str

    @property
    def labels(self) -> dict[str, str]:
        """By our names."""
        by_name = {name: self._first(columns) or "none" for name, columns in LABELS.items()}
        return by_name | {"model": self._first(MODEL) or "unknown"}

    def apart_from_scrapes(self) -> frozenset[tuple[str, str]]:
        """The labels that no scrape adds: series that differ in them are never one counter."""
        aside = {*SAME_TARGET, *SAME_REQUEST, *MAY_BE_SAME}
        return frozenset(pair for pair in self.metric.items() if pair[0] not in aside)

    def _first(self, names: Iterable[str]) -> str | None:
        return next((self.metric[name] for name in names if self.metric.get(name)), None)


def counters_of(account: Account, records: Sequence[RawRecord]) -> list[Counter]:
    """Series by name and labels, samples of all files together. Raises InputError where two files contradict."""
    merged: dict[tuple[str, frozenset[tuple[str, str]]], Counter] = {}
    for record in records:
        warnings = record.get("warnings")
        for text in warnings if isinstance(warnings, list) else []:
            account.remark("note", "the server warns of its answer", record.where, {}, names=[str(text)])
        for series in _series(record):
            metric = _metric(series)
            name = metric.pop("__name__")
            kind_of_token = metric.get("gen_ai_token_type", "")
            typed = f"{name} {TOKEN_TYPES.get(kind_of_token, kind_of_token)}".strip()
            source, kind, preference = PLACES.get(name, PLACES.get(typed, ("", "", 0)))
            place = f"{series.file}, {name}"
            fresh = Counter(name, source, kind, preference, metric, {}, place)
            counter = merged.setdefault((name, frozenset(metric.items())), fresh)
            samples = _samples(series)
            if counter is fresh:
                account.reads({"series": 1})
            elif again := len(samples.keys() & counter.samples.keys()):
                account.remark("note", "samples given again, counted already", place, {"samples": again})
            for time, value in samples.items():
                known = counter.samples.get(time, value)
                if counter.kind and known != value:
                    rule = f"is {value:.12g} at {time:.0f}, and {known:.12g} in {counter.place}"
                    raise series.error(("values",), rule, hint="one counter has one value at a time")
            _join(counter.samples, samples)
    return list(merged.values())


def _join(known: dict[float, float], more: dict[float, float]) -> None:
    """Samples of another answer where the known ones leave a hole, or end; never between them.

    Two scrapes of one counter are a little apart in time and count: mixed, each step back would look like a reset.
    """
    times = sorted(known)
    apart = median([b - a for a, b in pairwise(times)]) / 2 if len(times) > 1 else 0.0
    for time, value in sorted(more.items()):
        place = bisect(times, time)
        near = [abs(other - time) for other in times[max(place - 1, 0) : place + 1]]
        before = known[times[place - 1]] if place else 0.0
        if min(near, default=math.inf) >= apart and not ALMOST * before < value < before:
            known[time] = value


def _series(record: RawRecord) -> Iterator[RawRecord]:
    if record.get("status") != "success":
        raise record.error(("status",), f"the query failed: {record.get('error')}", record.get("status"))
    kind, result = record.get("data", "resultType"), record.get("data", "result")
    if kind != "matrix" or not isinstance(result, list):
        hint = "ask /api/v1/query_range for the raw counter, like vllm:prompt_tokens_total"
        raise record.error(("data", "resultType"), "must be matrix, a range result", kind, hint)
    for item in result:
        if not isinstance(item, dict):
            raise record.error(("data", "result"), "must be a list of series", item)
        yield RawRecord(item, record.file, record.line)


def _metric(series: RawRecord) -> dict[str, str]:
    """Labels with `.` as `_`; the name with `:` as `_` too and without `_total`: a rate or a sum has none any more."""
    name = series.text("metric", "__name__")
    if name is None:
        hint = "query the raw counter, without rate() or sum(): rates are made here, resets included"
        raise series.error(("metric", "__name__"), "is missing: the query changed the counter", None, hint)
    metric = series.get("metric")
    labels = metric.items() if isinstance(metric, dict) else ()
    name = name.replace(":", "_").replace(".", "_").removesuffix("_total")
    return {str(key).replace(".", "_"): str(value) for key, value in labels} | {"__name__": name}


def _samples(series: RawRecord) -> dict[float, float]:
    """Values by time; NaN is no sample."""
    values = series.get("values")
    if not isinstance(values, list):
        raise series.error(("values",), "must be a list of [time, value]", values)
    samples: dict[float, float] = {}
    for pair in values:
        fields = dict(zip(("time", "value"), pair, strict=False)) if isinstance(pair, list) else {}
        record = RawRecord(fields, series.file, series.line)
        if len(record.values) != 2:
            raise series.error(("values",), "must be a list of [time, value]", pair)
        time, value = moment(record, "time"), record.number("value")
        if value is not None:
            samples[time] = value
    return samples
