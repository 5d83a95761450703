"""One benchmark run, whatever program measured it, and the reading of records with errors that name their place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from router.errors import InputError, Issue
from router.schema.numbers import LARGEST
from router.schema.regular import check_regular

MAX_BYTES = 500_000_000  # results with the latencies of every request are large; a disk image is larger
RESULT = ", result "  # between a file and the place of a record in its list
PERCENTILES = ("p50", "p90", "p95", "p99")

Setting = tuple[float | str | None, ...]


@dataclasses.dataclass(frozen=True)
class Run:
    """Requests of one size against one replica at one load.

    prompt_tokens, completion_tokens   mean per request
    requests_per_s                     completed requests a second
    concurrency                        mean requests in flight; None: unknown
    setting                            the load asked for; runs that share it repeat each other
    latency                            fields of a point, ms: ttft_mean_ms, tpot_p99_ms, …; only what was measured
    failed, completed                  requests; None: the file does not say
    gpus                               GPUs of the replica, where the file says
    model                              its name in the file
    error                              relative, of what a model of the hardware estimated; None: measured
    drawn                              the size is a mean over drawn requests; False: as stated in a table
    unusable                           why this is no operating point, as a clause
    remarks                            what a reader must know, as clauses
    """

    file: str
    line: int | None
    prompt_tokens: float
    completion_tokens: float
    requests_per_s: float
    concurrency: float | None
    setting: Setting
    latency: Mapping[str, float]
    completed: float | None = None
    failed: float | None = None
    gpus: int | None = None
    model: str | None = None
    error: float | None = None
    drawn: bool = True
    measured_on: dt.date | None = None
    unusable: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """`bench.jsonl, line 3`, or what in a file without lines tells its runs apart."""
        return Issue((), "", file=self.file, line=self.line).where

    @property
    def size(self) -> tuple[float, float]:
        """Prompt and completion tokens of a request."""
        return self.prompt_tokens, self.completion_tokens

    @property
    def failed_share(self) -> float:
        """Of all requests that ended; 0 where unknown."""
        done = (self.completed or 0.0) + (self.failed or 0.0)
        return (self.failed or 0.0) / done if done else 0.0


@dataclasses.dataclass(frozen=True)
class RawRecord:
    """A JSON object or a CSV row, and where it stands."""

    values: Mapping[str, object]
    file: str
    line: int | None = None

    @property
    def where(self) -> str:
        """`logs.csv, line 3`."""
        return Issue((), "", file=self.file, line=self.line).where

    @property
    def path(self) -> str:
        """The file alone; `file` of a record in a JSON list says which it is too."""
        return self.file.partition(RESULT)[0]

    def get(self, *path: str) -> object:
        """The value at a path of keys; None where a step is absent."""
        here = self.values.get(path[0])
        for key in path[1:]:
            here = here.get(key) if isinstance(here, dict) else None
        return here

    def number(self, *path: str) -> float | None:
        """A finite number, also as text; absent, null, NaN and infinity are None."""
        value = self.get(*path)
        if value is None or isinstance(value, bool) or value == "":
            return None
        if not isinstance(value, int | float | str):
            raise self.error(path, "must be a number", value)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise self.error(path, "must be a number", value) from None
        if math.isfinite(number) and abs(number) > LARGEST:
            raise self.error(path, f"must be within ±{LARGEST:g}", value)
        return number if math.isfinite(number) else None

    def positive(self, *path: str) -> float:
        """A number that must be there and above 0."""
        number = self.number(*path)
        if number is None:
            raise self.error(path, "is missing", self.get(*path))
        if number <= 0:
            raise self.error(path, "must be greater than 0", number)
        return number

    def whole(self, *path: str) -> int | None:
        """A count of at least 1; None where it is absent."""
        number = self.number(*path)
        if number is not None and (number < 1 or not number.is_integer()):
            raise self.error(path, "must be a whole number of at least 1", number)
        return None if number is None else int(number)

    def text(self, *path: str) -> str | None:
        """Text; None where there is none."""
        value = self.get(*path)
        return value if isinstance(value, str) and value else None

    def error(
        self, path: tuple[str, ...], rule: str, value: object = None, hint: str | None = None
    ) -> InputError:
        """One issue at a field of this record."""
        return InputError(Issue(path, rule, value, hint, self.file, self.line))


def read_text(path: FilePath) -> str:
    """A file as text, unpacked if it is gzipped, whatever its name. Raises InputError."""
    check_regular(path)
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(Issue((), f"is larger than {MAX_BYTES // 1_000_000} MB", file=str(path)))
        if content.startswith(b"PAR1"):
            hint = "export it as CSV, gzipped if you like"
            raise InputError(Issue((), "is a Parquet file, which is not read", hint=hint, file=str(path)))
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(Issue((), f"is not UTF-8 text: {error.reason}", file=str(path))) from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Issue((), f"cannot be read: {reason}", file=str(path))) from None


def json_records(path: FilePath) -> list[RawRecord]:
    """The objects of a JSON file (one, or a list) or of a file of JSON lines. Raises InputError."""
    text = read_text(path)
    try:
        whole = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return list(_lines(text, str(path)))
    items = whole if isinstance(whole, list) else [whole]
    single = len(items) == 1
    if not items or not all(isinstance(item, dict) for item in items):
        raise InputError(Issue((), "must hold a JSON object, a list of them, or one a line", file=str(path)))
    return [
        RawRecord(item, str(path) if single else f"{path}{RESULT}{index + 1}")
        for index, item in enumerate(items)
    ]


def _lines(text: str, file: str) -> Iterator[RawRecord]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            detail = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
            raise InputError(
                Issue((), f"is neither JSON nor JSON lines: {detail}", file=file, line=number)
            ) from None
        if not isinstance(value, dict):
            raise InputError(Issue((), "must be a JSON object", file=file, line=number))
        yield RawRecord(value, file, number)


def measured(values: Mapping[str, float | None]) -> dict[str, float]:
    """What was measured: benchmark programs write 0 where a server did not stream, and no latency is 0."""
    return {name: value for name, value in values.items() if value is not None and value > 0}


def in_flight(requests_per_s: float, request_ms: float | None) -> float | None:
    """Mean concurrency by Little's law: requests per second · seconds per request."""
    return requests_per_s * request_ms / 1000.0 if request_ms else None


def request_time_ms(latency: Mapping[str, float], completion_tokens: float) -> float | None:
    """Mean time of a request, ms: ttft + (completion tokens − 1) · tpot; None where a part is unknown."""
    ttft, tpot = latency.get("ttft_mean_ms"), latency.get("tpot_mean_ms")
    further = max(completion_tokens - 1.0, 0.0)
    if ttft is None or (tpot is None and further > 0):
        return None
    return ttft + further * (tpot or 0.0)


def day_of(seconds: float | None) -> dt.date | None:
    """The UTC day of a Unix time."""
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).date() if seconds else None
    except (OverflowError, OSError, ValueError):
        return None
