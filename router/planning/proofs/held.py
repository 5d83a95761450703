"""A bound by cases of what spans the horizon: few counts and contracts, on which a tree branches.

Each case is bounded by the verifier's relaxation with cuts, by a tree over all counts with promises rounded and sums
of hours to branch on, or by hours at a price (`piecewise`): with what spans them held, hours hang together by waiting
work and promises across them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from problems.core.arrays import Ints
from problems.core.encode import Encoded
from problems.core.steps import steps_of
from router.plan.proof import ProofCase
from router.planning.proofs.apart import separated, started
from router.planning.proofs.cutting import strengthened_parts
from router.planning.proofs.piecewise import columns_by_name, pieces_by_name, proven_by_pieces
from router.planning.proofs.rounding import by_rounding, sums_over_time
from router.planning.proofs.scaled import ScaledRelaxation
from router.planning.structure.in_parts import few_spanning
from router.planning.two_steps import run
from solvers import SolveOptions
from solvers.components import independent
from solvers.piecewise.copies import reach
from solvers.piecewise.held import GLANCING, LOOKING, HeldLeaf, HeldTree
from solvers.proof import WorkLimits
from solvers.strengthened import StrengthenedAnswer, strengthened

STATED = 0.98  # of the gap: multipliers as they are stated prove a little less


def cases_of(
    model: ScaledRelaxation,
    encoded: Encoded,
    answer: StrengthenedAnswer,
    usd: float,
    enough_usd: float,
    integers: Mapping[str, float],
    options: SolveOptions,
) -> tuple[ProofCase, ...] | None:
    """Cases, their bounds not worked out yet; `answer` of the model's relaxation. None where the hours do not suit, or
    where the relaxation is enough.

    enough_usd   a bound so high is near enough to `usd`, which a plan costs
    integers     by name, of the plan's whole columns: of a problem that falls apart what each part of it costs
    """
    step = steps_of(encoded)
    if answer.bound >= enough_usd or options.late or not few_spanning(encoded.program, step):
        return None
    part, groups = _periods(model, encoded, step), independent(model.program)
    if len(groups) > 1:
        apart = _cases_apart(model, part, groups, 1.0 - enough_usd / usd, integers, options)
        if apart is not None:
            return apart
    whole = Apart(model, part, answer, usd)
    whole.look(usd - enough_usd, LOOKING, options)
    return whole.cases(options)


class Apart:
    """A part of the problem, and what is proven of it.

    usd      what the plan costs there
    bound    no plan costs less there
    """

    def __init__(self, model: ScaledRelaxation, part: Ints, answer: StrengthenedAnswer, usd: float) -> None:
        self.model, self.part, self.answer, self.usd = model, part, answer, usd
        self.sums = sums_over_time(model, part)
        self.leaves: list[HeldLeaf] = []
        self.spans, self.bound = np.empty(0, dtype=np.int64), -np.inf

    @property
    def short_usd(self) -> float:
        """By how much the bound is below what the plan costs."""
        return max(self.usd - self.bound, 0.0)

    def look(self, room_usd: float, work: WorkLimits, options: SolveOptions) -> None:
        """Leaves of a tree over what spans; a bound within so much of what the plan costs is near enough."""
        program = self.model.program
        tree = HeldTree(
            program, self.part, self.answer, lambda piece, left: run(piece, "highs", left), options
        )
        tree.sums, tree.work = tuple(self.sums.values()), work
        leaves = tree.leaves(self.usd, self.usd - room_usd)
        bound = min(leaf.bound for leaf in leaves)
        if not self.leaves or bound > self.bound:
            self.leaves, self.spans, self.bound = leaves, tree.spans, bound

    def cases(self, options: SolveOptions) -> tuple[ProofCase, ...]:
        """Their bounds not worked out yet."""

        def late() -> bool:
            return options.finishing.late

        return tuple(_case(self.model, self.spans, leaf, late, self.sums) for leaf in self.leaves)


def _cases_apart(
    model: ScaledRelaxation,
    part: Ints,
    groups: list[Ints],
    gap: float,
    integers: Mapping[str, float],
    options: SolveOptions,
) -> tuple[ProofCase, ...] | None:
    """Cases of each part by itself: trees of several at once would take as many leaves as theirs multiplied.

    With little work each but the last, since most trees end soon; then with all of it, the last one first, those that
    did not: they have the time that is left, and the room that the others leave of the gap.

    None where one has no relaxation, or does not hold what the plan does there.
    """
    parts: list[Apart] = []
    for columns, own in zip(groups, separated(model, groups), strict=True):
        left = options.within(1.0 / (len(groups) - len(parts)))
        answer, point = strengthened(own.program, left), started(own, integers, left)
        if answer is None or point is None:
            return None
        parts.append(Apart(own, part[columns], answer, own.program.objective(point)))
    gap *= STATED
    for each in parts[:-1]:
        each.look(gap * abs(each.usd), GLANCING, options.within(1.0 / len(parts)))
    short = [each for each in parts if each.short_usd > gap * abs(each.usd)]
    spare = gap * sum(abs(each.usd) for each in parts)
    spare -= sum(each.short_usd for each in parts if each not in short)
    while short:
        share, size = 1.0 / len(short), sum(abs(each.usd) for each in short)
        last = short.pop()
        room = spare * abs(last.usd) / size
        last.look(room, LOOKING, options.within(share))
        spare -= min(last.short_usd, room)
    return tuple(
        replace(case, apart=number) for number, each in enumerate(parts) for case in each.cases(options)
    )


def _periods(model: ScaledRelaxation, encoded: Encoded, step: Ints) -> Ints:
    """(n,) the period of each column of the verifier's; −1: it spans. What is left for later is of its own period."""
    part = pieces_by_name(model, columns_by_name(model, encoded.program), step)
    for j, name in enumerate(model.names):
        if name in model.relaxation.runs:
            part[j] = model.relaxation.runs[name][1]
    program = model.program
    by_column = program.matrix.tocsc()
    row = np.repeat(np.arange(program.n_rows), np.diff(program.matrix.indptr))
    first, last = reach(row, part[program.matrix.indices], program.n_rows)
    for j in np.flatnonzero((part < 0) & ~program.integer).tolist():
        rows = by_column.indices[by_column.indptr[j] : by_column.indptr[j + 1]]
        inside = rows[last[rows] >= 0]
        if len(inside) == len(rows) and (first[rows] == last[rows]).all() and np.ptp(first[rows]) == 1:
            part[j] = first[rows].min()
    return part


def _case(
    model: ScaledRelaxation, spans: Ints, leaf: HeldLeaf, late: Callable[[], bool], sums: Mapping[str, Ints]
) -> ProofCase:
    inside = replace(model, program=leaf.program)
    ranges = {}
    whole = model.program
    for j, low, high in zip(spans.tolist(), leaf.lower.tolist(), leaf.upper.tolist(), strict=True):
        narrowed = (low > np.ceil(whole.col_lower[j]), high < np.floor(whole.col_upper[j]))
        if any(narrowed):
            ranges[model.names[j]] = (low if narrowed[0] else None, high if narrowed[1] else None)
    if leaf.tree is not None and leaf.tree.proof.bound >= leaf.bound:
        case = by_rounding(inside, ranges, leaf.tree, leaf.answer, sums)
        if case is not None:
            return case
    if leaf.rounds is not None and leaf.answer.bound < leaf.rounds.bound:
        parts, prices = proven_by_pieces(inside, leaf.rounds.pieces, leaf.rounds.prices, late)
        if not late():  # pieces without their trees may prove next to nothing
            return ProofCase(ranges, 0.0, parts, prices)
    return ProofCase(ranges, 0.0, strengthened_parts(inside, leaf.answer))
