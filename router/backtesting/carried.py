"""Contracts carried from step to step: a step then looks back no further than machines remember.

Where all that spans periods are contracts that can be signed at the start of the replay only, and last to its end, a
step begins with them signed, standing where what they used until then has brought them. Its program is as long as the
lookahead, not as the replay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.instance import Instance
from problems.core.span_use import flow_terms
from router.plan.document import Plan
from router.plan.rows import ContractRow, StandsAt
from router.plan.running import SunkContract
from router.planning.two_steps import Incumbent
from router.reoptimisation.standing import stands_at
from router.reoptimisation.sunk import commitments_of, with_sunk
from router.schema import Problem


def can_be_carried(inst: Instance) -> bool:
    """Whether the contracts of a whole replay can be carried, and are all that spans its periods but counts."""
    contracts = inst.contracts
    plain = [tiers is None for tiers in (*contracts.tiers, *contracts.discounts)]
    timed = np.isfinite(contracts.overage_stated) & inst.offers.ruled[contracts.offer]  # in order of time
    return bool(
        contracts.spanned.all()
        and all(plain)
        and not timed.any()
        and not any(contracts.counts)
        and not (contracts.stackable | contracts.levelled).any()
        and (contracts.in_tokens == contracts.stated_in_tokens).all()
        and (np.bincount(contracts.start_contract, minlength=len(contracts.offer)) == 1).all()
        and (contracts.end_h >= inst.time.horizon_h - 1e-9).all()
        and not (contracts.spans.begins_h < -1e-9)[contracts.spans.share_before <= 0].any()
        and not inst.policy.charge_in_full
    )


@dataclass
class Carried:
    """What is signed, and what it has used in each period of the replay, by offer or agreement."""

    whole: Problem
    rows: tuple[ContractRow, ...]
    use: dict[str, Floats]  # (N,) in its own unit

    @classmethod
    def of(cls, whole: Problem, plan: Plan) -> Carried:
        """What the first plan signs."""
        periods = whole.horizon.periods
        end_h = whole.horizon.hours
        rows = tuple(replace(row, until_h=max(row.until_h, end_h)) for row in plan.contracts)
        return cls(whole, rows, {row.seller: np.zeros(periods) for row in rows})

    def add(self, incumbent: Incumbent, first: int, span: range) -> None:
        """What ran in the periods of `span`, of a program whose period 0 is `first`."""
        view, cols = incumbent.encoded.views[0], incumbent.encoded.columns[0]
        contracts, point = view.inst.contracts, incumbent.decoded.settled.point
        names = view.inst.offers.names
        for b, o in enumerate(contracts.offer.tolist()):
            if names[o] in self.use:
                tokens = bool(contracts.in_tokens[b])
                period, column, own = flow_terms(view, cols, b, tokens=tokens)
                used = np.bincount(period, weights=own * point[column], minlength=span.stop - first)
                self.use[names[o]][span.start : span.stop] = used[span.start - first : span.stop - first]

    def signed(self, problem: Problem, first: int) -> Problem:
        """The problem of periods from `first` on, with what is signed standing where it does."""
        if first == 0:
            return problem
        commitments, now_h = commitments_of(self.whole), first * self.whole.horizon.period_h
        sunk = []
        for row in self.rows:
            commitment = commitments[row.seller]
            use = self.use[row.seller][: first + 1].tolist()
            stood = _stood(self.whole, row)
            stands = stands_at(commitment, row, stood, self.whole, use, now_h)
            volume = row.committed_tokens_per_month, row.committed_usd_per_month
            end_h = row.until_h - now_h
            sunk.append(SunkContract(row.offer, end_h, *volume, row.discount, stands, row.agreement))
        return with_sunk(problem, tuple(sunk))


def _stood(whole: Problem, row: ContractRow) -> StandsAt | None:
    """Where the file says that a contract stood at the start of the replay."""
    stated = commitments_of(whole)[row.seller].so_far
    if row.signed_by != "before" or stated is None:
        return None
    used = stated.used_usd or stated.used_tokens or 0.0
    return StandsAt(whole.horizon.clock.hour(stated.since), used, stated.unused_usd or stated.unused_tokens)
