"""A bound for a market of many small pieces: promises across pieces at a price, and a tree for each piece.

Where the search has found the prices on its own program, rows and columns are found again in the verifier's by what
they hold; a price that is not found again is 0, which makes the bound lower and never wrong. Of a plan that was found
another way they are those of the verifier's relaxation, made better by some rounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.encode import Encoded
from problems.core.steps import pieces_of, steps_of
from router.plan.proof import ProofPart, ProvenLeaf
from router.planning.proofs.scaled import ScaledRelaxation, part_of
from router.planning.structure.in_parts import many_small
from router.planning.two_steps import run
from router.verification.bound.cuts import cut_name
from solvers import LinearProgram, PiecePrices, SolveOptions
from solvers.piecewise.copies import Copies, with_copies
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.proven import ProvenPiece, proven_pieces
from solvers.piecewise.rounds import PriceRounds
from solvers.proof import ProofLeaf
from solvers.strengthened import StrengthenedAnswer

PROMISING = 0.2  # of what is missing: a first round that proves less of it is the last
MOST_ROUNDS = 6  # as much work, about, as a search by pieces takes for a plan

type RowKey = tuple[int, int, int, str]


def priced_parts(
    model: ScaledRelaxation, program: LinearProgram, prices: PiecePrices, late: Callable[[], bool]
) -> tuple[tuple[ProofPart, ...], dict[str, float]]:
    """Parts, their bounds not worked out yet, and prices by promise; `program` is the one that the prices are of."""
    at = columns_by_name(model, program)
    pieces = PricedPieces(with_copies(model.program, pieces_by_name(model, at, prices.part)))
    price = pieces.usable(_prices(model, pieces, program, prices, at))
    return proven_by_pieces(model, pieces, price, late)


def rounded_parts(
    model: ScaledRelaxation,
    encoded: Encoded,
    answer: StrengthenedAnswer,
    enough_usd: float,
    options: SolveOptions,
) -> tuple[tuple[ProofPart, ...], dict[str, float]] | None:
    """The same for any plan; `answer` of the model's relaxation. None without small pieces, or where little is to gain.

    enough_usd   a bound so high needs no better prices
    """
    part = pieces_of(encoded, steps_of(encoded))
    if answer.bound >= enough_usd or options.late or not many_small(encoded.program, part):
        return None
    labels = pieces_by_name(model, columns_by_name(model, encoded.program), part)
    pieces = PricedPieces(with_copies(model.program, labels, answer))
    prices = pieces.copies.prices[pieces.reaching]
    rounds = PriceRounds(pieces, prices, lambda piece, left: run(piece, "highs", left), options)
    rounds.round(enough_usd)
    if rounds.bound < answer.bound + PROMISING * (enough_usd - answer.bound):
        return None
    while rounds.count < MOST_ROUNDS and not rounds.ended and rounds.bound < enough_usd:
        rounds.round(enough_usd)
    return proven_by_pieces(model, pieces, rounds.prices, lambda: options.finishing.late)


def proven_by_pieces(
    model: ScaledRelaxation, pieces: PricedPieces, price: Floats, late: Callable[[], bool]
) -> tuple[tuple[ProofPart, ...], dict[str, float]]:
    row = pieces.copies.row[pieces.reaching]
    own = np.flatnonzero((row >= 0) & (price != 0))
    usd = price[own] * model.row_scale[row[own]]
    by_promise = {model.promises[i]: float(y) for i, y in zip(row[own].tolist(), usd.tolist(), strict=True)}
    parts = tuple(_part(model, proven) for proven in proven_pieces(pieces, price, late))
    return parts, by_promise


def columns_by_name(model: ScaledRelaxation, program: LinearProgram) -> Ints:
    """(n,) where each column of the search's program stands in the verifier's, by name; −1: nowhere."""
    index = {name: j for j, name in enumerate(model.names)}
    names = [] if program.column_names is None else program.column_names()
    return np.array([index.get(name, -1) for name in names], dtype=np.int64)


def pieces_by_name(model: ScaledRelaxation, at: Ints, part: Ints) -> Ints:
    """(n,) the piece of each column of the verifier's; what has no name in the search joins the one piece it meets."""
    matrix, unknown = model.program.matrix, -2
    piece = np.full(len(model.names), unknown)
    piece[at[at >= 0]] = part[at >= 0]
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    by_column = matrix.tocsc()
    first, last = np.full(matrix.shape[0], np.iinfo(np.int64).max), np.full(matrix.shape[0], -1)
    inside = piece[matrix.indices] >= 0
    np.minimum.at(first, row[inside], piece[matrix.indices[inside]])
    np.maximum.at(last, row[inside], piece[matrix.indices[inside]])
    for j in np.flatnonzero(piece == unknown).tolist():
        rows = by_column.indices[by_column.indptr[j] : by_column.indptr[j + 1]]
        met = {*first[rows][last[rows] >= 0].tolist(), *last[rows][last[rows] >= 0].tolist()}
        piece[j] = met.pop() if len(met) == 1 else -1
    return piece


