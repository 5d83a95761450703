"""Which time of the running plan stands for a time of the new one."""

from __future__ import annotations

import numpy as np

from router.schema import Problem
from router.schema.clock import Clock

DAY_H = 24.0
SLACK_H = 1e-6


class Alignment:
    """Which hour of the running plan stands for an hour of the new one."""

    def __init__(self, old: Problem, new: Problem) -> None:
        self.old, self.new = old, new
        self.clock = new.horizon.clock
        before = old.horizon.clock
        self.by_time = old.horizon.start is not None and new.horizon.start is not None
        self.shift_h = before.hour(self.clock.start) if self.by_time else 0.0
        self.shift_days = (self.clock.day(0.0) - before.day(0.0)).days if self.by_time else 0

    @property
    def clock_before(self) -> Clock:
        """Of the running plan."""
        return self.old.horizon.clock

    def period(self, new_period: int) -> int:
        """The running plan's period at the start of one of the new plan's."""
        return self._at(self.shift_h + new_period * self.new.horizon.period_h)

    def period_before(self, period: int) -> int:
        """The running plan's own period, or the one that stands for it after the end of its horizon."""
        return self._at(period * self.old.horizon.period_h)

    def _at(self, hour: float) -> int:
        old = self.old.horizon
        if hour >= old.hours - SLACK_H:
            days = np.floor((hour - old.hours + SLACK_H) / DAY_H) + 1
            hour = hour - days * DAY_H if old.hours >= DAY_H else old.hours - old.period_h
        return int(min(max((hour + SLACK_H) // old.period_h, 0), old.periods - 1))

    def day(self, new_day: int) -> int:
        """The running plan's window day of one of the new plan's, by calendar."""
        return new_day + self.shift_days
