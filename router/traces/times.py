"""Timestamps by the thousand, as µs since 1970: local dates and times read, local as UTC, UTC as local."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from router.schema import Horizon
from router.traces.table import US, Floats

PLAIN = re.compile(r"[12]\d{3}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?", re.ASCII)
MINUTE_US = 60 * US
QUARTER_US = 15 * MINUTE_US


def start_us(horizon: Horizon) -> float:
    """The start of a horizon; 0 where it has none, as in a record of seconds from it."""
    return 0.0 if horizon.start is None else float(np.rint(horizon.clock.start.timestamp() * US))


def local(at_us: float, zone: str) -> datetime:
    """One moment in a zone."""
    return datetime.fromtimestamp(at_us / US, ZoneInfo(zone))


def shown(at_us: float, zone: str) -> str:
    """One moment as people write it, in a zone."""
    return local(at_us, zone).isoformat(" ", "seconds")


def read_us(texts: Sequence[str]) -> Floats | None:
    """Of the local clock; None unless all are plain dates and times without an offset."""
    if not all(map(PLAIN.fullmatch, texts)):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = np.array(texts, dtype="datetime64[us]")
    except (ValueError, UserWarning, DeprecationWarning):
        return None
    return values.astype(np.int64).astype(np.float64)


def utc_us(wall: Floats, zone: ZoneInfo) -> tuple[Floats, int]:
    """UTC of local times, and how many of them the clocks showed twice or not at all; those are the first of the two.

    Offsets are looked up once a minute of the record: clocks change on the minute.
    """
    minutes, index = np.unique(np.floor(wall / MINUTE_US), return_inverse=True)
    offset, twice = np.zeros(len(minutes)), np.zeros(len(minutes), dtype=bool)
    for i, minute in enumerate(minutes):
        moment = (datetime(1970, 1, 1) + timedelta(minutes=float(minute))).replace(tzinfo=zone)
        first, second = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        offset[i] = (first or timedelta()).total_seconds() * US
        twice[i] = first != second
    return wall - offset[index], int(twice[index].sum())


def wall_us(at_us: Floats, zone: str) -> Floats:
    """(N,) local clock time of moments in UTC. Offsets are looked up once a quarter of an hour."""
    info = ZoneInfo(zone)
    quarters, index = np.unique(np.floor(at_us / QUARTER_US), return_inverse=True)
    moments = (datetime.fromtimestamp(quarter * QUARTER_US / US, UTC) for quarter in quarters.tolist())
    offsets = [
        (moment.astimezone(info).utcoffset() or timedelta()).total_seconds() * US for moment in moments
    ]
    return np.asarray(at_us + np.array(offsets)[index])
