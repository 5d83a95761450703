"""LiteLLM's `/user/daily/activity` (and `/team/…`): pages of days, each broken down by model.

    results[].{date, metrics, breakdown.models.<model>.metrics}      metrics: the counts of a daily spend row
    metadata.{page, total_pages, has_more}                           every page must be given; a day may span two

What a day's own metrics count beyond its models is left out by name; models that count more than their day are an
error. A report by tag has a row for each tag of a request, and does not say which are of one: it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from router.importers.account import Account
from router.importers.records import RawRecord, inner, moment
from router.importers.usage.litellm_caching import PromptCaching
from router.importers.usage.litellm_daily import DAY_S, daily_row, days, leave_failed
from router.importers.usage.pages import check_numbered
from router.importers.usage.reading import Row, UsageRecords, leave_out

NAME = "litellm-activity"
TITLE = "LiteLLM daily activity"

AGENT = "User-Agent: "  # a tag that LiteLLM adds by itself


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    results = record.get("results")
    return isinstance(results, list) and all(isinstance(day, dict) and "breakdown" in day for day in results)


def read(pages: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all pages. Raises InputError, MissingUsage where a page is missing."""
    account, rows = Account(), []
    caching = PromptCaching(account)
    check_numbered([(page, _mapping(page.get("metadata"))) for page in pages])
    seen: dict[tuple[str, str], RawRecord] = {}
    covered: set[tuple[float, float]] = set()
    for page in pages:
        number = page.get("metadata", "page")
        content = json.dumps(page.get("results"), sort_keys=True)
        repeated = (str(number), content) in seen
        if not repeated and any(number == known and number is not None for known, _ in seen):
            raise page.error(("metadata", "page"), "is given twice, with other results", number)
        seen[str(number), content] = page
        for day in _days(page):
            if entities := _mapping(day.get("breakdown", "entities")):
                why = "broken down by owner: if these are tags, a request counts once for each of its tags"
                account.remark("note", why, day.where, {}, names=list(entities))
            covered.add((moment(day, "date"), moment(day, "date") + DAY_S))
            for row, failed in _rows(day, caching):
                if repeated or row.labels["model"] == "unknown":
                    leave_out(account, row, "counted already" if repeated else "in no model of its day")
                else:
                    rows.append(row)
                leave_failed(account, row, failed)
    caching.finish()
    return UsageRecords(rows, sorted(covered) or days(rows), account)


def _days(page: RawRecord) -> Iterator[RawRecord]:
    results = page.get("results")
    for index, day in enumerate(results if isinstance(results, list) else []):
        record = inner(page, day, str(index + 1))
        if any(name.startswith(AGENT) for name in _mapping(record.get("breakdown", "entities"))):
            rule = "is a report by tag: a request counts once for each of its tags"
            raise record.error(("breakdown", "entities"), rule, hint="fetch /user/daily/activity")
        yield record


def _rows(day: RawRecord, caching: PromptCaching) -> Iterator[tuple[Row, float]]:
    """A row a model, then one of what the day counts beyond them, whose model is not known."""
    whole = dict(_mapping(day.get("metrics")))
    for model, value in _mapping(day.get("breakdown", "models")).items():
        metrics = dict(_mapping(_mapping(value).get("metrics")))
        place = f"{day.file}, {model}"
        record = RawRecord(metrics | {"date": day.get("date")}, place, day.line)
        yield daily_row(record, model, caching)
        for name in metrics:
            number = record.number(name)
            if number is not None and name in whole:
                whole[name] = (RawRecord(whole, day.file).number(name) or 0.0) - number
    rest = {name: value for name, value in whole.items() if isinstance(value, int | float)}
    short = next((name for name, value in rest.items() if value < -1e-6), None)
    if short is not None:
        rule = "cannot be: the models of the day count more than the day"
        raise day.error(("metrics", short), rule, _mapping(day.get("metrics")).get(short))
    if any(value > 1e-6 for value in rest.values()):
        cleaned = {name: max(value, 0.0) for name, value in rest.items()}
        yield daily_row(RawRecord(cleaned | {"date": day.get("date")}, day.file, day.line), None, caching)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
