"""Local time of a horizon, for windows, dates and rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from router.schema import Horizon

type Interval = tuple[float, float]
"""Hours since the start of the horizon."""


class LocalTime:
    """Local time of the horizon. Without a start, hour 0 is midnight and the clocks never change."""

    def __init__(self, horizon: Horizon) -> None:
        self.zone: tzinfo = UTC
        start = horizon.start
        if start is None:
            local = datetime(2001, 1, 1, tzinfo=UTC)
        else:
            self.zone = ZoneInfo(horizon.timezone)
            local = start.replace(tzinfo=self.zone) if start.tzinfo is None else start.astimezone(self.zone)
        self.first_day = local.date()
        self.start = local.astimezone(UTC)

    def days(self, hours: float) -> int:
        """Index of the local day on which the horizon ends."""
        return (self.date_at(hours) - self.first_day).days

    def day(self, day: int) -> date:
        return self.first_day + timedelta(days=day)

    def date_at(self, hour: float) -> date:
        return (self.start + timedelta(hours=hour)).astimezone(self.zone).date()

    def hour_of(self, day: int, minute: int) -> float:
        """Hours from the start of the horizon to a wall-clock minute of a local day (1440: its end)."""
        days, minute = divmod(minute, 24 * 60)
        wall = datetime.combine(self.day(day + days), time(minute // 60, minute % 60), tzinfo=self.zone)
        return (wall.astimezone(UTC) - self.start).total_seconds() / 3600.0

    def window(self, day: int, start: int, end: int) -> Interval:
        """The occurrence that starts on `day`; an end not after the start is on the next day."""
        return self.hour_of(day, start), self.hour_of(day, end if end > start else end + 24 * 60)


def minute_of(clock: str) -> int:
    """Minutes after midnight of "22:00"; "24:00" is 1440."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
