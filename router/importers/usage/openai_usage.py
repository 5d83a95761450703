"""The OpenAI usage API: pages of buckets, `GET /v1/organization/usage/completions?group_by=model&bucket_width=1h`.

    data[].{start_time, end_time}                       seconds since 1970
    data[].results[].{input_tokens (cached included), input_cached_tokens, output_tokens, num_model_requests}
    data[].results[].{model, project_id, user_id, api_key_id, batch, service_tier}    null where not grouped by
    has_more, next_page                                 a page that says more and is the last one given is an error

A bucket without results is a time without use: covered, and 0. A bucket given twice is an error: it would count twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.errors import Issue
from router.importers.records import RawRecord, moment, needed
from router.importers.usage.reading import MissingUsage, Row, UsageRecords

NAME = "openai"
TITLE = "OpenAI usage API"

LABELS = {"project": "project_id", "user": "user_id", "key": "api_key_id", "service_tier": "service_tier"}


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    data = record.get("data")
    if record.get("object") == "page":
        return True
    return isinstance(data, list) and all(isinstance(one, dict) and "results" in one for one in data)


def read(found: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all pages. Raises InputError, MissingUsage where a page is missing."""
    rows: list[Row] = []
    covered: dict[tuple[float, float], RawRecord] = {}
    last: tuple[float, RawRecord] | None = None
    for page in found:
        data = page.get("data")
        if not isinstance(data, list):
            raise page.error(("data",), "must be a list of buckets", data)
        for index, bucket in enumerate(data):
            place = RawRecord(bucket if isinstance(bucket, dict) else {}, page.file, page.line)
            start, end = moment(place, "start_time"), moment(place, "end_time")
            if end <= start:
                raise page.error(("data", str(index), "end_time"), "must be after start_time", end)
            if (start, end) in covered:
                rule = f"is the bucket of {covered[start, end].file} again"
                raise page.error(("data", str(index)), rule, hint="give every page once")
            covered[start, end] = page
            results = place.get("results")
            its = (
                [RawRecord(one, page.file, page.line) for one in results] if isinstance(results, list) else []
            )
            rows += [_row(one, start, end) for one in its]
            if last is None or end > last[0]:
                last = (end, page)
    if last is not None and last[1].get("has_more"):
        token = last[1].text("next_page")
        rule = "says that there is more, and no later page is given"
        hint = f"fetch it with page={token}" if token else "fetch the pages that follow"
        raise MissingUsage(Issue(("has_more",), rule, True, hint, last[1].file, last[1].line))
    remarks = (
        []
        if any(row.labels["model"] != "unknown" for row in rows) or not rows
        else ["the pages are not grouped by model (group_by=model): all use is of one model, `unknown`"]
    )
    return UsageRecords(rows, sorted(covered), remarks)


def _row(result: RawRecord, start: float, end: float) -> Row:
    labels = {name: result.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = result.text("model") or "unknown"
    labels["batch"] = {True: "batch", False: "online"}.get(result.get("batch") is True, "online")
    return Row(
        start=start,
        end=end,
        requests=needed(result, "num_model_requests"),
        prompt_tokens=needed(result, "input_tokens"),
        cached_tokens=result.number("input_cached_tokens") or 0.0,
        completion_tokens=needed(result, "output_tokens"),
        labels=labels,
    )
