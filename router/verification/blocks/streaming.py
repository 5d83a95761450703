"""A plan whose rows are read a block of periods at a time: the same checks, in memory for one block."""

from __future__ import annotations

import math
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
from router.verification.base.audit import GAPS, Audit
from router.verification.base.bills import Use, use_of
from router.verification.base.costs import Sums
from router.verification.base.ledger import Ledger, Ledgers, Verification
from router.verification.blocks.cut import Block, BlockAudit, blocks_of, plan_of_block, problem_of_block
from router.verification.checks import CHECKS

MOST_KEPT = 40_000_000
"""Gaps between requests that are kept from block to block, over all workloads: 320 MB."""

PERIODS = 24
"""Of a block, where nobody says how many."""

type Blocks[R] = Iterable[tuple[int, list[R]]]
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


def verify_tables(problem: Problem, plan: Plan, path: str | Path) -> Verification:
    """As `verify`, of a plan of which tables stand beside a file; by blocks, or with all rows at once if need be.

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
        return verify_by_blocks(problem, plan, blocks, periods, parts)


def verify_by_blocks(
    problem: Problem,
    plan: Plan,
    tables: Mapping[str, Blocks[Any]],
    periods: int = PERIODS,
    parts: Callable[[], Iterable[ProofPart]] | None = None,
) -> Verification:
    """As `verify`, of a plan whose tables by period come by blocks of so many periods; see `needs_all_rows`.

    parts   of its proof by blocks, where they are not in the plan
    """
    ledgers, sums = Ledgers(), Sums()
    bare = replace(plan, routes=(), instances=(), unserved=(), tables=None)
    whole = Audit(as_planned(problem, plan), bare, ledgers, sums=sums, parts=parts)
    unserved = _by_block(plan.unserved, periods)
    rows = {name: _RowBlocks(name, blocks) for name, blocks in tables.items()}
    paid: dict[tuple[str, str | None], float] = {}
    for block in blocks_of(whole.case.periods, periods):
        own = Ledgers()
        here = {
            name: tuple(rows[name].of(block.number)) if name in rows else BY_BLOCK[name] for name in BY_BLOCK
        }
        here["unserved"] = unserved.pop(block.number, ())
        stated, paid = _started(plan_of_block(plan, block, whole.case.period_h, here), paid, own["starts"])
        audit = BlockAudit(
            problem_of_block(whole.case.problem, block), stated, own, written=whole.written, of=whole
        )
        for check in CHECKS:
            if not check.spans:
                check.look(audit, own[check.name])
        _add(sums, audit, whole, block)
        if sum(map(len, whole.written.get(GAPS, {}).values())) > MOST_KEPT:
            whole.written.pop(GAPS)
        _take_over(ledgers, own, block)
    for table in rows.values():
        table.end(ledgers["fields"])
    for number in unserved:
        ledgers["fields"].fault("unserved: rows of periods", number * periods, "and later, after the horizon")
    for check in CHECKS:
        if check.spans or check.name == "fields":
            check.look(whole, ledgers[check.name])
    verdict = tuple(ledgers[check.name].check() for check in CHECKS)
    return Verification(all(line.ok for line in verdict), verdict, whole.expected_usd)


class _RowBlocks[R]:
    """Rows of a table, block by block."""

    def __init__(self, name: str, blocks: Blocks[R]) -> None:
        self._blocks, self._name = iter(blocks), name
        self._next = next(self._blocks, None)

    def of(self, number: int) -> list[R]:
        """Those of a block, of which there may be none."""
        if self._next is None or self._next[0] != number:
            return []
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


def _started(
    plan: Plan, before: Mapping[tuple[str, str | None], float], ledger: Ledger
) -> tuple[Plan, dict[tuple[str, str | None], float]]:
    """The plan of a block as if nothing ran before it, and what is paid for in its last period.

    What starts with the first period is looked at here; nothing else hangs on it, for starts cost nothing.
    """
    rows = list(plan.instances)
    for i, row in enumerate(rows):
        if row.period == 0:
            started = max(0.0, row.paid_count - before.get((row.offer, row.model), 0.0))
            ledger.equal(row.started, started, row.offer, row.model, "started with the first period")
            rows[i] = replace(row, started=max(0.0, row.paid_count))
    after = {(row.offer, row.model): row.paid_count for row in rows if row.period == plan.periods - 1}
    return replace(plan, instances=tuple(rows)), after


def _add(sums: Sums, audit: BlockAudit, whole: Audit, block: Block) -> None:
    """What the rows of a block come to."""
    commitments, future = whole.case.commitments, whole.case.futures[0].name
    used: dict[tuple[str, int], list[Use]] = {}
    for flow in audit.flows:
        if flow.units > 0:
            sums.carrying.add(flow.offer.name)
        if flow.offer.name in commitments and flow.entry is not None:
            at = flow.offer.name, block.first + flow.row.period
            if flow.units > 0:
                used.setdefault(at, []).append(use_of(flow, commitments[flow.offer.name]))
    for (name, period), own in used.items():
        together = Use(
            math.fsum(each.tokens for each in own),
            math.fsum(each.usd for each in own),
            math.fsum(each.fees for each in own),
        )
        sums.used[name, period, future].append(together)
    costs = audit.costs
    for key, usd in costs.by_future[audit.case.futures[0].name].items():
        if not (key[1] == "tokens" and key[0] in commitments):  # that is on their bills
            sums.usd[key].append(usd)
    sums.committed.append(costs.committed[audit.case.futures[0].name])


def _take_over(ledgers: Ledgers, own: Ledgers, block: Block) -> None:
    """What was found in a block, with its place in the horizon."""
    for name, ledger in own.items():
        whole = ledgers[name]
        whole.looked_at += ledger.looked_at
        whole.worst = max(whole.worst, ledger.worst)
        whole.misses += ledger.misses
        places = f"(periods from {block.first})"
        whole.shown += [f"{text} {places}" for text in ledger.shown][: max(0, 3 - len(whole.shown))]
