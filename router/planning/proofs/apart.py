"""A bound for a large problem that falls apart: the verifier's relaxation part by part, each with cuts and a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats, Ints
from router.errors import RouterError
from router.plan.proof import ProofPart
from router.planning.proofs.cutting import with_cuts
from router.planning.proofs.scaled import ScaledRelaxation, parts_by_name
from router.planning.two_steps import run
from solvers import SolveOptions
from solvers.components import independent
from solvers.proof import WorkLimits, prove

GAP = 1e-9  # relative, at which a part counts as proven
EFFORT = 100_000  # of each part; see `WorkLimits`


def falls_apart(model: ScaledRelaxation, largest: int) -> list[Ints] | None:
    """Columns of each part, where there are several and none is larger; else None."""
    groups = independent(model.program)
    return groups if len(groups) > 1 and max(map(len, groups)) <= largest else None


def parts_apart(
    model: ScaledRelaxation,
    groups: list[Ints],
    integers: Mapping[str, float],
    options: SolveOptions,
    enough: float,
) -> tuple[ProofPart, ...]:
    """Every part, its bound not worked out yet.

    integers   by name, of the plan's whole columns
    enough     relative to what the plan costs there: a bound so near it is worth little more work

    Raises SolversError.
    """
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    parts: list[ProofPart] = []
    for own in separated(model, groups):
        start = started(own, integers, options)
        cut = None if options.late else with_cuts(own, options)
        plain = cut is None or len(set(cut[0].promises)) < len(cut[0].promises)
        own, start = (own, start) if plain or cut is None else (cut[0], start)
        work = WorkLimits(effort=0.0 if options.late else EFFORT, late=lambda: options.late)
        proof = prove(own.program, HighsRelaxation, start=start, gap=GAP, enough=enough, work=work)
        parts += parts_by_name(own, proof.parts)
    return tuple(parts)


def started(model: ScaledRelaxation, integers: Mapping[str, float], options: SolveOptions) -> Floats | None:
    """A plan's whole numbers in the model, with the best that goes with them.

    The verifier has whole columns that the program does without: its levels and bands of pools that wait, whether any
    of a pool is rented that waits and is rented in parts.
    """
    whole = np.flatnonzero(model.program.integer)
    at = np.array([j for j in whole if model.names[j] in integers], dtype=np.int64)
    values = np.round([integers[model.names[j]] for j in at])
    values = np.clip(values, model.program.col_lower[at], model.program.col_upper[at])
    fixed = model.program.fix(at, values)
    known = fixed.relax() if len(at) == len(whole) else fixed
    try:
        return run(known, "highs", replace(options.finishing, native={})).point
    except RouterError:
        return None


def separated(model: ScaledRelaxation, groups: list[Ints]) -> Iterator[ScaledRelaxation]:
    """Each part as a relaxation of its own."""
    for columns in groups:
        program, _, touched = model.program.take(columns)
        yield replace(
            model,
            program=program,
            names=tuple(model.names[j] for j in columns.tolist()),
            promises=tuple(model.promises[i] for i in touched.tolist()),
            row_scale=model.row_scale[touched],
            column_scale=model.column_scale[columns],
        )
