"""Contracts as arrays: what may be committed, the terms that may start, and the spans over which use is settled."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from problems.core.arrays import HOURS_PER_MONTH, NONE, ArrayTable, Bools, Floats, Ints
from problems.core.once import once


def start_label(hour: float) -> str:
    """The billing month that an hour begins, else the hour."""
    months = hour / HOURS_PER_MONTH
    return f"month {round(months)}" if abs(months - round(months)) <= 1e-9 else f"hour {hour:.10g}"


class Counted(NamedTuple):
    """What is billed under another contract, or by an offer, and the part of it that counts."""

    offer: int  # -1: a contract
    contract: int  # -1: an offer
    share: float


class Contracts(ArrayTable):
    """Take-or-pay commitments. `unit_usd` is the contract rate per own unit (a token, or 1 for a dollar).

    Amounts are rates per month of 730 h, whatever the span over which they are settled.
    """

    offer: Ints  # (B,)
    in_tokens: Bools  # own unit is the token; else the dollar at contract rates
    stated_in_tokens: Bools  # by the problem; a minimum of no tokens is billed in dollars all the same
    min_per_month: Floats  # own units
    max_per_month: Floats  # inf: not stated, the commitment is the minimum
    step_per_month: Floats  # 0: any
    unit_usd: Floats  # USD per own unit, as stated; 0 where tiers replace it
    unit_usd_at: Floats  # (B, J) the same as rules have it
    unit_usd_before: Floats
    """(B,) its mean by hours from the start of the span that runs to that of the horizon"""
    overage_at: Floats  # (B, J) USD per token above the commitment as rules have it; inf: not stated
    overage_before: (
        Floats  # (B,) its mean by hours from the start of the span that runs to that of the horizon
    )
    token_usd_at: Floats  # (B, J) USD per token at contract rates; 0 where they have no one price
    token_usd_before: Floats
    factor_at: Floats  # (B, J) of the rules, on the rates of tiers; 1 without
    factor_before: Floats
    """(B,) its mean by hours from the start of the span that runs to that of the horizon"""
    limited: Bools  # overage: none
    overage_stated: Floats  # USD per own unit above the commitment; inf: at contract rates
    overage_usd: Floats
    """the same, contract rates where what is committed is paid for as such; inf: all use is billed"""
    rollover: Ints  # later spans in which what a span leaves unused may be used
    stackable: Bools  # amounts in force add up
    term_h: Floats  # inf: as long as the horizon
    spanned: Bools  # settled by spans of its own, else by the billing months of the horizon
    by_hour: Bools  # by spans shorter than a day
    counts: tuple[tuple[Counted, ...], ...]  # what is billed elsewhere that counts towards the minimum
    counted_before: Floats  # (B,) USD that counted in the span that runs, before the horizon
    usd_per_unit_h: Floats  # of an agreement in units, inf: in money
    levelled: Bools  # one of several amounts is chosen, with its discount
    tiers: tuple[Tiers | None, ...]
    discounts: tuple[Discounts | None, ...]
    credit: tuple[Floats, ...]  # own units left unused by the spans before the first, oldest first
    spans: Spans
    start_contract: Ints = field(metadata={"free": True})  # (A,)
    start_h: Floats = field(metadata={"free": True})  # (A,) h, in force from
    end_h: Floats = field(metadata={"free": True})  # (A,) h, in force until (may lie beyond the horizon)
    owed_until_h: Floats = field(metadata={"free": True})  # (A,) h, its minimum is owed until
    beyond_months: Floats = field(
        metadata={"free": True}
    )  # (A,) months of its commitment owed after the horizon
    beyond_unit_usd: Floats = field(metadata={"free": True})  # (A,) USD per own unit owed after the horizon
    factor_beyond: Floats = field(
        metadata={"free": True}
    )  # (A,) on the rates of tiers, of what is owed after the horizon; 1 without
    start_signed: Bools = field(metadata={"free": True})  # (A,) signed before the plan: due whatever it does
    start_min: Floats = field(metadata={"free": True})  # (A,) own units a month
    start_max: Floats = field(metadata={"free": True})  # (A,) inf: the minimum
    start_rate: Floats = field(
        metadata={"free": True}
    )  # (A,) of contract rates: 1 − the discount of its level

    @property
    def decided(self) -> Bools:
        """(B,) whether to sign is a decision: there is a minimum to pay, or one term of several to choose."""
        starts = np.bincount(self.start_contract, minlength=len(self.offer))
        return np.asarray((self.min_per_month > 0) | (starts > 1) | self.levelled, dtype=bool)

    @cached_property
    def due_in(self) -> sparse.csr_array:
        """(N, A) months of each start's commitment that are due in each span."""
        return self.due_share.T.tocsr()

    @cached_property
    def due_share(self) -> sparse.csr_array:
        """(A, N) months of each start's commitment that are due in each span."""
        spans = self.spans
        shape = (len(self.start_contract), len(spans.contract))
        return sparse.csr_array((spans.force_share, (spans.force_start, spans.force_span)), shape=shape)

    @property
    def start_month(self) -> Ints:
        """(A,) the billing month in which each term starts."""
        return np.floor(self.start_h / HOURS_PER_MONTH + 1e-9).astype(np.int64)

    def start_label(self, a: int) -> str:
        """When a term starts, and at which level, in words that are its own among those of its contract."""
        when = start_label(float(self.start_h[a]))
        alike = (self.start_contract == self.start_contract[a]) & (self.start_h == self.start_h[a])
        return when if alike.sum() == 1 else f"{when},level {int(alike[:a].sum())}"


