"""Workloads as a problem file: horizon, models, demand by period, mean sizes; offers are added by `include`.

    prompt_tokens = Σ prompt / Σ requests            completion_tokens likewise
    cached_prompt_share = Σ cached / Σ prompt,  cache_write_share = Σ written / Σ prompt

The totals over the horizon are the record's; within it every request has the mean size. Where requests were not counted
(a bill) they follow from `request_tokens`, the tokens of a request; without it demand is stated in tokens, evenly.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from router.errors import InputError, Issue
from router.importers.account import CACHED, COMPLETION, PROMPT, WRITTEN, Account
from router.importers.usage.periods import Usage, Work
from router.loading.catalogue import load_text

DIGITS = 12
SAME = 1e-9  # sums of floats
PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


@dataclasses.dataclass(frozen=True)
class Draft:
    """The file's text, how many workloads it has, and the account of all that was read."""

    text: str
    workloads: int
    account: Account


def draft(
    usage: Usage,
    *,
    name: str = "recorded usage",
    rename: Mapping[str, str] | None = None,
    request_tokens: float | None = None,
    include: Sequence[str] = (),
) -> Draft:
    """The problem file. `rename` gives the record's models your names; several of one name become one workload.

    Raises InputError where nothing was used, or corrections outweigh the use.
    """
    account = copy.deepcopy(usage.account)
    workloads = []
    for work in _renamed(usage.work, rename or {}, account):
        entry = _workload(work, usage, request_tokens, account)
        if entry is not None:
            workloads.append(entry)
    if not workloads:
        raise InputError(Issue((), "holds no use at all", detail="\n".join(account.lines())))
    text = _head(usage, name, include) + yaml.safe_dump(
        {
            "models": {model: {} for model in sorted({one["models"][0] for one in workloads})},
            "workloads": workloads,
        },
        sort_keys=False,
        allow_unicode=True,
        width=118,
        default_flow_style=None,
    )
    if not include:
        load_text(text, "the draft")
    return Draft(text, len(workloads), account)


def _renamed(works: Sequence[Work], rename: Mapping[str, str], account: Account) -> list[Work]:
    """By your names. Two that now share all of it are one: their amounts add up, period by period."""
    unknown = sorted(set(rename) - {work.model for work in works})
    if unknown:
        known = ", ".join(sorted({work.model for work in works}))
        raise InputError(Issue(("--rename",), "is not a model of the record", unknown[0], f"known: {known}"))
    by_name: dict[tuple[str, ...], list[Work]] = {}
    for work in works:
        model = rename.get(work.model, work.model)
        by_name.setdefault((model, *work.labels), []).append(work)
    for key, its in by_name.items():
        if len(its) > 1:
            why = f"put together as {'/'.join(key)}"
            account.remark("note", why, "", {}, names=[work.model for work in its], asked=True)
    return [_sum(key, its) for key, its in by_name.items()]


def _sum(key: tuple[str, ...], works: Sequence[Work]) -> Work:
    """`sources` keeps the record's own names, under which observed times stand."""

    def added(name: str) -> tuple[float, ...]:
        return tuple(map(fsum, zip(*(getattr(work, name) for work in works), strict=True)))

    money: dict[str, float] = {}
    for work in works:
        for currency, amount in work.money.items():
            money[currency] = money.get(currency, 0.0) + amount
    return Work(
        model=key[0],
        labels=key[1:],
        requests=added("requests"),
        prompt_tokens=added("prompt_tokens"),
        cached_tokens=added("cached_tokens"),
        written_tokens=added("written_tokens"),
        completion_tokens=added("completion_tokens"),
        ttft_ms=tuple(sorted(time for work in works for time in work.ttft_ms)),
        rows=sum(work.rows for work in works),
        money=money,
        sources=tuple(work.model for work in works),
    )


