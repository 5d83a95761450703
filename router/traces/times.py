"""Timestamps by the thousand: local dates and times as µs, and local as UTC."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from router.traces.table import US, Floats

PLAIN = re.compile(r"[12]\d{3}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?", re.ASCII)
MINUTE_US = 60 * US


def wall_us(texts: Sequence[str]) -> Floats | None:
    """µs since 1970 on the local clock; None unless all are plain dates and times without an offset."""
    if not all(map(PLAIN.fullmatch, texts)):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = np.array(texts, dtype="datetime64[us]")
    except (ValueError, UserWarning, DeprecationWarning):
        return None
    return made.astype(np.int64).astype(np.float64)


def utc_us(local: Floats, zone: ZoneInfo) -> tuple[Floats, int]:
    """UTC of local times, and how many of them the clocks showed twice or not at all; those are the first of the two.

    Offsets are looked up once a minute of the record: clocks change on the minute.
    """
    minutes, index = np.unique(np.floor(local / MINUTE_US), return_inverse=True)
    offset, twice = np.zeros(len(minutes)), np.zeros(len(minutes), dtype=bool)
    for i, minute in enumerate(minutes):
        moment = (datetime(1970, 1, 1) + timedelta(minutes=float(minute))).replace(tzinfo=zone)
        first, second = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        offset[i] = (first or timedelta()).total_seconds() * US
        twice[i] = first != second
    return local - offset[index], int(twice[index].sum())
