"""Columns of pools whose waiting is written out: the piece of its region that a pool is in, and its instances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.physics.regions import Piece
from problems.physics.waiting import Capacity, Region
from solvers.core.record import Record


class PieceColumns(Record):
    """A piece of a region: a 0/1 column per range of levels."""

    piece: Piece
    first: Ints  # (n,) ranges of levels, from
    last: Ints  # (n,) and to
    chosen: Ints  # (n,) 0/1
    within: Ints  # (n,) the level, in chosen ranges of several; -1: the range is one level
    load: Ints  # (1,) load there, instances; empty: the queue has one piece, and its flows stand for it
    shaped: Ints  # (1,) the same weighed by u; empty: nothing of the mix matters


class QueueColumns(Record):
    """What one side of a pool serves in a period."""

    pool: int
    period: int
    side: int
    region: Region
    pieces: tuple[PieceColumns, ...]
    unit_s: float  # u is counted in


def queue_columns(
    space: ColumnSpace, capacity: Capacity, label: Mapping[int, str], block: int
) -> tuple[QueueColumns, ...]:
    """Reserve the columns of every region; `label` names the pools."""
    queues = []
    for (q, t), region in capacity.regions.items():
        for side, pieces in enumerate(region.sides):
            name = f"{label[q]},{t}{',completion' if side else ''}"
            unit = (
                max((piece.high for piece in pieces), default=0.0) or 1.0
            )  # 0 s: like requests, evenly spaced
            narrow = (
                all(piece.high <= piece.low * (1 + 1e-9) for piece in pieces)
                and len({piece.low for piece in pieces}) <= 1
            )
            own = tuple(
                _piece(
                    space,
                    region,
                    piece,
                    f"{name},{k}" if len(pieces) > 1 else name,
                    alone=len(pieces) == 1,
                    narrow=narrow,
                    block=block,
                )
                for k, piece in enumerate(pieces)
            )
            if own:
                queues.append(QueueColumns(q, t, side, region, own, unit))
    return tuple(queues)


def _piece(
    space: ColumnSpace, region: Region, piece: Piece, name: str, *, alone: bool, narrow: bool, block: int
) -> PieceColumns:
    top = region.scale.top
    free = not np.isfinite(_budgets(region, piece)).any()  # nobody who minds waiting is there
    ranges = np.array([(0, top)] if free else region.ranges, dtype=np.int64).reshape(-1, 2)
    first, last = ranges[:, 0], ranges[:, 1]
    several = np.flatnonzero(first < last)

    def label(i: int) -> str:
        return f"{name},{first[i]}" if first[i] == last[i] else f"{name},{first[i]}-{last[i]}"

    chosen = space.take("level", len(first), label, upper=1.0, integer=True, block=block)
    within = np.full(len(first), NONE, dtype=np.int64)
    within[several] = space.take(
        "within",
        len(several),
        lambda i: label(int(several[i])),
        upper=last[several].astype(float),
        integer=region.scale.servers and not free,
        block=block,
    )
    load = space.take("pool_load", 0 if alone else 1, lambda _: name, block=block)
    shaped = space.take("pool_mix", 0 if alone or narrow else 1, lambda _: name, block=block)
    return PieceColumns(piece, first, last, chosen, within, load, shaped)


def _budgets(region: Region, piece: Piece) -> Floats:
    return np.array([region.users[i].budget_s for i in piece.users])