def _workload(
    work: Work, usage: Usage, request_tokens: float | None, account: Account
) -> dict[str, Any] | None:
    name = "/".join((work.model, *work.labels))
    totals = work.totals()
    requests, prompt = totals["requests"], totals[PROMPT]
    cached, to_cache, completion = totals[CACHED], totals[WRITTEN], totals[COMPLETION]
    if min(prompt, completion, cached, to_cache) < 0 or cached + to_cache > prompt * (1 + SAME):
        hint = "import the period that they correct too"
        raise InputError(Issue((), "corrections outweigh the use", name, hint))
    if prompt + completion <= 0:
        account.remark("left out", "without tokens", "", totals, names=[name])
        return None
    entry: dict[str, Any] = {"name": name, "models": [work.model]}
    written = {currency: amount for currency, amount in totals.items() if currency in work.money}
    written["rows"] = work.rows
    if requests > 0:
        entry["demand"] = {"requests_by_period": [written_number(n) for n in work.requests]}
        entry |= _sizes(prompt / requests, completion / requests)
    elif request_tokens is not None:
        counts = _counted(work, name, request_tokens, account)
        entry["demand"] = {"requests_by_period": [written_number(n) for n in counts]}
        share = completion / (prompt + completion)
        entry |= _sizes(request_tokens * (1 - share), request_tokens * share)
    else:
        share = completion / (prompt + completion)
        entry["demand"] = {
            "tokens_total": written_number(prompt + completion),
            "completion_share": written_number(share),
        }
        why, hint = "requests were not counted: demand is in tokens, evenly", "or --request-tokens N"
        account.remark("note", why, "", {}, names=[name], hint=hint)
    if cached > 0:
        entry["cached_prompt_share"] = written_number(min(cached / prompt, 1.0))
    if to_cache > 0:
        entry["cache_write_share"] = written_number(min(to_cache / prompt, 1.0))
    account.writes(written | _written(entry))
    entry["source"] = usage.source
    note = _ttft(work, usage)
    return entry | ({"note": note} if note else {})


def _counted(work: Work, name: str, request_tokens: float, account: Account) -> list[float]:
    """Requests by period where only tokens are known; what corrections leave below zero counts as none."""
    tokens = [p + c for p, c in zip(work.prompt_tokens, work.completion_tokens, strict=True)]
    counts = [max(amount, 0.0) / request_tokens for amount in tokens]
    why = f"requests were not counted; taken to be of {request_tokens:g} tokens each"
    account.remark("added", why, "", {"requests": fsum(counts)}, names=[name], asked=True)
    missing = -fsum(min(amount, 0.0) for amount in tokens)
    if missing:
        part = missing / fsum(tokens)
        totals = {kind: work.totals()[kind] * part for kind in (PROMPT, CACHED, WRITTEN, COMPLETION)}
        why = "corrections of other periods than their own: periods below zero count as none"
        account.remark("added", why, "", totals, names=[name])
    return counts


def _written(entry: Mapping[str, Any]) -> dict[str, float]:
    """Requests and tokens as the file now says them."""
    demand = entry["demand"]
    if "tokens_total" in demand:
        requests, completion = 0.0, demand["tokens_total"] * demand["completion_share"]
        prompt = demand["tokens_total"] - completion
    else:
        requests = fsum(demand["requests_by_period"])
        prompt, completion = (
            requests * entry["prompt_tokens"],
            requests * entry["completion_tokens"],
        )
    cached, written = (prompt * entry.get(f"{kind}_share", 0.0) for kind in ("cached_prompt", "cache_write"))
    return {"requests": requests, PROMPT: prompt, CACHED: cached, WRITTEN: written, COMPLETION: completion}


def _sizes(prompt: float, completion: float) -> dict[str, float]:
    return {"prompt_tokens": written_number(prompt), "completion_tokens": written_number(completion)}


def _ttft(work: Work, usage: Usage) -> str | None:
    """Observed times to first token: percentiles by nearest rank upwards, or a mean where only that is known."""
    values = work.ttft_ms
    if values:
        shown = [f"{word} {values[math.ceil(share * len(values)) - 1]:.0f} ms" for word, share in PERCENTILES]
        return f"observed time to first token: {', '.join(shown)} of {len(values):,} streamed requests"
    for name in work.sources:
        if name in usage.means:
            mean, count = usage.means[name]
            return f"observed time to first token of {name}: mean {mean:.0f} ms of {count:,.0f} requests"
    return None


def _head(usage: Usage, name: str, include: Sequence[str]) -> str:
    local = dt.datetime.fromtimestamp(usage.start, ZoneInfo(usage.timezone))
    start = (
        local if local.fold else local.replace(tzinfo=None)
    ).isoformat()  # an hour that comes twice needs its offset
    horizon = {
        "periods": usage.periods,
        "period_h": written_number(usage.period_h),
        "start": start,
        "timezone": usage.timezone,
    }
    head: dict[str, Any] = {"schema": "router/1", "name": name, "source": usage.source, "horizon": horizon}
    if include:
        head["include"] = list(include)
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)


def written_number(value: float) -> float | int:
    """12 significant digits; whole numbers without a point."""
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
