"""A program taken apart, each part proved by what fits it, like parts proved once.

Parts share no row, so that the bound of the whole is the sum of theirs. What has no whole columns is one linear
program, bounded by its multipliers; every part with whole columns has a tree of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum, inf, nextafter

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Floats, LinearProgram
from solvers.core.relaxation import OpenRelaxation
from solvers.proof.tree import ProofLeaf, ProofTree, WorkLimits, branch_and_bound

type Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ProvedPart:
    """A part of a program and what is proven of it; like parts share their leaves.

    columns, rows   where the part's columns and rows stand in the whole
    whole           its integer columns, as columns of the whole: a leaf's ranges are theirs
    leaves          multipliers stand in the order of `rows`
    bound           no point of the part costs less (the program's offset not counted)
    """

    columns: Ints
    rows: Ints
    whole: Ints
    leaves: tuple[ProofLeaf, ...]
    bound: float


@dataclass(frozen=True, eq=False)
class ProgramProof:
    """What is proven of a program, and the best point met on the way.

    bound      no point costs less
    complete   every part reached its target: nothing but the gap asked for lies between the point and the bound
    """

    parts: tuple[ProvedPart, ...]
    bound: float
    point: Floats | None
    objective: float
    complete: bool
    nodes: int
    iterations: int


def prove(
    program: LinearProgram,
    open_relaxation: OpenRelaxation,
    *,
    start: Floats | None = None,
    gap: float = 1e-7,
    work: WorkLimits | None = None,
) -> ProgramProof:
    """Bound a program by its parts.

    start   (n,) a feasible point, if one is known
    gap     relative to each part's cost, at which it counts as proven
    work    limits over all parts together
    """
    work = work or WorkLimits()
    proved: dict[bytes, ProofTree] = {}
    parts: list[ProvedPart] = []
    point = np.zeros(program.n_columns) if start is None else start.copy()
    complete, known = True, True
    nodes = iterations = 0
    by_column = program.matrix.tocsc()
    groups = independent(program)
    slack = 0.0 if start is None else gap * abs(program.objective(start)) / max(len(groups), 1)
    for columns in groups:
        rows = np.unique(by_column[:, columns].indices).astype(np.int64)
        piece = _piece(program, columns, rows)
        key = _content(piece)
        tree = proved.get(key)
        if tree is None:
            left = replace(work, nodes=work.nodes - nodes, iterations=work.iterations - iterations)
            own = None if start is None else start[columns]
            tree = branch_and_bound(piece, open_relaxation, start=own, gap=gap, slack=slack, work=left)
            nodes, iterations = nodes + tree.nodes, iterations + tree.iterations
            proved[key] = tree
        parts.append(ProvedPart(columns, rows, columns[piece.integer], tree.leaves, tree.bound))
        complete &= tree.complete
        if tree.point is None:
            known = False
        else:
            point[columns] = tree.point
    bound = nextafter(fsum([program.offset, *(part.bound for part in parts)]), -inf)
    return ProgramProof(
        tuple(parts),
        bound,
        point if known else None,
        program.objective(point) if known else inf,
        complete,
        nodes,
        iterations,
    )


def independent(program: LinearProgram) -> list[Ints]:
    """Columns of each part with whole columns, in the order of their first columns; the rest, if any, as one part."""
    n = program.n_columns
    entries = sparse.coo_array(program.matrix)
    graph = sparse.coo_array(
        (np.ones(entries.nnz, dtype=np.int8), (entries.row + n, entries.col)), shape=(n + program.n_rows,) * 2
    )
    label = sparse.csgraph.connected_components(graph, directed=False)[1][:n]
    whole = np.zeros(label.max(initial=0) + 1, dtype=bool)
    whole[label[program.integer]] = True
    parts = [np.flatnonzero(~whole[label])]
    with_whole = np.flatnonzero(whole[label])
    order = with_whole[np.argsort(label[with_whole], kind="stable")]
    parts += np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return sorted((part for part in parts if len(part)), key=lambda part: int(part[0]))


def _piece(program: LinearProgram, columns: Ints, rows: Ints) -> LinearProgram:
    return LinearProgram(
        cost=program.cost[columns],
        matrix=program.matrix[rows][:, columns],
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        col_lower=program.col_lower[columns],
        col_upper=program.col_upper[columns],
        integer=program.integer[columns],
        name=program.name,
    )


def _content(program: LinearProgram) -> bytes:
    """Equal for programs that are equal in every number."""
    matrix = program.matrix
    arrays = (
        program.cost,
        matrix.indptr,
        matrix.indices,
        matrix.data,
        program.row_lower,
        program.row_upper,
        program.col_lower,
        program.col_upper,
        program.integer,
    )
    return b"|".join(array.tobytes() for array in arrays)
