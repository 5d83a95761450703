"""What every format is read into: amounts over stretches of time, with labels, and the time that they cover."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from router.errors import InputError, Issue


class MissingUsage(InputError):
    """Usage is missing where there should be some: a gap, a page that was not fetched, an empty file."""


class StaleUsage(InputError):
    """The newest record is too old to plan on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Use of one kind. Times are seconds since 1970.

    start, end                         when; equal for a single request
    requests                           0 in rows that count tokens only
    prompt_tokens                      cached ones included
    labels                             model, team, …; "model" is always there
    ttft_ms                            of a single, streamed request
    hole                               the record has a hole there: how use is spread over it is not known
    """

    start: float
    end: float
    requests: float
    prompt_tokens: float
    cached_tokens: float
    completion_tokens: float
    labels: Mapping[str, str]
    ttft_ms: float | None = None
    hole: bool = False


@dataclasses.dataclass(frozen=True)
class UsageRecords:
    """All rows of the files.

    covered    stretches that the record covers, use or not; None: single requests, which tell only by being there
    means      observed mean time to first token, ms, by model, and of how many requests, where only that is known
    remarks    what was left out, and why
    """

    rows: Sequence[Row]
    covered: Sequence[tuple[float, float]] | None
    remarks: Sequence[str] = ()
    means: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    source: str = ""


def together(reading: UsageRecords, title: str, files: Sequence[str]) -> UsageRecords:
    """With its source; raises MissingUsage where there is nothing."""
    source = f"{title}: {', '.join(files)}"
    if not reading.rows and not reading.covered:
        detail = "\n".join(reading.remarks) or None
        raise MissingUsage(Issue((), "hold no usage", file=", ".join(files), detail=detail))
    return dataclasses.replace(reading, source=source)


def plural(count: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
