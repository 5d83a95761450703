"""A proof whose parts are of blocks of periods: each block is bounded by itself, as a problem of its own.

    Σ_b cost of block b ≤ cost of the plan, where in a block
      a contract      costs (1 − λ) of its rates for what it carries, and λ · its minimum a month as a fee
      a fee           is due by the hours of the block if the offer carries anything in it

For a bill is at least (1 − λ) · use + λ · minimum, and what is signed or paid for at all is due in every block. Any λ
in [0, 1] is right; good ones make the bound high. Names in a part are those of the block's own problem, whose periods
count from its first one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from router.plan.across import reaches_across
from router.plan.document import Plan
from router.plan.proof import Proof, ProofPart
from router.schema import LongPrompt, OfferModel, Problem
from router.verification.base.audit import Audit
from router.verification.base.eligibility import Candidate
from router.verification.base.ledger import Ledger
from router.verification.blocks.cut import (
    NO_ROWS,
    Block,
    BlockAudit,
    blocks_of,
    plan_of_block,
    problem_of_block,
)
from router.verification.bound import relaxation_of
from router.verification.bound.proof import Unproven, check_of_whole, check_total, proven_parts, slack_of
from router.workers import stream


@dataclass(frozen=True)
class BoundedBlock:
    """A block as it is bounded, and the parts of its proof; `judged`: as of `BlockAudit`."""

    first: int
    problem: Problem
    plan: Plan
    judged: Mapping[Candidate, tuple[str, ...]]
    parts: tuple[ProofPart, ...]


@dataclass(frozen=True)
class BlockBound:
    """What the parts of a block prove, and all of them together; `why`: why they prove nothing."""

    each: tuple[float, ...]
    total: float
    why: str | None = None


def bounded(block: BoundedBlock) -> BlockBound:
    """By our own rows and arithmetic, in any process."""
    model = relaxation_of(BlockAudit(block.problem, block.plan, judged=block.judged))
    if model is None:
        return BlockBound((), -math.inf, "proof: the problem calls two things by one name")
    try:
        bounds, total = proven_parts(model, block.parts)
    except Unproven as error:
        return BlockBound((), -math.inf, f"proof: {error} in the block of periods from {block.first}")
    return BlockBound(tuple(bounds), total)


def priced_block(problem: Problem, block: Block, shares: Mapping[str, float]) -> Problem:
    """The block as it is bounded; `shares`: λ of each contract, 0 where none is stated."""
    own = problem_of_block(problem, block)
    stated = {offer.name: offer for offer in problem.offers}
    offers = []
    for offer in own.offers:
        whole, share = stated[offer.name], shares.get(offer.name, 0.0)
        fee = whole.fee_usd_per_month
        if whole.commitment is not None:
            fee += share * (whole.commitment.min_usd_per_month or 0.0)
            models = {name: _at(entry, 1.0 - share) for name, entry in offer.models.items()}
            offer = offer.model_copy(update={"models": models})
        offers.append(offer.model_copy(update={"fee_usd_per_month": fee}))
    return own.model_copy(update={"offers": tuple(offers)})


def _at[E: (OfferModel, LongPrompt)](entry: E, part: float) -> E:
    """Its prices, those of longer prompts too, times a part."""
    update: dict[str, object] = {
        name: price * part
        for name in type(entry).model_fields
        if name.endswith(("usd_per_m", "usd_per_request")) and (price := getattr(entry, name)) is not None
    }
    if isinstance(entry, OfferModel) and entry.long_prompt is not None:
        update["long_prompt"] = _at(entry.long_prompt, part)
    return entry.model_copy(update=update)


def audit_of_block(whole: Audit, block: Block, shares: Mapping[str, float], most_usd: float) -> BlockAudit:
    """What its relaxation is of: plans of it that cost no more than that."""
    rows = plan_of_block(whole.plan, block, whole.case.period_h, NO_ROWS)
    limited: Plan = replace(rows, objective_usd=most_usd)
    return BlockAudit(priced_block(whole.case.problem, block, shares), limited, judged=whole.verdicts)


def total_of(bounds: Iterable[float]) -> float:
    """Bounds of all blocks together, rounded down."""
    sums = list(bounds)
    return math.fsum(sums) - 2.0**-50 * math.fsum(map(abs, sums))


def check_proof(audit: Audit, ledger: Ledger) -> None:
    """A proof, of the whole or by blocks: its bound is no higher than what it proves, and the plan's own no higher."""
    stated = audit.plan.proof
    if stated is None:
        return
    if stated.blocks is None:
        check_of_whole(audit, stated, ledger)
        return
    if stated.cases is not None or stated.prices is not None:
        ledger.fault("proof: by blocks, and by cases or prices")
    parts = stated.parts if audit.parts is None else audit.parts()
    total = _proven(audit, stated, parts, ledger)
    check_total(audit, stated, total, slack_of(audit, stated), ledger)


def _proven(audit: Audit, stated: Proof, parts: Iterable[ProofPart], ledger: Ledger) -> float:
    """What the parts prove, block by block; each fault is noted, and −inf proven where one leaves nothing proven."""
    assert stated.blocks is not None
    slack = slack_of(audit, stated)
    across, shares = reaches_across(audit.problem), stated.blocks.shares
    if across is not None:
        ledger.fault("proof:", across, "reaches across periods, so that blocks do not bound it")
        return -math.inf
    commitments = audit.case.commitments
    periods = stated.blocks.periods
    if periods < 1 or not all(name in commitments and 0.0 <= share <= 1.0 for name, share in shares.items()):
        ledger.fault("proof.blocks: its periods or shares are not possible")
        return -math.inf
    waiting, totals, own = _Waiting(parts), list[float](), deque[BoundedBlock]()

    def blocks() -> Iterator[BoundedBlock]:
        for block in blocks_of(audit.case.periods, periods):
            of_block = audit_of_block(audit, block, shares, audit.plan.objective_usd)
            here = of_block.problem, of_block.plan, of_block.judged
            own.append(BoundedBlock(block.first, *here, waiting.of(block)))
            yield own[-1]

    with closing(stream(bounded, blocks(), audit.workers)) as found:
        for bound in found:
            block = own.popleft()
            if bound.why is not None:
                ledger.fault(bound.why)
                return -math.inf
            for part, usd in zip(block.parts, bound.each, strict=True):
                right = part.bound_usd <= usd + slack
                ledger.require(
                    right, f"proof: a part from period {block.first} is {part.bound_usd!r}, proven is {usd!r}"
                )
            totals.append(bound.total)
    if waiting.left:
        ledger.fault("proof: some parts are of no block, or out of order")
    return total_of(totals)


class _Waiting:
    """Parts in the order of their blocks."""

    def __init__(self, parts: Iterable[ProofPart]) -> None:
        self._parts: Iterator[ProofPart] = iter(parts)
        self._next = next(self._parts, None)

    @property
    def left(self) -> bool:
        return self._next is not None

    def of(self, block: Block) -> tuple[ProofPart, ...]:
        """Those of one."""
        own = []
        while (
            self._next is not None and self._next.periods and block.first <= self._next.periods[0] < block.end
        ):
            own.append(self._next)
            self._next = next(self._parts, None)
        return tuple(own)