class Agreements(ArrayTable):
    """Contracts that bill what several offers use: a row for each agreement and offer."""

    contract: Ints  # (V,)
    offer: Ints  # (V,)
    rate: Floats  # (V,) what is left of a dollar of its use: 1 − discount
    unit_usd_per_h: Floats  # (V,) USD for an hour of an instance that is covered; inf: at a discount


class Spans(ArrayTable):
    """Bills: spans over which a contract holds use against its commitment. Those of a contract stand together.

    A **lot** is what counts use: all terms of a contract where they share their spans, else each term by itself.
    """

    contract: Ints  # (N,)
    lot: Ints  # (N,)
    from_h: Floats  # start of the first period billed
    until_h: Floats  # end of the last period billed
    period: Ints  # the first period billed
    share: Floats  # months of 730 h that it counts for: of minimum, maximum, thresholds
    share_before: Floats  # of them, before the horizon
    used_before: Floats  # own units used before the horizon
    begins_h: Floats  # h, of the whole span, also before the horizon
    ends_h: Floats  # h, also after the horizon
    lot_contract: Ints = field(metadata={"free": True})  # (lots,)
    lot_start: Ints = field(metadata={"free": True})  # (lots,) the term; -1: shared by all
    lot_span: Ints = field(metadata={"free": True})  # (lots, T) the span that a period belongs to; -1: none
    force_start: Ints = field(metadata={"free": True})  # (F,) a term that is in force
    force_span: Ints = field(metadata={"free": True})  # (F,) in a span
    force_share: Floats = field(metadata={"free": True})  # (F,) months of its commitment that are due in it
    force_before: Floats = field(metadata={"free": True})  # (F,) of them, before the horizon

    @once
    def of(self, b: int) -> Ints:
        """(n,) the spans of a contract, in order."""
        return np.flatnonzero(self.contract == b)

    @once
    def lots(self, b: int) -> Ints:
        """The lots of a contract."""
        return np.flatnonzero(self.lot_contract == b)

    @once
    def by_period(self, b: int) -> Ints:
        """(T,) the span that each period belongs to, in the first lot of a contract; -1: none, as where its offer never
        opens."""
        lots = self.lots(b)
        return np.asarray(self.lot_span[lots[0]]) if len(lots) else np.full(self.lot_span.shape[1], NONE)

    @once
    def split(self, b: int) -> bool:
        """Whether use is counted for each term of a contract by itself."""
        return bool((self.lot_start[self.lots(b)] >= 0).any())

    def due(self, a: int) -> Floats:
        """(N,) months of a term's commitment that are due in each span."""
        here = self.force_start == a
        return np.bincount(
            self.force_span[here], weights=self.force_share[here], minlength=len(self.contract)
        ).astype(float)


