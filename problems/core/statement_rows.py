"""Rows of bills so far: the greater of two, see `problems.core.statements`."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.rows import RowBuilder
from problems.core.statements import due_by
from problems.core.view import View

type Entry = tuple[Ints | int, Floats | float]
"""(columns, coefficients) of a row."""


def add_statements(
    builder: RowBuilder,
    view: View,
    cols: Columns,
    b: int,
    used: tuple[Ints, Ints, Ints, Floats],
    before: Floats,
    unit: Floats,
    most: tuple[Floats, Floats],
) -> None:
    """Rows of each statement. `used`: (period, span, column, own units); `most`: use and what is due of a span."""
    table, inst = cols.statements, view.inst
    period, span, column, own = used
    name, scale = inst.offers.names[inst.contracts.offer[b]], float(cols.first.commit_scale[b])
    for i in np.flatnonzero(table.contract == b).tolist():
        k, t, at, as_due = (
            int(table.span[i]),
            int(table.before[i]),
            int(table.at[i]),
            int(table.as_due[i]),
        )
        here = np.flatnonzero((span == k) & (period < t))
        starts, months = due_by(inst, b, k, t)
        use: list[Entry] = [(at, 1.0), (column[here], -own[here] / unit[k])]
        due: list[Entry] = [(at, 1.0), (cols.first.committed[starts], -months * scale / unit[k])]
        label = f"{name},span {k},before period {t}"
        opened, top = float(before[k]), float(most[0][k] / unit[k] + before[k])
        builder.one(f"{label},used", use, lower=opened)
        builder.one(f"{label},due", due, lower=0.0)
        builder.one(f"{label},no more than used", [*use, (as_due, -most[1][k] / unit[k])], upper=opened)
        builder.one(f"{label},no more than due", [*due, (as_due, top)], upper=top)
