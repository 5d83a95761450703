"""A plan whose rows are read a block of periods at a time: the same checks, in memory for one block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from router.plan.across import reaches_across
from router.plan.document import Plan
from router.plan.file import check_tables, with_rows
from router.plan.proof import ProofPart, stored_parts
from router.plan.rows import UnservedRow
from router.plan.start import as_planned
from router.plan.tables import TableReader
from router.schema import Problem
from router.verification import verify
from router.verification.base.audit import Audit
from router.verification.base.costs import Sums
from router.verification.base.ledger import SHOWN, Ledger, Ledgers, Verification
from router.verification.blocks.cut import NO_ROWS, Block, blocks_of, plan_of_block, problem_of_block
from router.verification.blocks.looking import (
    BlockFindings,
    PaidCounts,
    SizedRows,
    StatedBlock,
    forget,
    looked_at,
)
from router.verification.checks import CHECKS
from router.workers import ALONE, Workers, stream

PERIODS = 24
"""Of a block, where nobody says how many."""

type Blocks[R] = Iterable[tuple[int, SizedRows[R]]]
"""Rows by the number of their block, in order; their periods count from its first."""

SECTIONS = (
    *("kinds", "running", "reoptimise", "sizing", "coverage", "hosts", "spill_order", "credits", "quotas"),
    *("drawn", "insurance", "upgraded_from"),
)
"""Of a plan: those that only a plan has whose problem reaches across periods, or whose rows are by period."""

BY_BLOCK: Mapping[str, tuple[Any, ...] | None] = {"routes": (), "instances": (), "quotas": None}
"""Tables that are read by blocks, and what a plan has where one is not beside it."""


def needs_all_rows(problem: Problem, plan: Plan) -> str | None:
    """What of a problem, or of its plan, may reach across periods; None: its rows can be read by blocks."""
    section = next((name for name in SECTIONS if getattr(plan, name) is not None), None)
    if section is None and plan.minutes is not None and plan.minutes.recorded:
        section = "minutes.recorded"
    if section is not None or plan.purchases or plan.scenarios:
        return section or ("purchases" if plan.purchases else "scenarios")
    across = reaches_across(problem)
    if across is None and plan.minutes is not None and any(load.demand.trace for load in problem.workloads):
        from router.verification.minutes import tell_minutes  # here: it loads arrays

        across = "minutes.recorded" if tell_minutes(problem) else None
    return across


def verify_tables(problem: Problem, plan: Plan, path: str | Path, workers: Workers = ALONE) -> Verification:
    """As `verify`, of a plan of which tables stand beside a file; by blocks, or with all rows at once if need be.

    workers   processes that look at blocks

    Raises InputError for tables that are not those of the plan.
    """
    stated, periods = plan.tables or {}, PERIODS
    check_tables(plan, path)
    by_block = {"routes", "instances"} <= set(stated) <= set(BY_BLOCK)
    if not by_block or needs_all_rows(problem, plan) is not None:
        return verify(problem, with_rows(plan, path))
    with ExitStack() as opened:
        readers = {
            name: opened.enter_context(TableReader(path, name, table)) for name, table in stated.items()
        }
        blocks = {name: reader.blocks(periods) for name, reader in readers.items()}
        parts = None
        if plan.proof is not None and plan.proof.beside is not None and not plan.proof.parts:
            parts = partial(stored_parts, path, plan.proof.beside)
        return verify_by_blocks(problem, plan, blocks, periods, parts, workers)


def verify_by_blocks(
    problem: Problem,
    plan: Plan,
    tables: Mapping[str, Blocks[Any]],
    periods: int = PERIODS,
    parts: Callable[[], Iterable[ProofPart]] | None = None,
    workers: Workers = ALONE,
) -> Verification:
    """As `verify`, of a plan whose tables by period come by blocks of so many periods; see `needs_all_rows`.

    parts     of its proof by blocks, where they are not in the plan
    workers   processes that look at blocks; what is found is the same with any number of them
    """
    ledgers, sums = Ledgers(), Sums()
    bare = replace(plan, routes=(), instances=(), unserved=(), tables=None)
    whole = Audit(as_planned(problem, plan), bare, ledgers, sums=sums, parts=parts, workers=workers)
    unserved = _by_block(plan.unserved, periods)
    rows = {name: _RowBlocks(name, blocks) for name, blocks in tables.items()}
    blocks = list(blocks_of(whole.case.periods, periods))
    paid: PaidCounts = {}
    stated = (_stated(whole, plan, block, rows, unserved.pop(block.number, ())) for block in blocks)
    try:
        for block, found in zip(blocks, stream(looked_at, stated, workers), strict=True):
            _started(paid, found, block, ledgers)
            _add(sums, found, whole)
            _take_over(ledgers, found.ledgers, block)
            paid = found.last
    finally:
        forget(0)
    for table in rows.values():
        table.end(ledgers["fields"])
    for number in unserved:
        ledgers["fields"].fault("unserved: rows of periods", number * periods, "and later, after the horizon")
    for check in CHECKS:
        if check.spans or check.name == "fields":
            check.look(whole, ledgers[check.name])
    verdict = tuple(ledgers[check.name].check() for check in CHECKS)
    return Verification(all(line.ok for line in verdict), verdict, whole.expected_usd)


def _stated(
    whole: Audit,
    plan: Plan,
    block: Block,
    rows: Mapping[str, _RowBlocks[Any]],
    unserved: tuple[UnservedRow, ...],
) -> StatedBlock:
    here = {name: rows[name].of(block.number) if name in rows else BY_BLOCK[name] for name in BY_BLOCK}
    return StatedBlock(
        block,
        problem_of_block(whole.case.problem, block),
        plan_of_block(plan, block, whole.case.period_h, NO_ROWS | {"unserved": unserved}),
        here,
        whole.verdicts,
        whole.case.commitments,
    )


class _RowBlocks[R]:
    """Rows of a table, block by block."""

    def __init__(self, name: str, blocks: Blocks[R]) -> None:
        self._blocks, self._name = iter(blocks), name
        self._next = next(self._blocks, None)

    def of(self, number: int) -> SizedRows[R]:
        """Those of a block, of which there may be none."""
        if self._next is None or self._next[0] != number:
            return ()
        rows, self._next = self._next[1], next(self._blocks, None)
        return rows

    def end(self, ledger: Ledger) -> None:
        """Nothing may be left."""
        while self._next is not None:
            ledger.fault(f"{self._name}: {len(self._next[1])} rows of periods that the horizon does not have")
            self._next = next(self._blocks, None)


def _by_block(rows: Iterable[UnservedRow], periods: int) -> dict[int, tuple[UnservedRow, ...]]:
    found: dict[int, tuple[UnservedRow, ...]] = {}
    for row in rows:
        number = row.period // periods
        found[number] = (*found.get(number, ()), replace(row, period=row.period - number * periods))
    return found


def _started(paid: PaidCounts, found: BlockFindings, block: Block, ledgers: Ledgers) -> None:
    """What starts with the first period of a block is what did not run before; nothing else hangs on it, for starts
    cost nothing.
    """
    own = Ledger("starts")
    for offer, model, started, count in found.first:
        ours = max(0.0, count - paid.get((offer, model), 0.0))
        own.equal(started, ours, offer, model, "started with the first period")
    _take_over(ledgers, {"starts": own}, block)


def _add(sums: Sums, found: BlockFindings, whole: Audit) -> None:
    """What the rows of a block come to."""
    future = whole.case.futures[0].name
    sums.carrying.update(found.carrying)
    for (name, period), use in found.used.items():
        sums.used[name, period, future].append(use)
    for key, usd in found.usd.items():
        sums.usd[key].append(usd)
    sums.committed.append(found.committed)


def _take_over(ledgers: Ledgers, own: Mapping[str, Ledger], block: Block) -> None:
    """What was found in a block, with its place in the horizon."""
    for name, ledger in own.items():
        whole = ledgers[name]
        whole.looked_at += ledger.looked_at
        whole.worst = max(whole.worst, ledger.worst)
        whole.misses += ledger.misses
        places = f"(periods from {block.first})"
        whole.shown += [f"{text} {places}" for text in ledger.shown][: max(0, SHOWN - len(whole.shown))]