def _prices(
    model: ScaledRelaxation, pieces: PricedPieces, program: LinearProgram, prices: PiecePrices, at: Ints
) -> Floats:
    """(r,) multipliers of the rows that reach, ties of copies among them."""
    copies = pieces.copies
    known: dict[RowKey, float] = {}
    for i, price in zip(prices.row.tolist(), prices.price.tolist(), strict=True):
        columns, values = _row(program, i)
        places = at[columns]
        if price and (places >= 0).all():
            key, coefficient = _key(places, values)
            known[key] = price * coefficient
    ties = {
        (piece, place): tie
        for piece, place, tie in zip(
            prices.piece.tolist(), at[prices.column].tolist(), prices.tie.tolist(), strict=True
        )
    }
    row = copies.row[pieces.reaching]
    found = np.zeros(len(row))
    for k in np.flatnonzero(row >= 0).tolist():
        columns, values = _row(model.program, int(row[k]))
        key, coefficient = _key(columns, values / model.column_scale[columns])
        found[k] = known.get(key, 0.0) / coefficient
    found[row < 0] = _ties(copies, ties, model.column_scale)
    return found


def _ties(copies: Copies, ties: dict[tuple[int, int], float], scale: Floats) -> Floats:
    n = len(copies.part) - len(copies.column)
    keys = zip(copies.part[n:].tolist(), copies.column.tolist(), strict=True)
    found = np.array([ties.get(key, 0.0) for key in keys], dtype=float)
    return found * scale[copies.column]


def _row(program: LinearProgram, i: int) -> tuple[Ints, Floats]:
    at = slice(program.matrix.indptr[i], program.matrix.indptr[i + 1])
    return program.matrix.indices[at], program.matrix.data[at]


def _key(places: Ints, values: Floats) -> tuple[RowKey, float]:
    """What a row is known by, whatever it is scaled by; and its first coefficient.

    What spans pieces may be in other units there: it stands behind the flows.
    """
    first, *others = np.argsort(places, kind="stable")[[0, 1, -1][: len(places)]].tolist()
    ratio = f"{values[others[0]] / values[first]:.6g}" if others else ""
    last = others[-1] if others else first
    return (len(places), int(places[first]), int(places[last]), ratio), float(values[first])


def _part(model: ScaledRelaxation, proven: ProvenPiece) -> ProofPart:
    usd = {
        model.names[j]: float(share / model.column_scale[j])
        for j, share in zip(proven.shared.tolist(), proven.usd.tolist(), strict=True)
    }
    promises = [
        _promise(model, row, served)
        for row, served in zip(proven.row.tolist(), proven.served.tolist(), strict=True)
    ]
    leaves = tuple(_leaf(model, proven, promises, leaf) for leaf in proven.leaves)
    alone = len(leaves) == 1 and not leaves[0].ranges
    return part_of(
        model,
        proven.columns.tolist(),
        multipliers=dict(leaves[0].multipliers) if alone else None,
        leaves=None if alone else leaves,
        usd=usd or None,
    )


def _promise(model: ScaledRelaxation, row: int, served: int) -> tuple[str, float]:
    """A promise or a cut by name, and how many of it a unit of the piece's row is."""
    name, scale = model.promises[row], float(model.row_scale[row])
    if served < 0:
        return name, scale
    columns, values = _row(model.program, row)
    load = float(values[np.searchsorted(columns, served)])
    return cut_name(name, [model.names[served]]), scale / load


def _leaf(
    model: ScaledRelaxation, proven: ProvenPiece, promises: list[tuple[str, float]], leaf: ProofLeaf
) -> ProvenLeaf:
    multipliers: dict[str, float] = {}
    for k in np.flatnonzero(leaf.multipliers).tolist():
        name, scale = promises[k]
        multipliers[name] = multipliers.get(name, 0.0) + float(leaf.multipliers[k]) * scale
    low, high = model.program.col_lower[proven.whole], model.program.col_upper[proven.whole]
    ranges = {
        model.names[j]: (start if start > least else None, end if end < most else None)
        for j, start, end, least, most in zip(
            proven.whole.tolist(),
            leaf.lower.tolist(),
            leaf.upper.tolist(),
            np.ceil(low).tolist(),
            np.floor(high).tolist(),
            strict=True,
        )
        if start > least or end < most
    }
    return ProvenLeaf(ranges, multipliers)
