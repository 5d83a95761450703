"""Prices that hold at some hours only → rules of an offer's schedule.

LiteLLM        hours in UTC, days of the week in UTC or in `weekday_timezone`, both of the moment itself: what passes
               midnight in that zone is cut there, since a rule's `daily` belongs to the day it starts in
genai-prices   hours in UTC, every day
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from router.schema.schedule import DAYS

DAY = 24 * 60
SPAN = re.compile(r"\s*(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)\s*")

Minutes = tuple[int, int]
"""From and until, of a day that begins at midnight; the end may be that of the day."""


@dataclass(frozen=True, slots=True)
class HourPrices:
    """USD per million tokens by kind, and when they hold: `daily`, `days` and `timezone` of a rule."""

    prices: Mapping[str, Decimal]
    times: Mapping[str, object]


def hour_prices(
    prices: Mapping[str, Decimal], spans: Iterable[Minutes], timezone: str, days: tuple[str, ...] = ()
) -> Iterator[HourPrices]:
    """Rules of prices that hold in spans of a day, each within it."""
    for begin, end in spans:
        times: dict[str, object] = {}
        if (begin, end) != (0, DAY):
            times["daily"] = {"start": _clock(begin), "end": _clock(end)}
        if days:
            times["days"] = list(days)
        yield HourPrices(prices, {**times, "timezone": timezone})


def off_peak_rules(terms: Mapping[str, object], prices: Mapping[str, Decimal]) -> list[HourPrices] | None:
    """Rules of LiteLLM's `off_peak_pricing`; None where its hours cannot be said so."""
    zone = terms.get("weekday_timezone", "UTC")
    shift = _shift(zone) if isinstance(zone, str) else None
    stated = terms.get("windows", [])
    if shift is None or not isinstance(zone, str) or not isinstance(stated, list):
        return None
    found: list[HourPrices] = []
    for window in ({"hours_utc": terms.get("hours_utc", [])}, *stated):
        if not isinstance(window, Mapping):
            return None
        hours, days = window.get("hours_utc") or [], _days(window.get("weekdays"))
        spans = [_span(text) for text in (hours if isinstance(hours, list) else [hours])]
        if days is None or None in spans:
            return None
        moved = shift if days else 0  # hours of every day may stay as they are written
        cut = [part for span in spans if span is not None for part in _cut(span, moved)]
        found += hour_prices(prices, cut, zone if days else "UTC", days)
    return found


def _shift(zone: str) -> int | None:
    """Minutes ahead of UTC; None where the clocks change, or nobody knows the zone."""
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return None
    year = dt.datetime.now(dt.UTC).year
    offsets = {dt.datetime(year, month, 1, tzinfo=place).utcoffset() for month in range(1, 13)}
    offset = offsets.pop()
    return None if offsets or offset is None else int(offset.total_seconds()) // 60


def _days(value: object) -> tuple[str, ...] | None:
    """Days of the week, 1 is Monday; empty: all. None where some is no day."""
    if value is None:
        return ()
    names: list[str] = []
    for day in value if isinstance(value, list) else (None,):
        if isinstance(day, int) and not isinstance(day, bool) and 1 <= day <= 7:
            names.append(DAYS[day - 1])
        elif isinstance(day, str) and day.strip().lower()[:3] in DAYS:
            names.append(day.strip().lower()[:3])
        else:
            return None
    return () if set(names) == set(DAYS) else tuple(dict.fromkeys(names)) or None


def _span(text: object) -> Minutes | None:
    match = SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    begin, end = (int(match[i]) * 60 + int(match[i + 1]) for i in (1, 3))
    return (begin, end) if begin < DAY and end <= DAY else None


def _cut(span: Minutes, shift: int) -> Iterator[Minutes]:
    """A span that begins so much later, within each day that it touches; one that ends as it begins is a day."""
    begin, end = span
    length = (end - begin) % DAY or DAY
    begin = (begin + shift) % DAY
    yield begin, min(begin + length, DAY)
    if begin + length > DAY:
        yield 0, begin + length - DAY


def _clock(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}"
