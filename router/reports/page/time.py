"""Hours of the horizon as dates, where the plan has a start; else as hours and days from it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from router.plan.document import Plan


@dataclass(frozen=True)
class Calendar:
    """When the hours of a plan are."""

    start: dt.datetime | None
    horizon_h: float

    @classmethod
    def of(cls, plan: Plan) -> Calendar:
        """Of a plan; one whose start cannot be read has hours alone."""
        try:
            start = None if plan.start is None else dt.datetime.fromisoformat(str(plan.start))
        except ValueError:
            start = None
        return cls(start, plan.horizon_h)

    def label(self, hour: float, *, full: bool = False) -> str:
        """`30 Nov 06:00`, `30 Nov`, `Dec 2026`; without a start `hour 6`, `day 2`, `month 3`."""
        if self.start is None:
            if full or self.horizon_h <= 72:
                return f"hour {hour:,.6g}"
            return f"month {hour / 730 + 1:,.3g}" if self.horizon_h > 3000 else f"day {hour / 24 + 1:,.3g}"
        moment = self.start + dt.timedelta(hours=hour)
        if full:
            return f"{moment:%Y-%m-%d %H:%M}"
        if self.horizon_h <= 72:
            return f"{moment.day} {moment:%b %H:%M}"
        return f"{moment:%b %Y}" if self.horizon_h > 3000 else f"{moment.day} {moment:%b}"

    def ticks(self) -> list[tuple[float, str]]:
        """Some eight places on the axis."""
        for step in (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 730, 1460, 2190, 4380, 8760):
            if self.horizon_h / step <= 6:
                break
        if self.horizon_h <= 4:
            return [(self.horizon_h * k / 4, self.label(self.horizon_h * k / 4)) for k in range(5)]
        return [(hour, self.label(hour)) for hour in range(0, int(self.horizon_h) + 1, step)]
