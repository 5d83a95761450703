"""Rows put together table by table: where they stand, what they are called, and what the whole program then says."""

from __future__ import annotations

import numpy as np
from benchmarks.agreements import AGREEMENTS, EACH, FLEETS, market

from problems.core.blocks import ColumnSpace, RowSpace, assemble
from problems.core.encode import encode
from problems.core.rows import RowBuilder, no_rows, rows
from router.normalise import normalise


def test_tables_of_a_family_stand_one_under_the_other() -> None:
    """x ≤ 5, y ≤ 5; nothing; x − 2y ≥ 1; x + y = 3 in two pieces."""
    builder = RowBuilder("family")
    builder.add(2, [(np.arange(2), np.array([0, 1]), 1.0)], lambda i: f"first,{i}", upper=5.0)
    builder.add(0, [], str)
    builder.one("second", [(0, 1.0), (1, -2.0)], lower=1.0)
    builder.add(
        1,
        [(0, np.array([0]), 1.0), (np.array([0]), np.array([1]), np.array([1.0]))],
        lambda i: f"third,{i}",
        lower=3.0,
        upper=3.0,
    )
    columns, space = ColumnSpace(), RowSpace()
    columns.take("x", 2, str)
    space.add(no_rows("absent"))
    space.add(rows("before", 1, [(0, np.array([1]), 7.0)], str))
    space.add(builder.rows(), block=1)
    program = assemble("name", columns, space, np.zeros(2), 0.0)

    assert program.matrix.toarray().tolist() == [[0, 7], [1, 0], [0, 1], [1, -2], [1, 1]]
    assert program.row_lower.tolist() == [-np.inf, -np.inf, -np.inf, 1, 3]
    assert program.row_upper.tolist() == [np.inf, 5, 5, np.inf, 3]
    names = ["before(0)", "family(first,0)", "family(first,1)", "family(second)", "family(third,0)"]
    assert program.row_names() == names
    assert [space.label()(i) for i in range(5)] == names
    assert [tuple(part) for part in space.ranges()] == [("before", 0, 1, -1), ("family", 1, 5, 0)]


def test_a_family_of_no_tables_has_no_rows() -> None:
    built = RowBuilder("family").rows()
    assert len(built) == 0
    assert not built.terms


def test_a_settlement_by_the_hour_is_a_row_for_each_agreement_and_each_covered_offer() -> None:
    """Of five days; a year is then 96,360 rows and 131,400 columns: five agreements over three of six offers each."""
    hours = 120
    encoded = encode(normalise(market(hours)))
    rows = dict.fromkeys(("commitments", "agreements"), 0)
    for part in encoded.row_families:
        if part.family in rows:
            rows[part.family] += part.end - part.first
    amounts = 2 * AGREEMENTS  # at least and at most, once signed
    assert rows == {"commitments": AGREEMENTS * hours + amounts, "agreements": FLEETS * hours}
    assert len(encoded.columns[0].covered.at) == AGREEMENTS * EACH * hours
