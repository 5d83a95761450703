"""A program as an LP or an MPS file, for other people's solvers and for bug reports.

Written here because the borrowed writers lose something: HiGHS rounds to 15 digits, PuLP splits ranged rows.
Numbers are Python's shortest that read back to the same double. The same program gives the same bytes.
Names are made safe for both formats and unique; `names` gives them in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import inf, isinf
from pathlib import Path
from typing import TextIO

from solvers.core.program import LinearProgram

_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")
# A name may not look like a number (e5), a section of an LP file, or "infinity".
_RESERVED = re.compile(
    r"(e\d*|inf|infinity|free|st|s\.t\.|subject|such|max|min|maxim\w*|minim\w*|bounds?|gen|generals?|int\w*|"
    r"bin|binary|binaries|semi\w*|sec|sos\d?|end)",
    re.IGNORECASE,
)
_LONGEST = 200  # CPLEX takes 255 characters
_NOTHING = "nothing"  # a column at 0, for programs without columns, which readers take for empty


def names(program: LinearProgram) -> tuple[list[str], list[str]]:
    """Safe and unique (column names, row names)."""
    columns = _safe(
        program.column_names() if program.column_names else (), program.n_columns, "c", {_NOTHING}
    )
    rows = _safe(program.row_names() if program.row_names else (), program.n_rows, "r", {"obj"})
    return columns, rows


def to_lp(program: LinearProgram, target: str | Path | TextIO) -> None:
    """Write CPLEX LP format."""
    _write(_lp(program), target)


def to_mps(program: LinearProgram, target: str | Path | TextIO) -> None:
    """Write free-format MPS; the offset is the negated right-hand side of the objective row.

    The upper limit of a ranged row is written as a distance, so it may read back one rounding away.
    """
    _write(_mps(program), target)


def _write(lines: Iterator[str], target: str | Path | TextIO) -> None:
    if isinstance(target, str | Path):
        with open(target, "w", encoding="ascii", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
    else:
        target.writelines(f"{line}\n" for line in lines)


def _safe(given: Sequence[str], count: int, letter: str, taken: set[str]) -> list[str]:
    made: list[str] = []
    taken = set(taken)
    for at in range(count):
        name = _UNSAFE.sub("_", given[at])[:_LONGEST] if at < len(given) else f"{letter}{at}"
        if not name[:1].isalpha() or _RESERVED.fullmatch(name) or re.match(r"[eE][\d.]", name):
            name = f"{letter}_{name}"
        made.append(_unique(name, taken))
    return made


def _unique(name: str, taken: set[str]) -> str:
    if name in taken:
        name = next(n for k in range(2, len(taken) + 3) if (n := f"{name}_{k}") not in taken)
    taken.add(name)
    return name


def _lp(program: LinearProgram) -> Iterator[str]:
    """Every column is in the objective, so that readers keep their order; a ranged row becomes two rows,
    because HiGHS 1.15 misreads and CBC refuses `1 <= x + y <= 2`; a row without limits is left out."""
    columns, rows = names(program)
    taken = set(rows)
    yield f"\\ {_UNSAFE.sub('_', program.name)}"
    yield "Minimize"
    yield from _sum(" obj:", list(zip(columns, program.cost.tolist(), strict=True)), program.offset)
    yield "Subject To"
    for name, (entries, low, high) in zip(rows, program.each_row(), strict=True):
        # A row without coefficients has no place in the format unless it names a column.
        terms = [(columns[j], value) for j, value in entries] or [(columns[0] if columns else _NOTHING, 0.0)]
        if low == high:
            yield from _sum(f" {name}:", terms, end=f" = {low!r}")
            continue
        if low > -inf:
            yield from _sum(f" {name}:", terms, end=f" >= {low!r}")
        if high < inf:
            name = _unique(f"{name}_upper", taken) if low > -inf else name
            yield from _sum(f" {name}:", terms, end=f" <= {high!r}")
    yield "Bounds"
    for name, low, high in zip(columns, program.col_lower.tolist(), program.col_upper.tolist(), strict=True):
        if low == -inf and high == inf:
            yield f" {name} free"
        elif low == high:
            yield f" {name} = {low!r}"
        else:
            yield f" {low!r} <= {name} <= {_signed(high)}"
    if not columns:
        yield f" {_NOTHING} = 0"
    if program.is_mip:
        yield "General"
        yield from (f" {columns[j]}" for j in program.integer.nonzero()[0])
    yield "End"


def _signed(value: float) -> str:
    return "+inf" if value == inf else "-inf" if value == -inf else repr(value)


def _sum(head: str, terms: list[tuple[str, float]], constant: float = 0.0, end: str = "") -> Iterator[str]:
    """One term a line: short lines, and a diff that can be read."""
    parts = [f"{'-' if value < 0 else '+'} {abs(value)!r} {name}" for name, value in terms]
    if constant:
        parts.append(f"{'-' if constant < 0 else '+'} {abs(constant)!r}")
    yield head
    yield from (f"  {part}" for part in parts[:-1])
    yield f"  {parts[-1] if parts else ''}{end}"


def _mps(program: LinearProgram) -> Iterator[str]:
    columns, rows = names(program)
    low, high = program.row_lower.tolist(), program.row_upper.tolist()
    kinds = [_kind(a, b) for a, b in zip(low, high, strict=True)]
    yield f"NAME {_UNSAFE.sub('_', program.name)}"
    yield "ROWS"
    yield " N obj"
    yield from (f" {kind} {name}" for kind, name in zip(kinds, rows, strict=True))
    yield "COLUMNS"
    yield from _mps_columns(program, columns, rows)
    yield "RHS"
    if program.offset:
        yield f" RHS obj {-program.offset!r}"
    for i, kind in enumerate(kinds):
        side = high[i] if kind == "L" else low[i]
        if kind != "N" and side:
            yield f" RHS {rows[i]} {side!r}"
    ranged = [i for i, kind in enumerate(kinds) if kind == "G" and not isinf(high[i])]
    if ranged:
        yield "RANGES"
        yield from (f" RNG {rows[i]} {high[i] - low[i]!r}" for i in ranged)
    yield "BOUNDS"
    yield from _mps_bounds(program, columns)
    yield "ENDATA"


def _kind(low: float, high: float) -> str:
    if low == high:
        return "E"
    return "G" if not isinf(low) else "L" if not isinf(high) else "N"


def _mps_columns(program: LinearProgram, columns: Sequence[str], rows: Sequence[str]) -> Iterator[str]:
    by_column = program.matrix.tocsc()
    starts, indices, values = by_column.indptr.tolist(), by_column.indices.tolist(), by_column.data.tolist()
    cost, integer, inside = program.cost.tolist(), program.integer.tolist(), False
    for j, name in enumerate(columns):
        if integer[j] != inside:
            inside = integer[j]
            yield f" MARKER{j} 'MARKER' '{'INTORG' if inside else 'INTEND'}'"
        if cost[j] or starts[j] == starts[j + 1]:
            yield f" {name} obj {cost[j]!r}"
        yield from (f" {name} {rows[indices[k]]} {values[k]!r}" for k in range(starts[j], starts[j + 1]))
    if inside:
        yield " MARKEREND 'MARKER' 'INTEND'"
    if not columns:
        yield f" {_NOTHING} obj 0.0"


def _mps_bounds(program: LinearProgram, columns: Sequence[str]) -> Iterator[str]:
    """Always both sides: readers differ in what they take as an integer column's default upper bound."""
    for name, low, high in zip(columns, program.col_lower.tolist(), program.col_upper.tolist(), strict=True):
        if low == high:
            yield f" FX BND {name} {low!r}"
        elif low == -inf and high == inf:
            yield f" FR BND {name}"
        else:
            yield f" MI BND {name}" if low == -inf else f" LO BND {name} {low!r}"
            yield f" PL BND {name}" if high == inf else f" UP BND {name} {high!r}"
    if not columns:
        yield f" FX BND {_NOTHING} 0.0"
