"""The dates of a horizon: hours from its start as local time, and back. Made once per problem: `horizon.clock`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from router.errors import nearest

MONTH_H = 730.0  # a billing month
HOUR = dt.timedelta(hours=1)
SOME_DAY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  # hour 0 where no start is given


@dataclass(frozen=True)
class Clock:
    """Local time of a horizon; without a start, that of a midnight in a zone without clock changes.

    first   the start, with its zone or offset
    zone    of local times
    """

    first: dt.datetime
    zone: ZoneInfo

    @classmethod
    def of(cls, start: dt.datetime | None, timezone: str) -> Clock:
        """Of a start (local where it has no offset) in an IANA time zone."""
        if start is None:
            return cls(SOME_DAY, ZoneInfo("UTC"))
        zone = ZoneInfo(timezone)
        return cls(aware(start, zone), zone)

    @cached_property
    def start(self) -> dt.datetime:
        """Hour 0, in UTC: what is added to it is elapsed time, whatever the clocks do."""
        return self.first.astimezone(dt.UTC)

    def local(self, hour: float) -> dt.datetime:
        """What the clock shows so many hours after the start."""
        return (self.start + hour * HOUR).astimezone(self.zone)

    def day(self, hour: float) -> dt.date:
        """The local calendar day of an hour after the start."""
        return self.local(hour).date()

    def hour(self, moment: dt.datetime) -> float:
        """Hours from the start to a moment (local where it has no offset); negative before it."""
        return (aware(moment, self.zone).astimezone(dt.UTC) - self.start) / HOUR

    def hour_of(self, day: int, time_h: float) -> float:
        """Hours from the start to `time_h` o'clock, so many local days after the day of the start."""
        midnight = dt.datetime.combine(self.day(0.0) + dt.timedelta(days=day), dt.time.min)
        return self.hour(midnight + time_h * HOUR)


def aware(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The moment with a zone: its own, else this one."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


@lru_cache(maxsize=256)  # all names of zones are read from their files, and compared
def unknown_zone(name: str) -> str | None:
    """What to write in place of a name that is not of an IANA time zone; None: it is."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return nearest(name, available_timezones(), listed=0) or 'write one like "Europe/Berlin"'
    return None


def period_start(moment: dt.datetime, period_h: float) -> dt.datetime:
    """The last whole period since local midnight that starts not after a moment; midnight for longer periods."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(dt.UTC)
    length = period_h * HOUR
    whole = (moment.astimezone(dt.UTC) - midnight) // length
    return (midnight + whole * length).astimezone(moment.tzinfo)
