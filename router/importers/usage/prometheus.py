"""Prometheus range results (`/api/v1/query_range`) of raw counters, by the names of `prometheus_names`.

    use between two samples of a series = later − earlier, or the later alone where it is lower: the counter was reset
    cached prompt tokens = hits · Σ prompt / Σ queries where queries are at hand: up to vLLM 0.8 both count blocks
                           (https://github.com/vllm-project/vllm/pull/18003), and their ratio is right in either unit

A series in several files is one. Two series that differ only in who scraped them, or in which GPU of one engine
counted, are the same requests: the longer one counts. What a series counted before its first sample is not known and
not counted, as in PromQL. The record covers the time between samples that follow each other within 2.5 steps (the
usual distance), as far as every kind of counter does; where one series of several has a longer hole, its use is spread
over the hole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from router.importers.account import CACHED, COMPLETION, PROMPT, Account
from router.importers.records import RawRecord
from router.importers.usage.prometheus_names import (
    SAME_REQUEST,
    SAME_TARGET,
    TARGET,
    is_failure,
)
from router.importers.usage.prometheus_series import Counter, counters_of
from router.importers.usage.reading import Row, UsageRecords

NAME = "prometheus"
TITLE = "Prometheus range result"

HOLE = 2.5  # steps
ALIKE = 0.05  # two scrapes of one counter differ by what came between them
MEASURES = {
    "prompt": PROMPT,
    "completion": COMPLETION,
    "cached": CACHED,
    "requests": "requests",
    "money": "USD",
}
SCALED = 0.02  # a unit of hits that is further from one token is worth a word

Stretch = tuple[float, float]


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return record.get("status") is not None and isinstance(record.get("data"), dict)


def read(records: Sequence[RawRecord], settings: object) -> UsageRecords:
    """The use of all series of all files. Raises InputError: samples that contradict, counts that cannot be."""
    account = Account()
    rows: list[Row] = []
    spans: dict[str, set[Stretch]] = {}
    ttft: dict[str, dict[str, float]] = {}
    used = _chosen(account, counters_of(account, records))
    _one_source(account, used)
    for series in used:
        labels = series.labels
        account.writes({"series": 1})
        if series.metric.get("finished_reason") == "abort":
            aborted = sum(use for _, _, use, _ in _uses(series, Account()))
            why = "broken off by their clients: counted, as they took their share of the server"
            account.remark("note", why, series.place, {"requests": aborted})
        for start, end, use, hole in _uses(series, account):
            if not hole and series.kind in ("prompt", "completion", "requests"):
                spans.setdefault(series.kind, set()).add((start, end))
            if series.kind in ("ttft_s", "ttft_n"):
                ttft.setdefault(labels["model"], {"ttft_s": 0.0, "ttft_n": 0.0})[series.kind] += use
            elif series.kind == "requests" and is_failure(series.metric) and use:
                account.reads({"requests": use})
                account.remark("left out", "failed", series.place, {"requests": use})
            elif use > 0 and series.kind != "queries":
                rows.append(_row(series, labels, start, end, use, hole))
    means = {
        model: (1000 * its["ttft_s"] / its["ttft_n"], its["ttft_n"])
        for model, its in ttft.items()
        if its["ttft_n"] > 0
    }
    return UsageRecords(_with_cached(account, rows, used), _by_all(list(spans.values())), account, means)


def _chosen(account: Account, counters: Sequence[Counter]) -> list[Counter]:
    """Each count once: not what is unknown, what another name of the model counts, or what was scraped twice."""
    best: dict[tuple[str, str, str], int] = {}
    for counter in counters:
        key = counter.source, counter.kind, counter.labels["model"]
        best[key] = min(best.get(key, counter.preference), counter.preference)
    by_labels: dict[tuple[object, ...], list[Counter]] = {}
    chosen: set[int] = set()
    for counter in sorted(counters, key=lambda counter: -len(counter.samples)):
        twins = by_labels.setdefault((counter.name, counter.apart_from_scrapes()), [])
        if not counter.kind:
            account.remark("left out", "not used", counter.place, {"series": 1}, names=[counter.name])
        elif counter.preference > best[counter.source, counter.kind, counter.labels["model"]]:
            _leave(account, counter, "counted already under another name of its source")
        elif any(_is_twin(counter, other) for other in twins):
            _leave(
                account,
                counter,
                "counted already: another scrape, or another GPU of one engine, of the same requests",
            )
        else:
            twins.append(counter)
            chosen.add(id(counter))
    return [counter for counter in counters if id(counter) in chosen]


def _leave(account: Account, series: Counter, why: str) -> None:
    amounts = {"series": 1.0}
    if series.kind in MEASURES:
        amounts[MEASURES[series.kind]] = sum(use for _, _, use, _ in _uses(series, Account()))
        account.reads({MEASURES[series.kind]: amounts[MEASURES[series.kind]]})
    account.remark("left out", why, series.place, amounts, names=[series.name])


def _is_twin(one: Counter, other: Counter) -> bool:
    """Whether two series that differ in who scraped, at most, are one counter."""
    apart = {name for name, _ in set(one.metric.items()) ^ set(other.metric.items())}
    apart -= {*SAME_TARGET, *SAME_REQUEST}
    if not apart or (apart == {"replica"} and one.samples == other.samples):
        return True
    if not any(one.metric.get(name) and one.metric.get(name) == other.metric.get(name) for name in TARGET):
        return False
    first, second = (sum(use for _, _, use, _ in _uses(series, Account())) for series in (one, other))
    return abs(first - second) <= ALIKE * max(first, second)


def _one_source(account: Account, used: Sequence[Counter]) -> None:
    """A proxy in front of a server counts what the server counts. Raises InputError where both name one model."""
    sources: dict[str, dict[str, Counter]] = {}
    for series in used:
        if series.kind in ("prompt", "completion", "requests"):
            sources.setdefault(series.source, {}).setdefault(series.labels["model"], series)
    for (one, its), (other, others) in pairwise(sources.items()):
        for model in its.keys() & others.keys():
            place = RawRecord({}, others[model].place)
            rule = (
                f"counts {model} for {other}, and {its[model].place} for {one}: a request would count twice"
            )
            raise place.error((), rule, hint="give the counters of one of them")
        why = f"counters of {one} and {other}: a request that passes both counts twice"
        account.remark("note", why, next(iter(others.values())).place, {}, names=[*its, *others])


def _uses(series: Counter, account: Account) -> Iterator[tuple[float, float, float, bool]]:
    """Start, end, use, and whether it is a hole, between samples."""
    samples = sorted(series.samples.items())
    step = median([b - a for (a, _), (b, _) in pairwise(samples)]) if len(samples) > 1 else 0.0
    for (t1, v1), (t2, v2) in pairwise(samples):
        if v2 < v1:
            account.remark("note", "counter resets bridged", series.place, {"resets": 1})
        yield t1, t2, v2 - v1 if v2 >= v1 else v2, t2 - t1 > HOLE * step


def _with_cached(account: Account, rows: Sequence[Row], used: Sequence[Counter]) -> list[Row]:
    """Hits in prompt tokens, by the queries of the same labels. Raises InputError: more cached than prompt."""
    quiet = Account()
    queries: dict[tuple[str, ...], float] = {}
    for series in used:
        if series.kind == "queries":
            key = tuple(series.labels.values())
            queries[key] = queries.get(key, 0.0) + sum(use for _, _, use, _ in _uses(series, quiet))
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.labels.values()), []).append(row)
    scaled: list[Row] = []
    for key, its in groups.items():
        prompt, hits = sum(row.prompt_tokens for row in its), sum(row.cached_tokens for row in its)
        asked = queries.get(key, 0.0)
        place = next((row.place for row in its if row.cached_tokens), "")
        factor = prompt / asked if asked > 0 and prompt > 0 else 1.0
        if hits > (asked or prompt):
            rule = f"cannot be: {hits:,.0f} cached of {asked or prompt:,.0f} prompt tokens"
            raise RawRecord({}, place).error((), rule, hint="query the counters of prompts and queries too")
        if hits and abs(factor - 1) > SCALED:
            why = "prefix hits are of another unit than prompt tokens (blocks): taken as hits of queries"
            account.remark("note", why, place, {CACHED: hits * factor}, names=[f"× {factor:.4g}"])
        if hits and not asked and "gpu_prefix" in place:
            why = "prefix hits may be of blocks of 16 tokens, up to vLLM 0.8"
            hint = "query vllm:gpu_prefix_cache_queries_total too, which tells"
            account.remark("note", why, place, {CACHED: hits}, hint=hint)
        scaled += [dataclasses.replace(row, cached_tokens=row.cached_tokens * factor) for row in its]
    return scaled


def _by_all(spans: Sequence[Iterable[Stretch]]) -> list[Stretch]:
    """What every kind of counter covers: requests without their tokens would change the size of a request."""
    common = _union(spans[0]) if spans else []
    for others in spans[1:]:
        its = _union(others)
        overlaps = [(max(a, c), min(b, d)) for a, b in common for c, d in its]
        common = [(start, end) for start, end in overlaps if end > start]
    return common


def _union(spans: Iterable[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _row(series: Counter, labels: dict[str, str], start: float, end: float, use: float, hole: bool) -> Row:
    kind = series.kind
    return Row(
        start=start,
        end=end,
        requests=use if kind == "requests" else 0.0,
        prompt_tokens=use if kind == "prompt" else 0.0,
        cached_tokens=use if kind == "cached" else 0.0,
        written_tokens=use if kind == "written" else 0.0,
        completion_tokens=use if kind == "completion" else 0.0,
        labels=labels,
        hole=hole,
        money=use if kind == "money" else 0.0,
        place=series.place,
        rows=0,
    )
