"""A block of periods looked at, in any process: what its checks say, and what its rows come to.

Findings hang on the block alone, so that a verdict is the same whoever looks at which of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from router.plan.document import Plan
from router.schema import Commitment, Problem
from router.verification.base.audit import GAPS
from router.verification.base.bills import Use, use_of
from router.verification.base.costs import LineKey
from router.verification.base.eligibility import Candidate
from router.verification.base.ledger import Ledger, Ledgers
from router.verification.blocks.cut import Block, BlockAudit
from router.verification.checks import CHECKS

MOST_KEPT = 64_000_000
"""Gaps between requests that a process keeps from block to block, over all workloads: 512 MB."""


class SizedRows[R](Protocol):
    """Rows that are gone through, of a list or of a file; how many there are."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[R]: ...


type PaidCounts = dict[tuple[str, str | None], float]
"""By offer and model."""

_drawn: dict[tuple[str, int], Any] = {}
"""Those gaps, by workload and level: what was asked for last stands last."""


@dataclass(frozen=True)
class StatedBlock:
    """A block as its problem and its plan state it.

    problem       of the block
    plan          of the block, without the rows of its tables
    rows          of each table, read when they are asked for
    judged        reasons against every route
    commitments   by offer, which the problem of a block is without
    """

    block: Block
    problem: Problem
    plan: Plan
    rows: Mapping[str, Iterable[Any] | None]
    judged: Mapping[Candidate, tuple[str, ...]]
    commitments: Mapping[str, Commitment]


@dataclass(frozen=True)
class BlockFindings:
    """What was found, and what goes into the sums of the horizon; as `Sums` where nothing is said.

    first   of each row of instances of its first period: where, what starts with it, and what is paid for
    last    what is paid for in its last period
    """

    ledgers: Mapping[str, Ledger]
    first: tuple[tuple[str, str | None, float, float], ...]
    last: PaidCounts
    used: Mapping[tuple[str, int], Use]
    usd: Mapping[LineKey, float]
    committed: float
    carrying: frozenset[str]


def looked_at(stated: StatedBlock) -> BlockFindings:
    """All checks that do not span the horizon. Raises InputError where rows cannot be read."""
    forget(MOST_KEPT)
    own = Ledgers()
    rows: dict[str, Any] = {name: None if some is None else tuple(some) for name, some in stated.rows.items()}
    plan = replace(stated.plan, **rows)
    first = tuple(
        (row.offer, row.model, row.started, row.paid_count) for row in plan.instances if row.period == 0
    )
    last = {
        (row.offer, row.model): row.paid_count for row in plan.instances if row.period == plan.periods - 1
    }
    audit = BlockAudit(stated.problem, _as_if_first(plan), own, written={GAPS: _drawn}, judged=stated.judged)
    for check in CHECKS:
        if not check.spans:
            check.look(audit, own[check.name])
    used, usd, committed, carrying = _sums(audit, stated)
    return BlockFindings(dict(own), first, last, used, usd, committed, carrying)


def forget(most: int) -> None:
    """Keep no more gaps than so many, those that were asked for last."""
    kept = sum(map(len, _drawn.values()))
    for key in list(_drawn):
        if kept <= most:
            return
        kept -= len(_drawn.pop(key))


def _as_if_first(plan: Plan) -> Plan:
    """As if nothing ran before it: what starts with a block is looked at with the block before."""
    rows = (
        replace(row, started=max(0.0, row.paid_count)) if row.period == 0 else row for row in plan.instances
    )
    return replace(plan, instances=tuple(rows))


def _sums(
    audit: BlockAudit, stated: StatedBlock
) -> tuple[dict[tuple[str, int], Use], dict[LineKey, float], float, frozenset[str]]:
    carrying, commitments = set[str](), stated.commitments
    uses: dict[tuple[str, int], list[Use]] = {}
    for flow in audit.flows:
        if flow.units > 0:
            carrying.add(flow.offer.name)
            if flow.offer.name in commitments and flow.entry is not None:
                at = flow.offer.name, stated.block.first + flow.row.period
                uses.setdefault(at, []).append(use_of(flow, commitments[flow.offer.name]))
    used = {
        at: Use(
            math.fsum(each.tokens for each in own),
            math.fsum(each.usd for each in own),
            math.fsum(each.fees for each in own),
        )
        for at, own in uses.items()
    }
    costs, future = audit.costs, audit.case.futures[0].name
    usd = {
        key: amount
        for key, amount in costs.by_future[future].items()
        if not (key[1] == "tokens" and key[0] in commitments)  # that is on their bills
    }
    return used, usd, costs.committed[future], frozenset(carrying)
