"""Whether the clock has ended a step of a command: one record for its deadline and for every share made of that."""

from __future__ import annotations


class Ended:
    """Written where a step is ended or left out because a time is up, by whoever asks the deadline; read by a plan.

    What the steps of a command find is the same on every run as long as it stays empty: all their other limits are of
    work. In another process it is a copy, whose word comes back with the answer.
    """

    def __init__(self) -> None:
        self.by_clock = False

    def note(self, by_clock: bool = True) -> bool:
        """Write it down, if it is so; the word itself."""
        self.by_clock |= by_clock
        return by_clock
