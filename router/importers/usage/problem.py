"""Workloads as a problem file: horizon, models, demand by period, mean sizes; offers are added by `include`.

    prompt_tokens = Σ prompt / Σ requests            completion_tokens likewise
    cached_prompt_share = Σ cached / Σ prompt

The totals over the horizon are the record's; within it every request has the mean size. Where requests were not counted
(a bill) they follow from `request_tokens`, the tokens of a request; without it demand is stated in tokens, evenly.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from router.errors import InputError, Issue
from router.importers.usage.periods import Usage, Work
from router.loading.catalogue import load_text

DIGITS = 12
PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


@dataclasses.dataclass(frozen=True)
class Draft:
    """The file's text, how many workloads it has, and what the reader must know."""

    text: str
    workloads: int
    remarks: tuple[str, ...]


def draft(
    usage: Usage,
    *,
    name: str = "recorded usage",
    rename: Mapping[str, str] | None = None,
    request_tokens: float | None = None,
    include: Sequence[str] = (),
) -> Draft:
    """The problem file. `rename` gives the record's models your names. Raises InputError where nothing was used."""
    rename = rename or {}
    unknown = sorted(set(rename) - {work.model for work in usage.work})
    if unknown:
        known = ", ".join(sorted({work.model for work in usage.work}))
        raise InputError(Issue(("--rename",), "is not a model of the record", unknown[0], f"known: {known}"))
    remarks = list(usage.remarks)
    workloads = []
    for work in usage.work:
        made = _workload(work, usage, rename, request_tokens, remarks)
        if made is not None:
            workloads.append(made)
    if not workloads:
        raise InputError(Issue((), "holds no use at all", detail="\n".join(remarks) or None))
    _distinct(workloads)
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
    return Draft(text, len(workloads), tuple(remarks))


def _workload(
    work: Work, usage: Usage, rename: Mapping[str, str], request_tokens: float | None, remarks: list[str]
) -> dict[str, Any] | None:
    model = rename.get(work.model, work.model)
    name = "/".join((model, *work.labels))
    requests, prompt = fsum(work.requests), fsum(work.prompt_tokens)
    cached, completion = fsum(work.cached_tokens), fsum(work.completion_tokens)
    if prompt + completion <= 0:
        if requests > 0:
            remarks.append(f"{name}: {requests:,.0f} requests without tokens left out")
        return None
    if min(prompt, completion) < 0:
        raise InputError(
            Issue((), "corrections outweigh the use", name, "import the period that they correct too")
        )
    made: dict[str, Any] = {"name": name, "models": [model]}
    if requests > 0:
        made["demand"] = {"requests_by_period": [_number(max(n, 0.0)) for n in work.requests]}
        made |= _sizes(prompt / requests, completion / requests)
    elif request_tokens is not None:
        by_period = [
            max(p + c, 0.0) / request_tokens
            for p, c in zip(work.prompt_tokens, work.completion_tokens, strict=True)
        ]
        made["demand"] = {"requests_by_period": [_number(n) for n in by_period]}
        share = completion / (prompt + completion)
        made |= _sizes(request_tokens * (1 - share), request_tokens * share)
        remarks.append(f"{name}: requests were not counted; taken to be of {request_tokens:g} tokens each")
    else:
        share = completion / (prompt + completion)
        made["demand"] = {"tokens_total": _number(prompt + completion), "completion_share": _number(share)}
        remarks.append(
            f"{name}: requests were not counted: demand is in tokens, evenly; or --request-tokens N"
        )
    if cached > 0 and prompt > 0:
        made["cached_prompt_share"] = _number(min(cached / prompt, 1.0))
    made["source"] = usage.source
    note = _ttft(work, usage)
    return made | ({"note": note} if note else {})


def _sizes(prompt: float, completion: float) -> dict[str, float]:
    return {"prompt_tokens": _number(prompt), "completion_tokens": _number(completion)}


def _ttft(work: Work, usage: Usage) -> str | None:
    """Observed times to first token: percentiles by nearest rank upwards, or a mean where only that is known."""
    values = work.ttft_ms
    if values:
        shown = [f"{word} {values[math.ceil(share * len(values)) - 1]:.0f} ms" for word, share in PERCENTILES]
        return f"observed time to first token: {', '.join(shown)} of {len(values):,} streamed requests"
    if work.model in usage.means:
        mean, count = usage.means[work.model]
        return f"observed time to first token of {work.model}: mean {mean:.0f} ms of {count:,.0f} requests"
    return None


def _head(usage: Usage, name: str, include: Sequence[str]) -> str:
    local = dt.datetime.fromtimestamp(usage.start, ZoneInfo(usage.timezone))
    start = (
        local if local.fold else local.replace(tzinfo=None)
    ).isoformat()  # an hour that comes twice needs its offset
    horizon = {
        "periods": usage.periods,
        "period_h": _number(usage.period_h),
        "start": start,
        "timezone": usage.timezone,
    }
    head: dict[str, Any] = {"schema": "router/1", "name": name, "source": usage.source, "horizon": horizon}
    if include:
        head["include"] = list(include)
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)


def _number(value: float) -> float | int:
    """12 significant digits; whole numbers without a point."""
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _distinct(workloads: Sequence[Mapping[str, Any]]) -> None:
    """Two recorded models under one of your names are one workload, which only you can say."""
    seen: set[str] = set()
    for one in workloads:
        if one["name"] in seen:
            rule = "is the name of two workloads"
            raise InputError(
                Issue(("--rename",), rule, one["name"], "give each record model a name of its own")
            )
        seen.add(one["name"])
