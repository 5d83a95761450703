"""The account of an import: what was read goes out, or is listed as left out, measure by measure.

    read[m] + added[m] = out[m] + left out[m] + merged[m]        m: rows, requests, prompt tokens, entries, runs, USD, …

An importer opens one `Account`, hands it everything it meets, and gives it to its command with the text it made:

    account.reads({"rows": 1, "USD": 0.96})                  each row, entry or run, before anything is decided on it
    account.remark("left out", why, record.where, {…})       read, and not in what is written
    account.remark("merged", why, run.where, {…})            read, and part of something else that is written
    account.remark("added", why, "", {…})                    written, and never read: scaled up, guessed
    account.remark("note", why, row.where, {"rows": 3})      changed, guessed or not yet sayable; it balances nothing
    account.writes({"rows": 1, …})                           summed from what is *written*, not from what was read

`why` names the kind, as "failed" or "counted already": one remark a kind, with the sums of its amounts, its first
place, up to five `names` of what it is about, and a `hint`, the way out. `asked` marks what an option of the user
asked for (`--where`): it is said, and `--strict` does not refuse it. Amounts are keyed by the plural of their measure.
"prompt tokens" and "completion tokens" are shown as one sum, those read from a cache and written to one are part of the
prompt, and a currency is a measure of its own. A price that is not sayable yet goes into `names`, as "x: 0.005 USD".

`deliver_import` (router/commands/imports/delivery.py) does the rest for every command: it reconciles, prints the
remarks, writes them at the top of the file, and obeys `--strict` and `--dry-run`, which `account_options` adds.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Literal

from router.errors import CertificateFailed

Amounts = Mapping[str, float]
Treatment = Literal["left out", "merged", "added", "note"]

PROMPT, CACHED, COMPLETION = "prompt tokens", "cached tokens", "completion tokens"
WRITTEN = "tokens written to a cache"
ORDER = ("rows", "entries", "charges", "runs", "series", "requests", PROMPT, CACHED, WRITTEN, COMPLETION)
NAMED = 5  # names shown of a kind
SAME = 1e-9  # of all that was read: rounding to 12 digits and sums of floats


class AccountMismatch(CertificateFailed):
    """An importer lost something, or made something up, without a word."""


@dataclasses.dataclass
class ImportRemark:
    """One kind of thing that happened. `amounts` are sums; `first` is where it was met first."""

    treatment: Treatment
    why: str
    first: str
    hint: str | None
    asked: bool
    amounts: dict[str, float]
    names: dict[str, None]

    def __str__(self) -> str:
        shown = list(self.names)[:NAMED]
        more = f" and {len(self.names) - NAMED} more" if len(self.names) > NAMED else ""
        names = f" ({', '.join(shown)}{more})" if shown else ""
        said = ", ".join(_amounts(self.amounts))
        parts = (
            f"{self.treatment}, {self.why}{names}" + (f": {said}" if said else ""),
            f"first at {self.first}" if self.first else "",
            self.hint or "",
        )
        return _plain("; ".join(part for part in parts if part))


class Account:
    """What an import read, wrote, and did between the two."""

    def __init__(self) -> None:
        self._read: defaultdict[str, float] = defaultdict(float)
        self._out: defaultdict[str, float] = defaultdict(float)
        self._size: defaultdict[str, float] = defaultdict(
            float
        )  # Σ |read|, which sums of corrections are small beside
        self._remarks: dict[tuple[Treatment, str], ImportRemark] = {}
        self.span = ""  # how much time the record is of, in words, for the first line

    def reads(self, amounts: Amounts) -> None:
        """Something in the input, whatever becomes of it."""
        for measure, amount in amounts.items():
            self._read[measure] += amount
            self._size[measure] += abs(amount)

    def writes(self, amounts: Amounts) -> None:
        """Something in the output."""
        for measure, amount in amounts.items():
            self._out[measure] += amount

    def remark(
        self,
        treatment: Treatment,
        why: str,
        first: str,
        amounts: Amounts,
        *,
        names: Iterable[str] = (),
        hint: str | None = None,
        asked: bool = False,
    ) -> None:
        """One more of a kind; the first of a kind gives its place and hint."""
        fresh = ImportRemark(treatment, why, first, hint, asked, {}, {})
        remark = self._remarks.setdefault((treatment, why), fresh)
        remark.first = remark.first or first
        remark.names.update(dict.fromkeys(names))
        for measure, amount in amounts.items():
            remark.amounts[measure] = remark.amounts.get(measure, 0.0) + amount

    @property
    def remarks(self) -> tuple[ImportRemark, ...]:
        """In the order in which each kind was first met."""
        return tuple(self._remarks.values())

    def total(self, side: Literal["read", "out"] | Treatment, measure: str) -> float:
        """Sum of a measure over what was read or written, or over the remarks of a treatment."""
        if side in ("read", "out"):
            return (self._read if side == "read" else self._out).get(measure, 0.0)
        return fsum(one.amounts.get(measure, 0.0) for one in self.remarks if one.treatment == side)

    def reconcile(self) -> None:
        """Raises AccountMismatch where what was read is neither written nor listed, or the other way round."""
        for measure in self._measures():
            came = self.total("read", measure) + self.total("added", measure)
            went = sum(self.total(side, measure) for side in ("out", "left out", "merged"))
            size = self._size.get(measure, 0.0) + abs(came)
            if not abs(came - went) <= SAME * (1 + size):
                raise AccountMismatch(
                    f"the import does not balance: {came:,.12g} {measure} came in, and {went:,.12g} went out or are "
                    "listed as left out; nothing is written, please report it"
                )

    def share(self) -> str:
        """The first line: how much of what was read is used."""
        read = {measure: self.total("read", measure) for measure in self._read}
        used = {measure: amount - self.total("left out", measure) for measure, amount in read.items()}
        parts = [
            f"all of {whole}" if part == whole else f"{part.split()[0]} of {whole}"
            for part, whole in zip(_amounts(used, read), _amounts(read), strict=True)
        ]
        return f"read: {', '.join(parts) or 'nothing'}" + (f"; {self.span}" if self.span else "")

    def lines(self) -> list[str]:
        """The share read, then a line for each kind."""
        return [self.share(), *map(str, self.remarks)]

    def comment(self) -> str:
        """The lines at the top of a written file."""
        return "".join(f"# {line}\n" for line in self.lines())

    def table(self) -> str:
        """What was read, left out, merged and added, kind by kind, for a first look."""
        measures = self._measures()
        rows: list[tuple[str, Amounts]] = [("read", {m: self.total("read", m) for m in measures})]
        for side in ("left out", "merged", "added"):
            rows.append((side, {m: self.total(side, m) for m in measures}))
            rows += [(f"  {one.why}", one.amounts) for one in self.remarks if one.treatment == side]
        rows.append(("goes out", {m: self.total("out", m) for m in measures}))
        cells = [["", *measures]]
        cells += [[_plain(name), *(_figure(its.get(m, 0.0), m) for m in measures)] for name, its in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "".join(_columns(row, widths) for row in cells)

    def _measures(self) -> list[str]:
        """Everything that was read, written or listed as more than a note, records and requests first."""
        listed = [remark.amounts for remark in self.remarks if remark.treatment != "note"]
        return sorted(set(self._read).union(self._out, *listed), key=_place)


def _columns(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join((row[0].ljust(widths[0]), *padded)) + "\n"


def _place(measure: str) -> tuple[int, bool, str]:
    """Records and requests first, money last."""
    return ORDER.index(measure) if measure in ORDER else len(ORDER), measure == measure.upper(), measure


def _amounts(amounts: Amounts, shown: Amounts | None = None) -> list[str]:
    """`2 rows`, `1,200,000 tokens`, `2.00 USD`: what `shown` (absent: the same) has none of is not mentioned."""
    totals, present = _tokens_together(amounts), _tokens_together(amounts if shown is None else shown)
    names = sorted((name for name in present if present[name]), key=_place)
    return [f"{_figure(totals[name], name)} {_word(name, present[name])}" for name in names]


def _tokens_together(amounts: Amounts) -> dict[str, float]:
    """Cached tokens and written ones are part of the prompt, and measures of their own only where no prompt is."""
    rest = {name: amount for name, amount in amounts.items() if name not in (PROMPT, COMPLETION)}
    if PROMPT not in amounts and COMPLETION not in amounts:
        return rest
    rest.pop(CACHED, None)
    rest.pop(WRITTEN, None)
    return rest | {"tokens": amounts.get(PROMPT, 0.0) + amounts.get(COMPLETION, 0.0)}


def _word(measure: str, amount: float) -> str:
    if abs(amount) != 1 or measure == "series" or not measure.endswith("s"):
        return measure
    return f"{measure[:-3]}y" if measure.endswith("ies") else measure[:-1]


def _figure(amount: float, measure: str) -> str:
    """Money with cents, small money with its digits; counts whole, shares of them with two decimals."""
    if measure == measure.upper():
        return f"{amount:,.2f}" if abs(amount) >= 0.1 or not amount else f"{amount:.3g}"
    return f"{amount:,.0f}" if abs(amount - round(amount)) < 5e-7 * max(abs(amount), 1) else f"{amount:,.2f}"


def _plain(text: str) -> str:
    """Names come from other people's files: one line, nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)
