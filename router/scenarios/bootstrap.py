"""Block bootstrap of a history over the horizon, day and week kept.

    path[s, i] = history[block s drew for slot i, slot in the block] / mean of the history

A block is one cycle long (a week, or a day) and starts at the phase that the horizon has there: in the same hour of the
same weekday, of a cycle drawn with equal chances. The end of the record goes on at its start, so that at every phase
each cycle is drawn equally often and the mean of all paths is the mean cycle.
Source: Politis, "Resampling time series with seasonal components" (2001); Politis and Romano, "A circular
block-resampling procedure for stationary data" (1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from router.errors import InputError, Issue
from router.scenarios.history import MONDAY_H, History
from router.scenarios.stream import Floats, Ints, RandomStream
from router.schema import Horizon
from router.traces.table import HOUR_US, US
from router.traces.times import wall_us

AT_ONCE = 4_000_000  # slots of all paths held in memory together
ALIGNED = 1e-6  # h by which a slot of the horizon may start before the clock's


@dataclass(frozen=True)
class Bootstrap:
    """Where each slot of the horizon finds its value: `history.requests[(cycle drawn · length + at) mod all]`."""

    history: History
    block: Ints  # (N,) block of the slot
    at: Ints  # (N,) slots from the start of the cycle drawn
    share: csr_array  # (T, N) part of each period that a slot is

    @property
    def blocks(self) -> int:
        return int(self.block[-1]) + 1

    def mean_cycle(self) -> Floats:
        """(T,) mean of all paths that could be drawn."""
        history = self.history
        mean = history.requests.reshape(history.cycles, -1).mean(axis=0)
        return np.asarray(self.share @ (mean[self.at % history.cycle_slots] / history.requests.mean()))

    def draw(self, stream: RandomStream, count: int) -> Floats:
        """(count, T) multipliers of mean 1 over a cycle."""
        history = self.history
        choice = stream.below(history.cycles, count, self.blocks)
        multiplier = history.requests / history.requests.mean()
        path = np.empty((count, self.share.shape[0]))
        many = max(1, AT_ONCE // len(self.at))
        for low in range(0, count, many):
            index = choice[low : low + many][:, self.block] * history.cycle_slots + self.at
            path[low : low + many] = (self.share @ multiplier[index % len(multiplier)].T).T
        return path


def bootstrap_over(horizon: Horizon, history: History) -> Bootstrap:
    """Blocks laid over a horizon. Raises InputError where its end is beyond the calendar."""
    count = max(1, int(np.ceil(horizon.hours / history.slot_h - 1e-9)))
    wall = clock_h(horizon, np.arange(count, dtype=np.float64) * history.slot_h)
    slot = np.floor((wall + ALIGNED) / history.slot_h).astype(np.int64)
    since = np.maximum(slot - slot[0], 0)
    start = 0 if history.relative else int(slot[0])
    return Bootstrap(
        history=history,
        block=since // history.cycle_slots,
        at=(start - history.phase) % history.cycle_slots + since % history.cycle_slots,
        share=_shares(horizon, history.slot_h, count),
    )


def clock_h(horizon: Horizon, hours: Floats) -> Floats:
    """(N,) local clock time of hours after the start, in h from a Monday 00:00; without a start from a Monday on."""
    if horizon.start is None:
        return hours
    try:
        _ = horizon.clock.local(horizon.hours + 24)
        wall = wall_us(horizon.clock.start.timestamp() * US + hours * HOUR_US, horizon.timezone)
    except (OverflowError, ValueError):
        raise InputError(Issue(("horizon",), "ends beyond the calendar's last year")) from None
    return wall / HOUR_US - MONDAY_H


def _shares(horizon: Horizon, slot_h: float, count: int) -> csr_array:
    """(T, N) hours that a period and a slot share, over the hours of the period."""
    border = np.arange(horizon.periods + 1) * horizon.period_h
    first = np.floor(border[:-1] / slot_h + 1e-9).astype(np.int64)
    last = np.minimum(np.ceil(border[1:] / slot_h - 1e-9).astype(np.int64), count)
    many = np.maximum(last - first, 1)
    row = np.repeat(np.arange(horizon.periods), many)
    column = np.minimum(first[row] + np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many), count - 1)
    low = np.maximum(column * slot_h, border[row])
    high = np.minimum((column + 1) * slot_h, border[row + 1])
    weight = np.maximum(high - low, 0.0)
    total = np.bincount(row, weights=weight, minlength=horizon.periods)
    return csr_array((weight / total[row], (row, column)), shape=(horizon.periods, count))
