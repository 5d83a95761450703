"""What every format is read into: amounts over stretches of time, with labels, and the time that they cover."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from router.errors import InputError
from router.importers.account import CACHED, COMPLETION, PROMPT, WRITTEN, Account
from router.importers.records import RawRecord, count

Labels = Mapping[str, str]


class MissingUsage(InputError):
    """Usage is missing where there should be some: a gap, a page that was not fetched, an empty file."""


class StaleUsage(InputError):
    """The newest record is too old to plan on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Use of one kind. Times are seconds since 1970.

    start, end                         when; equal for a single request
    requests                           0 in rows that count tokens only
    prompt_tokens                      cached ones included, and those written to a cache
    labels                             model, team, …; "model" is always there
    ttft_ms                            of a single, streamed request
    hole                               the record has a hole there: how use is spread over it is not known
    money, currency                    what it cost, where the record says
    place                              file and line
    rows                               records that it stands for: 0 where a record is a series of many
    """

    start: float
    end: float
    requests: float
    prompt_tokens: float
    cached_tokens: float
    completion_tokens: float
    labels: Labels
    ttft_ms: float | None = None
    hole: bool = False
    money: float = 0.0
    currency: str = "USD"
    place: str = ""
    rows: int = 1
    written_tokens: float = 0.0

    def amounts(self, part: float = 1.0, rows: bool = True) -> dict[str, float]:
        """For the account: all of it, or a part; the record itself goes one way only."""
        return {
            "rows": float(self.rows if rows else 0),
            "requests": self.requests * part,
            PROMPT: self.prompt_tokens * part,
            CACHED: self.cached_tokens * part,
            WRITTEN: self.written_tokens * part,
            COMPLETION: self.completion_tokens * part,
            self.currency: self.money * part,
        }


@dataclasses.dataclass(frozen=True)
class UsageRecords:
    """All rows of the files.

    covered    stretches that the record covers, use or not; None: single requests, which tell only by being there
    account    what was left out, noted or scaled in reading; `rows` are not in it yet
    means      observed mean time to first token, ms, by model, and of how many requests, where only that is known
    repeating  label by which one request has several rows, one for each of its values
    """

    rows: Sequence[Row]
    covered: Sequence[tuple[float, float]] | None
    account: Account = dataclasses.field(default_factory=Account)
    means: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    source: str = ""
    repeating: str | None = None


def leave_out(
    account: Account, row: Row, why: str, names: Iterable[str] = (), hint: str | None = None
) -> None:
    """A row that is read and goes no further."""
    account.reads(row.amounts())
    account.remark("left out", why, row.place, row.amounts(), names=names, hint=hint)


def with_repeats(
    records: Iterable[RawRecord],
    key: Callable[[RawRecord], Hashable],
    amounts: Callable[[RawRecord], Hashable],
    same: str,
    unique: Callable[[RawRecord], bool] = lambda record: False,
) -> Iterator[tuple[RawRecord, bool]]:
    """Each record, and whether an earlier file has it already: the same key with the same amounts, as often.

    Two equal records in one file are two, unless their key is `unique`. Raises InputError with both places where a key
    of an earlier file, or a unique one, comes again with other amounts; `same` says in words what the key is.
    """
    records = list(records)
    if records and records[0].path == records[-1].path and not unique(records[0]):
        yield from ((record, False) for record in records)  # one file: nothing to compare it with
        return
    earlier: dict[Hashable, list[tuple[Hashable, RawRecord]]] = {}
    for _, group in groupby(records, key=lambda record: record.path):
        here: dict[Hashable, list[tuple[Hashable, RawRecord]]] = {}
        still: dict[Hashable, list[Hashable]] = {}
        for record in group:
            name, amount = key(record), amounts(record)
            known = earlier.get(name, here.get(name, []) if unique(record) else [])
            if not known:
                here.setdefault(name, []).append((amount, record))
                yield record, False
                continue
            left = (
                [old for old, _ in known] if unique(record) else still.setdefault(name, [o for o, _ in known])
            )
            if amount not in left:
                rule = f"has the {same} of {known[0][1].where}, and other amounts"
                raise record.error(
                    (), rule, hint="give the newer of the two alone, or files that do not overlap"
                )
            left.remove(amount)
            yield record, True
        earlier |= here


def check_spans(spans: Mapping[tuple[float, float], RawRecord]) -> list[tuple[float, float]]:
    """Stretches of time in order. Raises InputError where one reaches into the next: its use would count twice."""
    ordered = sorted(spans)
    for before, after in pairwise(ordered):
        if after[0] < before[1]:
            rule = f"is of a time that {spans[before].where} covers too, in a stretch of another length"
            raise spans[after].error(
                (), rule, hint="give records of one length, or of times that do not overlap"
            )
    return ordered


def part_of(record: RawRecord, part: str, whole: str) -> float:
    """A count that is part of another. Raises InputError where it is more than that."""
    amount, of = count(record, part), count(record, whole)
    if amount > of:
        raise record.error((part,), f"cannot be: it is part of {whole}, which is {of:,.0f}", amount)
    return amount
