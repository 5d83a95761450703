"""Promises rounded (`solvers.rounding`), each stated by name: the verifier makes them by itself.

Of a relaxation lifted by them, and of a case with sums of counts over time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats, Ints
from router.plan.proof import ProofCase, ProofPart, Rounding
from router.plan.values import Interval
from router.planning.proofs.cutting import named_cuts
from router.planning.proofs.scaled import ScaledRelaxation, part_of, parts_by_name
from router.verification.bound.roundings import rounding_name
from solvers.piecewise.held import RoundedTree
from solvers.proof import ProvedPart
from solvers.proof.safe import usable
from solvers.rounding import RoundedRow
from solvers.rounding.lifted import LiftedRelaxation
from solvers.strengthened import StrengthenedAnswer

DIGITS, DIGITS_OF_ROUNDS = 10, 12
"""Of a weight: any are right; what is to cancel out does so to that many. Roundings made of roundings
multiply what those are off by.
"""


def stated_roundings(
    made: Sequence[RoundedRow],
    promises: Sequence[str],
    row_scale: Floats,
    names: Sequence[str],
    digits: int = DIGITS,
) -> tuple[Rounding, ...]:
    """By name; their rows from the number of promises on are those before them.

    row_scale   (m,) a row is so many times the promise
    names       of columns
    """
    every = (*promises, *(rounding_name(k) for k in range(len(made))))
    scale = np.concatenate([row_scale, np.ones(len(made))])

    def stated(row: RoundedRow) -> Rounding:
        weights = zip(row.rows.tolist(), (row.weights * scale[row.rows]).tolist(), strict=True)
        return Rounding(
            {every[i]: float(f"{weight:.{digits}g}") for i, weight in weights},
            tuple(names[j] for j in row.down.tolist()),
        )

    return tuple(stated(row) for row in made)


def lifted_parts(model: ScaledRelaxation, answer: LiftedRelaxation) -> tuple[ProofPart, ...]:
    """All of the problem as one part, its bound not worked out yet; `answer` of the model's program."""
    part = part_of(
        model,
        range(len(model.names)),
        multipliers=priced(model, answer.multipliers, answer.prices),
    )
    roundings = stated_roundings(answer.roundings, model.promises, model.row_scale, model.names)
    return (replace(part, roundings=roundings or None),)


def priced(model: ScaledRelaxation, multipliers: Floats, prices: Floats) -> dict[str, float]:
    """Multipliers (m,) of the model's rows and (k,) of roundings, by name."""
    usd = usable(model.program, multipliers) * model.row_scale
    by_name = {model.promises[i]: float(usd[i]) for i in np.flatnonzero(usd).tolist()}
    return by_name | {rounding_name(k): float(prices[k]) for k in np.flatnonzero(prices).tolist()}


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
    scale = np.concatenate([model.row_scale, np.ones(k), strong.row_scale[m:]])
    kept = [rounding_name(i) for i in tree.rounded.kept.tolist()]
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

    return ProofCase(
        ranges,
        0.0,
        parts_by_name(of_tree, [ProvedPart(*every, tree.proof.leaves, tree.proof.bound)]),
        sums={name: tuple(model.names[j] for j in group.tolist()) for name, group in sums.items()},
        roundings=stated_roundings(made, rows, scale, columns, DIGITS_OF_ROUNDS),
    )
