"""A case with promises rounded and sums of counts over time, each stated by name: the verifier makes them by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from problems.core.arrays import Ints
from router.plan.proof import ProofCase, Rounding
from router.plan.values import Interval
from router.planning.proofs.cutting import named_cuts
from router.planning.proofs.scaled import ScaledRelaxation, parts_by_name
from router.verification.bound.roundings import rounding_name
from solvers.piecewise.held import RoundedTree
from solvers.proof import ProvedPart
from solvers.rounding import RoundedRow
from solvers.strengthened import StrengthenedAnswer

DIGITS = 12  # of a weight


def sums_over_time(model: ScaledRelaxation, part: Ints) -> dict[str, Ints]:
    """Counts of a pool over all periods, over the first half and over the second, by the name of the sum.

    part   (n,) the period of each column, −1: none
    """
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    periods = int(part.max(initial=-1)) + 1
    for j in np.flatnonzero(model.program.integer & (part >= 0)).tolist():
        end = f",{part[j]})"
        if model.names[j].endswith(end):
            pool = model.names[j].removesuffix(end)
            for when in ("all", "early" if 2 * part[j] < periods else "late"):
                groups[pool, when].append(j)
    return {
        f"sum({pool}),{when})": np.array(columns)
        for (pool, when), columns in groups.items()
        if len(columns) > 1 and model.program.col_upper[columns].any()
    }


def by_rounding(
    model: ScaledRelaxation,
    ranges: Mapping[str, Interval],
    tree: RoundedTree,
    answer: StrengthenedAnswer,
    sums: Mapping[str, Ints],
) -> ProofCase | None:
    """The case of a tree, its bound not worked out yet; None where two of its rows have one name.

    model   within the ranges; answer: of its relaxation, with the strong rows that the tree has too
    """
    m, k, made = model.program.n_rows, len(sums), tree.rounded.made
    strong = named_cuts(model, answer)
    columns, rows = (*model.names, *sums), (*model.promises, *sums, *strong.promises[m:])
    if len(set(rows)) < len(rows):
        return None
    used = _used(tree, len(rows))
    place = {len(rows) + i: k for k, i in enumerate(used)}
    scale = np.concatenate([model.row_scale, np.ones(k), strong.row_scale[m:]])
    kept = [rounding_name(place[len(rows) + i]) for i in tree.rounded.kept.tolist()]
    of_tree = replace(
        model,
        program=tree.rounded.program,
        names=columns,
        promises=(*rows, *kept),
        row_scale=np.concatenate([scale, np.ones(len(kept))]),
        column_scale=np.concatenate([model.column_scale, np.ones(k)]),
    )
    program = of_tree.program
    every = np.arange(program.n_columns), np.arange(program.n_rows), np.flatnonzero(program.integer)

    def stated(row: RoundedRow) -> Rounding:
        weights: dict[str, float] = {}
        for i, weight in zip(row.rows.tolist(), row.weights.tolist(), strict=True):
            own = i < len(rows)
            name = rows[i] if own else rounding_name(place[i])
            weights[name] = float(f"{weight * (scale[i] if own else 1.0):.{DIGITS}g}")
        return Rounding(weights, tuple(columns[j] for j in row.top.tolist()))

    return ProofCase(
        ranges,
        0.0,
        parts_by_name(of_tree, [ProvedPart(*every, tree.proof.leaves, tree.proof.bound)]),
        sums={name: tuple(model.names[j] for j in group.tolist()) for name, group in sums.items()},
        roundings=tuple(stated(made[i]) for i in used),
    )


def _used(tree: RoundedTree, rows: int) -> list[int]:
    """Roundings of the tree, and those that they are made of."""
    used, open_ = set[int](), tree.rounded.kept.tolist()
    while open_:
        i = open_.pop()
        if i not in used:
            used.add(i)
            own = tree.rounded.made[i].rows
            open_ += (own[own >= rows] - rows).tolist()
    return sorted(used)
