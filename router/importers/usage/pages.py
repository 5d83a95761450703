"""Answers that come in pages: every page must be there, and none counts twice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from router.errors import Issue
from router.importers.records import RawRecord, inner, moment
from router.importers.usage.reading import MissingUsage, check_spans


@dataclasses.dataclass(frozen=True)
class UsageBucket:
    """A stretch of time in a page, and its results. `repeated`: an earlier page has it already, with equal results."""

    start: float
    end: float
    results: Sequence[RawRecord]
    repeated: bool


def buckets(pages: Iterable[RawRecord], start: str, end: str) -> Iterator[UsageBucket]:
    """The buckets of all pages, whose times stand in the fields named. Raises InputError, MissingUsage."""
    first: dict[tuple[float, float], tuple[RawRecord, object]] = {}
    last: tuple[float, RawRecord] | None = None
    for page in pages:
        data = page.get("data")
        if not isinstance(data, list):
            raise page.error(("data",), "must be a list of buckets", data)
        for index, value in enumerate(data):
            bucket = inner(page, value, str(index + 1))
            span = moment(bucket, start), moment(bucket, end)
            if span[1] <= span[0]:
                raise bucket.error((end,), f"must be after {start}", bucket.get(end))
            its = bucket.get("results")
            if not isinstance(its, list):
                raise bucket.error(("results",), "must be a list", its)
            known = first.setdefault(span, (page, its))
            repeated = known[1] is not its
            if repeated and known[1] != its:
                rule = f"is the bucket of {known[0].where} again, with other results"
                raise bucket.error((), rule, hint="give every page once")
            records = [inner(bucket, one, str(n + 1)) for n, one in enumerate(its)]
            yield UsageBucket(*span, records, repeated)
            if last is None or span[1] > last[0]:
                last = (span[1], page)
        last = last or (0.0, page)
    check_spans({span: page for span, (page, _) in first.items()})
    if last is not None and last[1].get("has_more"):
        token = last[1].text("next_page")
        hint = f"fetch it with page={token}" if token else "fetch the pages that follow"
        _more(last[1], ("has_more",), True, hint)


def check_numbered(pages: Sequence[tuple[RawRecord, Mapping[str, object]]]) -> None:
    """LiteLLM's `page`, `total_pages`, `has_more`, in the mapping of each page. Raises MissingUsage: one is missing."""
    numbers = {number for _, at in pages if (number := _whole(at.get("page"))) is not None}
    total = max(
        (number for _, at in pages if (number := _whole(at.get("total_pages"))) is not None), default=0
    )
    missing = next((page for page in range(1, total + 1) if page not in numbers), None) if numbers else None
    if missing is not None:
        _more(pages[-1][0], ("total_pages",), total, f"fetch it with page={missing}")
    if not total and pages and pages[-1][1].get("has_more"):
        _more(pages[-1][0], ("has_more",), True, "fetch the pages that follow")


def _more(page: RawRecord, at: tuple[str, ...], value: object, hint: str) -> None:
    rule = "says that there are more pages, and not all are given"
    raise MissingUsage(Issue(at, rule, value, hint, page.file, page.line))


def _whole(value: object) -> int | None:
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    return value if isinstance(value, int) else None