class Tiers(ArrayTable):
    """Price bands by monthly volume of all tokens."""

    from_tokens: Floats  # (n,) per month, first is 0
    usd: Floats  # (n,) USD per token
    all_units: bool = False

    @property
    def begins(self) -> Floats:
        """(n,) where each band begins, a month."""
        return self.from_tokens

    def bill(self, tokens: float, share: float = 1.0) -> float:
        """USD for the tokens of so many months, bought up to a later band where that is cheaper."""
        if tokens <= 0:
            return 0.0
        edges = self.from_tokens * share
        if self.all_units:
            begun = np.append(tokens < edges[1:] * (1 - 1e-9), True)  # a band begins at its edge
            return float(np.where(begun, self.usd * np.maximum(tokens, edges), np.inf).min())
        width = np.clip(tokens - edges, 0.0, np.diff(edges, append=np.inf))
        return float(width @ self.usd)

    def fill(self, volume: Floats, weight: Floats, share: float = 1.0) -> Floats:
        """(points, bands) tokens by the band that prices them, by the volume of a span up to each of its points.

        The last is what is billed. All units have the price of one band, and are bought up to where that is cheaper,
        at the weight of the last point.
        """
        edges = self.from_tokens * share
        if not self.all_units:
            return np.asarray(np.clip(volume[:, None] - edges, 0.0, np.diff(edges, append=np.inf)))
        bought = np.maximum(volume[-1], edges)
        begun = np.append(volume[-1] < edges[1:] * (1 - 1e-9), True)  # a band begins at its edge
        usd = self.usd * (bought * weight[-1] + volume[:-1] @ weight[:-1])
        best = int(np.argmin(np.where(begun, usd, np.inf)))
        bands = np.zeros((len(volume), len(edges)))
        bands[:, best] = np.append(volume[:-1], bought[best])
        return bands


class Discounts(ArrayTable):
    """Bands of discount by what a month uses at contract rates."""

    from_usd: Floats  # (n,) per month, first is 0
    rate: Floats  # (n,) what is left of a dollar: 1 − discount
    all_units: bool = False
    leeway: float = 1.0  # how many times its use may count, for a bound over a range of discounts

    @property
    def begins(self) -> Floats:
        """(n,) where each band begins, a month."""
        return self.from_usd

    def fill(self, usd: float, share: float = 1.0) -> Floats:
        """(n,) the use of so many months, by the band that prices it."""
        edges = self.from_usd * share
        if not self.all_units:
            return np.asarray(np.clip(usd - edges, 0.0, np.diff(edges, append=np.inf)))
        bands = np.zeros(len(edges))
        bands[max(int(np.searchsorted(edges * (1 - 1e-9), usd, side="right")) - 1, 0)] = usd
        return bands

    def bill(self, usd: float, share: float = 1.0) -> float:
        """USD for what the use of so many months costs less its discount."""
        return float(self.fill(usd, share) @ self.rate)

    def use_within(self, limit: float, usd: float, share: float = 1.0) -> float:
        """The most use, up to `usd`, that is billed at no more than a limit."""
        if self.bill(usd, share) <= limit:
            return usd
        edges = self.from_usd * share
        ends = np.minimum(np.append(edges[1:], usd), usd)
        if self.all_units:
            within = np.minimum(ends * (1 - 1e-9), limit / self.rate)
            return float(np.where((edges < usd) & (within >= edges), within, 0.0).max())
        width = np.maximum(ends - edges, 0.0)
        before = np.cumsum(width * self.rate) - width * self.rate
        return float(np.clip((limit - before) / self.rate, 0.0, width).sum())
