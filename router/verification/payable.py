"""What credits may pay: what is billed for use, at its own prices, under agreements, and by what changes them.

level, all units   USD · (1 − discount) of the level signed, of the band that the span reaches
rests              the same: use less what earlier spans left, which pays first and is not billed again
bands, overage     a sum for the span: what its use is billed at, each band at its price, more above the commitment
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

from router.verification.agreements import UseKey, used_usd
from router.verification.base.audit import Audit
from router.verification.base.bills import Bill, BillKey
from router.verification.base.tariffs import bills_dollars, discounted_usd, period_factor, period_rate


def by_span(audit: Audit, seller: str) -> bool:
    """Whether a contract bills use by the span, without a price of its own for any of it."""
    commitment = audit.case.commitments[seller]
    banded = commitment.tier_kind == "incremental" and len(commitment.discount_tiers) > 1
    rests = commitment.rollover_spans > 0
    return banded or rests or len(commitment.tiers) > 1 or commitment.overage_usd_per_m is not None


class PayableUse:
    """USD billed for use, by offer, kind, period and future: of what has a price of its own, and of each contract."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        self.known: dict[UseKey, float] = defaultdict(float)
        self.of_spans: dict[UseKey, dict[str, float]] = defaultdict(dict)
        self.bills: dict[tuple[str, int, str | None], tuple[BillKey, Bill]] = {
            (key[0], t, key[2]): (key, bill)
            for key, bill in audit.bills.items()
            if bill.signed
            for t in range(bill.first, bill.end)
        }
        for key, seller, usd in self._uses():
            if seller is not None and by_span(audit, seller):
                before = self.of_spans[key].get(seller, 0.0)
                self.of_spans[key][seller] = before + usd * self._highest(seller, key)
            else:
                self.known[key] += usd * (1.0 if seller is None else self._rate(seller, key))

    def most(self, key: UseKey) -> float:
        """The most that could be billed for use."""
        return self.known[key] + math.fsum(self.of_spans[key].values())

    def _uses(self) -> Iterator[tuple[UseKey, str | None, float]]:
        """Use, the contract that bills it, and USD before what a level or band takes off."""
        case = self.audit.case
        left = {key: math.fsum(usd) for key, usd in used_usd(self.audit).items()}
        for flow in self.audit.flows:  # of tiers at the dearest: no token has a price of its own
            tiers = () if flow.offer.commitment is None else flow.offer.commitment.tiers
            if flow.entry is not None and tiers:
                name, t, price = flow.offer.name, flow.row.period, flow.future.price_of(flow.offer.name)
                dearest = max(tier.usd_per_m for tier in tiers) * period_factor(case, name, t) / 1e6
                left[name, "tokens", t, flow.future.name] += flow.charged * flow.unit.tokens * dearest * price
        for row in self.audit.rows.coverage or ():
            key: UseKey = (row.offer, row.kind, row.period, case.future(row.scenario).name)
            left[key] = left.get(key, 0.0) - row.list_usd
            yield key, row.agreement, row.covered_usd
        for free in self.audit.rows.credits or ():
            if free.credit is None:
                key = (free.offer, free.kind, free.period, case.future(free.scenario).name)
                left[key] = left.get(key, 0.0) - free.paid_usd
        for flow in self.audit.flows:  # beside a commitment in tokens requests are paid for
            commitment = flow.offer.commitment
            if flow.entry is not None and commitment is not None and not bills_dollars(commitment):
                key = (flow.offer.name, "tokens", flow.row.period, flow.future.name)
                usd = flow.fee_usd * flow.charged * flow.future.price_of(flow.offer.name)
                left[key] -= usd
                yield key, None, usd
        for key, usd in left.items():
            own = key[0] if key[1] == "tokens" and key[0] in case.commitments else None
            yield key, own, max(usd, 0.0)

    def _rate(self, seller: str, key: UseKey) -> float:
        found = self.bills.get((seller, key[2], key[3]))
        commitment = self.audit.case.commitments[seller]
        if found is None:
            return 1.0
        bill = found[1]
        if commitment.discount_tiers and bill.counted > 0:
            return discounted_usd(commitment, bill.counted, bill.part) / bill.counted
        if commitment.discount_tiers:
            return 1.0
        return bill.rate

    def _highest(self, seller: str, key: UseKey) -> float:
        case, commitment = self.audit.case, self.audit.case.commitments[seller]
        if commitment.discount_tiers:
            return 1.0 - min(band.discount for band in commitment.discount_tiers)
        rate, over = period_rate(case, seller, key[2]), commitment.overage_usd_per_m or 0.0
        return max(1.0, over * period_factor(case, seller, key[2]) / rate if rate > 0 else 1.0)

    def spans(self) -> Iterator[tuple[BillKey, Bill, list[UseKey]]]:
        """Spans whose bills are of all that they use, and the use that is billed in them."""
        keys: dict[BillKey, list[UseKey]] = defaultdict(list)
        for key, parts in self.of_spans.items():
            for seller in parts:
                found = self.bills.get((seller, key[2], key[3]))
                if found is not None:
                    keys[found[0]].append(key)
        for at, own in keys.items():
            yield at, self.audit.bills[at], own

    def short(
        self, by_use: Mapping[UseKey, Mapping[str, float]], part: Mapping[tuple[str, int], float]
    ) -> float:
        """USD paid of use that several such bills have a share of, more than they could have: by a linear program.

        Σ share of a bill ≤ what it comes to;   paid − short ≤ known + Σ shares, by each credit in its part of them
        """
        from scipy.optimize import linprog  # imported here: few problems ask for it
        from scipy.sparse import csr_array

        uppers, rows = list[float](), list[tuple[dict[int, float], float]]()
        spans: dict[BillKey, dict[int, float]] = defaultdict(dict)
        cost = list[float]()

        def column(upper: float, usd: float) -> int:
            uppers.append(upper)
            cost.append(usd)
            return len(cost) - 1

        for key, parts in self.of_spans.items():
            shares = {}
            for seller, most in parts.items():
                found = self.bills.get((seller, key[2], key[3]))
                if found is not None:
                    shares[column(most, 0.0)] = 1.0
                    spans[found[0]][len(cost) - 1] = 1.0
            paid = by_use.get(key, {})
            for credits, each in (
                (tuple(paid), 1.0),
                *(((name,), part.get((name, key[2]), 1.0)) for name in paid),
            ):
                usd = math.fsum(paid[name] for name in credits)
                missing = column(math.inf, 1.0)
                less = {at: -each * value for at, value in shares.items()}
                rows.append((less | {missing: -1.0}, each * self.known[key] - usd))
        rows += [(own, max(self.audit.bills[at].worth_usd, 0.0)) for at, own in spans.items()]
        entries = [(i, j, value) for i, (terms, _) in enumerate(rows) for j, value in terms.items()]
        i, j, value = zip(*entries, strict=True)
        matrix = csr_array((value, (i, j)), shape=(len(rows), len(cost)))
        bounds = [(0.0, upper if math.isfinite(upper) else None) for upper in uppers]
        answer = linprog(cost, A_ub=matrix, b_ub=[limit for _, limit in rows], bounds=bounds)
        return float(answer.fun) if answer.x is not None else math.inf
