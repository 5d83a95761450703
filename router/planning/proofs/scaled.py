"""The verifier's relaxation as a program for a solver, and what was proven of the program, by name again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from problems.core.arrays import Floats
from router.plan.proof import ProofPart, ProvenLeaf
from router.verification.bound.relaxation import RelaxedProblem
from solvers import LinearProgram
from solvers.proof import ProofLeaf, ProvedPart


@dataclass(frozen=True, eq=False, repr=False)
class ScaledRelaxation:
    """The verifier's relaxation as a program; its columns and rows are scaled by powers of two."""

    relaxation: RelaxedProblem
    program: LinearProgram
    names: tuple[str, ...]
    promises: tuple[str, ...]
    row_scale: Floats  # (m,) a scaled row is so many times the promise
    column_scale: Floats  # (n,) a unit of a scaled column is so many of the variable

    @classmethod
    def of(cls, relaxation: RelaxedProblem) -> ScaledRelaxation:
        names, promises = tuple(relaxation.variables), tuple(relaxation.constraints)
        at = {name: j for j, name in enumerate(names)}
        rows = relaxation.constraints.values()
        variables = relaxation.variables.values()
        upper = np.array([each.upper for each in variables], dtype=float)
        whole = np.array([each.whole for each in variables], dtype=bool)
        sized = ~whole & np.isfinite(upper) & (upper > 0)
        scale = np.where(sized, 2.0 ** np.round(np.log2(np.where(sized, upper, 1.0))), 1.0)
        index = np.repeat(np.arange(len(promises)), [len(row.terms) for row in rows])
        column = np.array([at[name] for row in rows for name, _ in row.terms], dtype=np.int64)
        value = np.array([factor for row in rows for _, factor in row.terms], dtype=float) * scale[column]
        largest = np.zeros(len(promises))
        np.maximum.at(largest, index, np.abs(value))
        row_scale = 2.0 ** -np.round(np.log2(np.where(largest > 0, largest, 1.0)))
        shape = (len(promises), len(names))
        program = LinearProgram(
            cost=np.array([each.usd for each in variables], dtype=float) * scale,
            matrix=sparse.coo_array((value * row_scale[index], (index, column)), shape=shape).tocsr(),
            row_lower=np.array([row.lower for row in rows], dtype=float) * row_scale,
            row_upper=np.array([row.upper for row in rows], dtype=float) * row_scale,
            col_lower=np.array([each.lower for each in variables], dtype=float) / scale,
            col_upper=upper / scale,
            integer=whole,
            offset=relaxation.constant,
        )
        return cls(relaxation, program, names, promises, row_scale, scale)


def parts_by_name(model: ScaledRelaxation, proved: Sequence[ProvedPart]) -> tuple[ProofPart, ...]:
    """By name; parts that need no tree are one."""
    whole: list[ProofPart] = []
    multipliers: dict[str, float] = {}
    columns: list[int] = []
    for part in proved:
        leaves = [_leaf(model, part, leaf) for leaf in part.leaves]
        if len(leaves) == 1 and not leaves[0].ranges:
            multipliers |= leaves[0].multipliers
            columns += part.columns.tolist()
        else:
            whole.append(part_of(model, part.columns.tolist(), leaves=tuple(leaves)))
    return (*([part_of(model, columns, multipliers=multipliers)] if columns else ()), *whole)


def part_of(
    model: ScaledRelaxation,
    columns: Sequence[int],
    *,
    multipliers: dict[str, float] | None = None,
    leaves: tuple[ProvenLeaf, ...] | None = None,
    usd: dict[str, float] | None = None,
) -> ProofPart:
    """Some columns as a part, its bound not worked out yet; `usd` of what other parts decide too."""
    runs = [model.relaxation.runs[name] for j in columns if (name := model.names[j]) in model.relaxation.runs]
    periods = [period for _, period in runs]
    return ProofPart(
        workloads=tuple(dict.fromkeys(workload for workload, _ in runs)),
        periods=(min(periods), max(periods)) if periods else (),
        bound_usd=0.0,
        multipliers=multipliers,
        leaves=leaves,
        usd=usd,
    )


def _leaf(model: ScaledRelaxation, part: ProvedPart, leaf: ProofLeaf) -> ProvenLeaf:
    program, ranges = model.program, {}
    for j, low, high in zip(part.whole.tolist(), leaf.lower.tolist(), leaf.upper.tolist(), strict=True):
        narrowed = (low > np.ceil(program.col_lower[j]), high < np.floor(program.col_upper[j]))
        if any(narrowed):
            ranges[model.names[j]] = (low if narrowed[0] else None, high if narrowed[1] else None)
    usd = leaf.multipliers * model.row_scale[part.rows]
    used = np.flatnonzero(usd)
    return ProvenLeaf(ranges, {model.promises[part.rows[i]]: float(usd[i]) for i in used.tolist()})
