"""What a plan says that nobody looked into, and that the clock had a part in what was found."""

from __future__ import annotations

from collections.abc import Sequence


def out_of_time(names: Sequence[str]) -> tuple[str, ...]:
    """What was left out for want of time, in a note; none where there is nothing."""
    if not names:
        return ()
    return (f"left out for want of time: {', '.join(names)}. A longer --time-limit looks into it",)


def ended_by_clock(ended: bool) -> tuple[str, ...]:
    """That the time, not the work, ended a step of the search; a plan without this note is the same on every run."""
    if not ended:
        return ()
    return (
        "the clock ended a step of the search: another run can find another plan, within the gap that it states. "
        "A longer --time-limit leaves it to limits of work, which are the same on every run",
    )
