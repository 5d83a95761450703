"""Tables of a plan that stand beside it, in Parquet: a row a row, in the order of periods, written and read by parts.

    plan.json                  the plan, with the name, the hash and the number of rows of each
    plan.routes.parquet        `routes`, a column a field
    plan.instances.parquet     `instances`
    plan.quotas.parquet        `quotas`, where the plan has that table

All of a table need never be in memory: rows are added as they come, and read a few periods at a time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, get_args, get_origin, get_type_hints

from router.errors import InputError, Issue, from_extra
from router.output import written_bytes
from router.plan.rows import InstanceRow, QuotaRow, RouteRow, TableFile
from router.plan.values import LARGEST
from router.schema.regular import check_regular

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BESIDE: Final[Mapping[str, type]] = {"routes": RouteRow, "instances": InstanceRow, "quotas": QuotaRow}
"""Tables that may stand beside a plan: those with rows by period for every workload, pool or cap."""

GROUP = 65_536  # rows written at once
BATCH = 8_192  # rows read at once
KEEP_BOTH = "it holds rows of a plan; keep both together, as they were written"


def file_name(plan: str | Path, table: str) -> str:
    """Of the file beside a plan."""
    return f"{Path(plan).name.removesuffix('.json')}.{table}.parquet"


class TableWriter:
    """Takes rows in the order of their periods."""

    def __init__(self, file: BinaryIO, name: str, kind: type) -> None:
        self._parquet, self._types = _parquet(), _types(kind)
        self._file, self._name = _Hashed(file), name
        self._columns = [field.name for field in fields(kind)]
        self._writer = self._parquet.ParquetWriter(self._file, self._schema(), compression="zstd")
        self._waiting: list[DataclassInstance] = []
        self._rows = 0

    def add(self, rows: Iterable[DataclassInstance]) -> None:
        """Some more rows, of periods no earlier than those before."""
        self._waiting += rows
        while len(self._waiting) >= GROUP:
            self._write(self._waiting[:GROUP])
            del self._waiting[:GROUP]

    def closed(self) -> TableFile:
        """What the plan says of the table, once all is in it."""
        if self._waiting:
            self._write(self._waiting)
            self._waiting = []
        self._writer.close()
        return TableFile(self._name, self._file.hash.hexdigest(), self._rows)

    def abandoned(self) -> None:
        """Nothing more is written: the table is not to be."""
        self._file.dropped = True
        self._writer.close()

    def _write(self, rows: Sequence[DataclassInstance]) -> None:
        arrow, schema = _arrow(), self._schema()
        data = []
        for field in schema:
            values = [getattr(row, field.name) for row in rows]
            if arrow.types.is_map(field.type):
                values = [None if value is None else list(value.items()) for value in values]
            data.append(arrow.array(values, type=field.type))
        self._writer.write_table(arrow.Table.from_arrays(data, schema=schema))
        self._rows += len(rows)

    def _schema(self) -> Any:
        arrow = _arrow()
        return arrow.schema([arrow.field(name, *self._types[name]) for name in self._columns])


class _Hashed:
    """A file that is written once, from its beginning to its end, and the hash of what is in it."""

    closed = dropped = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.hash, self._at = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        if self.dropped:
            return len(data)
        self.hash.update(data)
        self._at += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Whoever opened the file closes it."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


@contextmanager
def table_beside(plan: str | Path, table: str) -> Iterator[TableWriter]:
    """A table that takes its place beside a plan when the block ends well. Raises InputError."""
    target = Path(plan)
    with written_bytes(target.with_name(file_name(target, table))) as file:
        writer = TableWriter(file, file_name(target, table), BESIDE[table])
        try:
            yield writer
        except BaseException:
            writer.abandoned()
            raise


class TableReader:
    """Rows of a table beside a plan, checked against what the plan says of it. Raises InputError, as all it does."""

    def __init__(self, plan: str | Path, table: str, stated: TableFile) -> None:
        self.path, self.kind = Path(plan).with_name(Path(stated.name).name), BESIDE[table]
        check_regular(self.path)
        try:
            self._file = self.path.open("rb")
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(Issue((), f"cannot be read: {why}", None, KEEP_BOTH, str(self.path))) from error
        try:
            self._open(stated)
        except BaseException:
            self._file.close()
            raise

    def _open(self, stated: TableFile) -> None:
        self._state = _state(self._file)
        sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()
        self._file.seek(0)
        if sha256 != stated.sha256:
            raise _wrong(self.path, "is not the one that the plan was written with: its hash is another")
        try:
            self._parquet = _parquet().ParquetFile(self._file)
        except (_arrow().ArrowInvalid, OSError) as error:
            raise _wrong(self.path, "is damaged: it is not a Parquet file") from error
        types = _types(self.kind)
        theirs = {field.name: field.type for field in self._parquet.schema_arrow}
        if list(theirs) != list(types) or any(theirs[name] != types[name][0] for name in types):
            raise _wrong(self.path, f"must have the columns {', '.join(types)}, each of its type")
        if self._parquet.metadata.num_rows != stated.rows:
            rule = f"has {self._parquet.metadata.num_rows:,} rows, not the {stated.rows:,} stated"
            raise _wrong(self.path, rule)

    def __enter__(self) -> TableReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rows(self) -> Iterator[Any]:
        """All rows, in their order."""
        for batch in self._batches():
            _check(self.path, self.kind, batch)
            yield from _rows_of(self.kind, batch, 0)

    def blocks(self, periods: int) -> Iterator[tuple[int, TableSlice]]:
        """Rows of so many periods at a time, by the number of the block, in order; periods count from its first one.

        Blocks without rows are left out. Of the rows only the periods are read here.
        """
        at, start, end = -1, 0, 0
        for batch in self._batches(["period"]):
            column = batch.column("period")
            if column.null_count:
                raise _wrong(self.path, "period is required in every row")
            if not len(column):
                continue
            numbers = column.to_numpy() // periods
            for first in [0, *((numbers[1:] != numbers[:-1]).nonzero()[0] + 1).tolist()]:
                block = int(numbers[first])
                if block < max(at, 0):
                    raise _wrong(self.path, "is not in the order of periods")
                if block != at:
                    if end + first > start:
                        yield at, self._slice(start, end + first, at * periods)
                    at, start = block, end + first
            end += len(numbers)
        if end > start:
            yield at, self._slice(start, end, at * periods)

    def _slice(self, start: int, end: int, first: int) -> TableSlice:
        return TableSlice(self.path, self.kind, self._state, start, end, first)

    def _batches(self, columns: list[str] | None = None) -> Iterator[Any]:
        try:
            yield from self._parquet.iter_batches(batch_size=BATCH, columns=columns)
        except (_arrow().ArrowInvalid, OSError) as error:
            raise _wrong(self.path, "is damaged: its rows cannot be read") from error


@dataclass(frozen=True)
class TableSlice:
    """Rows of a table beside a plan from one to before another, read when they are gone through, in any process.

    state   of the file whose hash was looked at
    first   the period from which theirs count
    """

    path: Path
    kind: type
    state: tuple[int, ...]
    start: int
    end: int
    first: int

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[Any]:
        """Raises InputError."""
        try:
            with self.path.open("rb") as file:
                if _state(file) != self.state:
                    raise _wrong(self.path, "was changed while it was read")
                batches = self._batches(_parquet().ParquetFile(file))
        except (_arrow().ArrowInvalid, OSError) as error:
            raise _wrong(self.path, "is damaged: its rows cannot be read") from error
        for batch in batches:
            _check(self.path, self.kind, batch)
            yield from _rows_of(self.kind, batch, self.first)

    def _batches(self, parquet: Any) -> list[Any]:
        """Of the groups that the rows are in."""
        sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
        ends = list(accumulate(sizes))
        some = [i for i, size in enumerate(sizes) if ends[i] > self.start and ends[i] - size < self.end]
        if not some:
            return []
        table = parquet.read_row_groups(some, use_threads=False)
        batches: list[Any] = table.slice(self.start - ends[some[0]] + sizes[some[0]], len(self)).to_batches()
        return batches


def _state(file: BinaryIO) -> tuple[int, ...]:
    stat = os.fstat(file.fileno())
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _check(path: Path, kind: type, batch: Any) -> None:
    """Numbers are numbers and finite, and what must be stated is."""
    arrow, compute = _arrow(), _compute()
    for name, (type_, optional) in _types(kind).items():
        column = batch.column(name)
        if column.null_count and not optional:
            raise _wrong(path, f"{name} is required in every row")
        words = _words(kind).get(name)
        if (
            words
            and compute.all(compute.is_in(column.drop_null(), arrow.array(words)), min_count=0).as_py()
            is False
        ):
            raise _wrong(path, f"{name} must be one of {', '.join(words)}")
        values = column.items if arrow.types.is_map(type_) else column
        if arrow.types.is_floating(values.type):
            right = compute.less_equal(compute.abs(values), LARGEST)  # not of what is not a number
            if compute.all(right, min_count=0).as_py() is False:
                raise _wrong(path, f"{name} holds what is not a finite number")


def _rows_of(kind: type, batch: Any, first: int) -> list[Any]:
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        values = column.to_pylist() if column.null_count < len(column) else [None] * len(column)
        if name == "period" and first:
            values = [None if value is None else value - first for value in values]
        if _arrow().types.is_map(column.type):
            values = [None if value is None else dict(value) for value in values]
        columns.append(values)
    return [kind(*values) for values in zip(*columns, strict=True)]


def _wrong(path: Path, rule: str) -> InputError:
    return InputError(Issue((), rule, None, KEEP_BOTH, str(path)))


@cache
def _types(kind: type) -> dict[str, tuple[Any, bool]]:
    """Column → its type in Arrow, and whether a row may leave it out."""
    arrow, hints = _arrow(), get_type_hints(kind)
    simple = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    types = {}
    for field in fields(kind):
        options = get_args(hints[field.name]) or (hints[field.name],)
        optional = type(None) in options
        stated = next((each for each in options if each in simple), None)
        if stated is not None and not _is_mapping(hints[field.name]):
            types[field.name] = simple[stated], optional
        elif any(_is_mapping(each) for each in options):
            types[field.name] = arrow.map_(arrow.string(), arrow.float64()), optional
        else:  # one of several words
            types[field.name] = arrow.string(), optional
    return types


@cache
def _words(kind: type) -> dict[str, tuple[str, ...]]:
    """Columns that hold one of a few words."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        for each in get_args(hint):
            if get_origin(each) is Literal:
                found[name] = get_args(each)
    return found


def _is_mapping(hint: Any) -> bool:
    return get_origin(hint) is Mapping


def _arrow() -> ModuleType:
    return from_extra("pyarrow", "parquet", ("--parquet",))


def _parquet() -> ModuleType:
    return from_extra("pyarrow.parquet", "parquet", ("--parquet",))


def _compute() -> ModuleType:
    return from_extra("pyarrow.compute", "parquet", ("--parquet",))
