"""What the pieces prove under prices: a tree for each of them, row by row, for who works the bound out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from solvers.core.program import Floats, Ints
from solvers.core.record import Record
from solvers.piecewise.priced import PIECE, PricedPieces
from solvers.proof.safe import usable
from solvers.proof.tree import ProofLeaf

SPANNING = replace(PIECE, nodes=2_000)


class ProvenPiece(Record):
    """A piece with the leaves of its tree; columns and rows are those of the program.

    columns       (k,) those that are the piece's alone
    shared, usd   (s,) spanning columns that it has copies of, and what a unit of each costs here
    whole         (w,) integer columns, to which the leaves' ranges belong
    row, served   (r,) the rows to which the leaves' multipliers belong; the column that a row opens: nothing of it runs
                  on none; −1: the row as it is
    """

    columns: Ints
    shared: Ints
    usd: Floats
    whole: Ints
    row: Ints
    served: Ints
    leaves: tuple[ProofLeaf, ...]


def proven_pieces(pieces: PricedPieces, prices: Floats, late: Callable[[], bool]) -> Iterator[ProvenPiece]:
    """Of every piece and of what spans them; when it is late the root of each tree alone."""
    copies, cost = pieces.copies, pieces.cost(prices)
    n = len(copies.part) - len(copies.column)
    for number in range(-1, pieces.number):
        columns = pieces.columns[number + 1]
        if not len(columns):
            continue
        part = pieces.part(number)
        program = replace(part.program, cost=cost[columns])
        work = replace(SPANNING if number < 0 else PIECE, late=late)
        tree = pieces.tree(program, None, work)
        inside = columns < n
        place = np.where(inside, columns, copies.column[np.maximum(columns - n, 0)])
        yield ProvenPiece(
            columns=columns[inside],
            shared=place[~inside],
            usd=cost[columns[~inside]],
            whole=place[program.integer],
            row=pieces.row[part.rows],
            served=pieces.served[part.rows],
            leaves=tuple(
                replace(leaf, multipliers=usable(program, leaf.multipliers)) for leaf in tree.leaves
            ),
        )
