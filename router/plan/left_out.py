"""What a plan says that nobody looked into."""

from __future__ import annotations

from collections.abc import Sequence


def out_of_time(names: Sequence[str]) -> tuple[str, ...]:
    """What was left out for want of time, in a note; none where there is nothing."""
    if not names:
        return ()
    return (f"left out for want of time: {', '.join(names)}. A longer --time-limit looks into it",)
