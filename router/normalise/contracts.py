"""Commitments → arrays: amounts in their own unit as rates per month, and the terms that may start."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Bools, Floats
from problems.core.contracts import Contracts, Counted, Discounts, Tiers
from problems.core.costs import M
from problems.core.instance import Time
from problems.core.supply import Offers
from router.normalise.columns import flags, floats, whole
from router.normalise.schedule import Timetable, life, timetable
from router.normalise.spans import ContractTerm, beyond_months, spans_of
from router.schema import Commitment, CommitmentLevel, Offer, Problem
from router.schema.clock import Clock


def contracts(problem: Problem, offers: Offers, time: Time, rules: Timetable) -> Contracts:
    """Commitments in their own unit (tokens, or dollars at contract rates), and the terms that may start."""
    sellers = [(o, offer) for o, offer in enumerate(problem.sellers) if offer.commitment is not None]
    rows = [offer.commitment for _, offer in sellers if offer.commitment is not None]
    clock = problem.horizon.clock
    life = [(float(offers.opens_h[o]), float(offers.closes_h[o])) for o, _ in sellers]
    in_tokens = np.array([_in_tokens(terms) for terms in rows], dtype=bool)
    price = np.array([_token_usd(offer) for _, offer in sellers], dtype=float)
    in_full = problem.policy.end_of_horizon == "charge_in_full"
    starts = [
        (b, term, level)
        for b, terms in enumerate(rows)
        for term in _within(_starts(terms, time, clock), *life[b])
        for level in _levels(terms, term)
    ]
    tiered = np.array([bool(terms.tiers) for terms in rows], dtype=bool)
    unit_usd = np.where(in_tokens, np.where(tiered, 0.0, price), 1.0)
    overage = floats(rows, "overage_usd_per_m") / M / np.where(in_tokens, 1.0, price)
    token_usd_at, factor = _token_usd_at(sellers, rules), _factor(sellers, rules)
    factor_before = np.array(
        [_before(problem, sellers[b], terms, of=_factor) for b, terms in enumerate(rows)], dtype=float
    )
    overage_usd = floats(rows, "overage_usd_per_m") / M
    priced = np.isfinite(overage_usd)
    # what is committed is paid for as such, and what goes beyond it at contract rates: one row a span
    counts = _counts(problem, len(rows))
    spanned = np.array([_spanned(terms) for terms in rows], dtype=bool)
    spanned &= np.array([not elsewhere for elsewhere in counts], dtype=bool)
    stated = [_amounts(rows, f"{bound}_tokens", np.inf) for bound in ("min", "max")]
    of = whole(b for b, *_ in starts)
    least, most = _own(rows, in_tokens, "min", 0.0), _own(rows, in_tokens, "max", np.inf)
    level_usd = np.array([_level_usd(rows[b], level) for b, _, level in starts], dtype=float)
    fixed = np.isfinite(level_usd)
    return Contracts(
        offer=whole(o for o, _ in sellers),
        in_tokens=in_tokens,
        stated_in_tokens=np.isfinite(stated).any(axis=0) | (in_tokens & tiered),
        min_per_month=least,
        max_per_month=most,
        step_per_month=_amounts(rows, "step_usd", 0.0),
        unit_usd=unit_usd,
        unit_usd_at=np.where((in_tokens & ~tiered)[:, None], token_usd_at, unit_usd[:, None]),
        unit_usd_before=np.array(
            [
                _before(problem, sellers[b], terms) if in_tokens[b] and not tiered[b] else unit_usd[b]
                for b, terms in enumerate(rows)
            ],
            dtype=float,
        ),
        overage_at=np.where(priced[:, None], np.where(priced, overage_usd, 0.0)[:, None] * factor, np.inf),
        overage_before=np.where(priced, np.where(priced, overage_usd, 0.0) * factor_before, np.inf),
        token_usd_at=token_usd_at,
        token_usd_before=np.array(
            [_before(problem, sellers[b], terms) for b, terms in enumerate(rows)], dtype=float
        ),
        factor_at=np.where(tiered[:, None], factor, 1.0),
        factor_before=np.where(tiered, factor_before, 1.0),
        limited=flags(rows, "overage", "none"),
        overage_stated=overage,
        overage_usd=np.where(np.isinf(overage) & spanned, unit_usd, overage),
        rollover=whole(terms.rollover_spans for terms in rows),
        stackable=flags(rows, "stackable"),
        term_h=np.array([terms.term_hours or np.inf for terms in rows], dtype=float),
        spanned=~flags(rows, "by_billing_month"),
        by_hour=flags(rows, "settled", "hour"),
        counts=counts,
        counted_before=np.array(
            [0.0 if terms.so_far is None else terms.so_far.counted_usd or 0.0 for terms in rows], dtype=float
        ),
        usd_per_unit_h=_usd_per_unit_h(problem, len(rows)),
        levelled=np.array([bool(terms.levels) for terms in rows], dtype=bool),
        tiers=tuple(_tiers(terms) for terms in rows),
        discounts=tuple(_discounts(terms) for terms in rows),
        credit=tuple(_credit(terms) for terms in rows),
        spans=spans_of(rows, [(b, term) for b, term, _ in starts], time, clock, in_full=in_full),
        start_contract=of,
        start_h=np.array([term.from_h for _, term, _ in starts], dtype=float),
        end_h=np.array([term.until_h for _, term, _ in starts], dtype=float),
        owed_until_h=np.array([term.owed_until_h for _, term, _ in starts], dtype=float),
        beyond_months=np.array(
            [beyond_months(rows[b], term, time, in_full=in_full) for b, term, _ in starts], dtype=float
        ),
        beyond_unit_usd=np.array(
            [
                _after(problem, time, term, sellers[b]) if in_tokens[b] and not tiered[b] else unit_usd[b]
                for b, term, _ in starts
            ],
            dtype=float,
        ),
        factor_beyond=np.array(
            [
                _after(problem, time, term, sellers[b], of=_factor) if tiered[b] else 1.0
                for b, term, _ in starts
            ],
            dtype=float,
        ),
        start_signed=np.array([term.signed for _, term, _ in starts], dtype=bool),
        start_min=np.where(fixed, level_usd, least[of]) if len(of) else np.empty(0),
        start_max=np.where(fixed, np.inf, most[of]) if len(of) else np.empty(0),
        start_rate=np.array([1.0 - (level.discount if level else 0.0) for *_, level in starts], dtype=float),
    )


def _counts(problem: Problem, n: int) -> tuple[tuple[Counted, ...], ...]:
    """(B,) what is billed elsewhere that counts in each contract."""
    offers = [offer.name for offer in problem.offers]
    agreements = [agreement.name for agreement in problem.commitments]
    first = n - len(agreements)

    def counted(name: str, share: float) -> Counted:
        if name in agreements:
            return Counted(NONE, first + agreements.index(name), share)
        return Counted(offers.index(name), NONE, share)

    own = [tuple(counted(*each) for each in agreement.counts.items()) for agreement in problem.commitments]
    return tuple([()] * first + own)


def _usd_per_unit_h(problem: Problem, n: int) -> Floats:
    """(B,) of agreements in units; inf of all others."""
    of = [np.inf if each.usd_per_unit_h is None else each.usd_per_unit_h for each in problem.commitments]
    return np.array([np.inf] * (n - len(of)) + of, dtype=float)


def _spanned(terms: Commitment) -> bool:
    """Whether a bill is what is committed and what goes beyond it; else it is of all use."""
    return not (terms.by_billing_month or terms.tiers or terms.discount_tiers)


def _amounts(rows: list[Commitment], amount: str, absent: float) -> Floats:
    values = (terms.per_month(amount) for terms in rows)
    return np.array([absent if value is None else value for value in values], dtype=float)


def _own(rows: list[Commitment], in_tokens: Bools, bound: str, absent: float) -> Floats:
    """(B,) a bound in own units a month."""
    tokens, usd = (_amounts(rows, f"{bound}_{unit}", absent) for unit in ("tokens", "usd"))
    return np.where(in_tokens, tokens, usd)


def _level_usd(terms: Commitment, level: CommitmentLevel | None) -> float:
    return np.inf if level is None else level.usd * HOURS_PER_MONTH / terms.span_h


def _in_tokens(terms: Commitment) -> bool:
    """Whether the contract's own unit is the token; a minimum of nothing leaves use at its own prices."""
    if terms.discount_tiers or not (
        terms.per_month("min_usd") is None and terms.per_month("max_usd") is None
    ):
        return False
    priced = bool(terms.tiers) or terms.overage_usd_per_m is not None
    return priced or bool(terms.per_month("min_tokens")) or terms.per_month("max_tokens") is not None


def _token_usd(offer: Offer) -> float:
    """The one price of all token kinds and models; only asked for where the schema has made sure of it."""
    prices = [
        price
        for entry in offer.models.values()
        for price in (entry.prompt_usd_per_m, entry.completion_usd_per_m)
        if price is not None
    ]
    return prices[0] / M if prices else 0.0


def _tiers(terms: Commitment) -> Tiers | None:
    if not terms.tiers:
        return None
    return Tiers(
        from_tokens=floats(terms.tiers, "from_tokens_per_month"),
        usd=floats(terms.tiers, "usd_per_m") / M,
        all_units=terms.tier_kind == "all_units",
    )


def _discounts(terms: Commitment) -> Discounts | None:
    if not terms.discount_tiers:
        return None
    return Discounts(
        from_usd=floats(terms.discount_tiers, "from_usd") * HOURS_PER_MONTH / terms.span_h,
        rate=1.0 - floats(terms.discount_tiers, "discount"),
        all_units=terms.tier_kind == "all_units",
    )


def _credit(terms: Commitment) -> Floats:
    unused = () if terms.so_far is None else terms.so_far.unused_usd or terms.so_far.unused_tokens
    return np.array(unused, dtype=float)


def _starts(terms: Commitment, time: Time, clock: Clock) -> list[ContractTerm]:
    """Every term that is running or may start.

    Settled by billing months, one that a signed term covers in part is settled whole; after the horizon its hours are
    owed.
    """
    starts: list[ContractTerm] = []
    free_from = 0.0
    if terms.signed:
        running = _running(terms, time, clock)
        if running.until_h > 0:
            starts.append(running)
        free_from = 0.0 if terms.stackable else max(running.until_h, 0.0)
    term_h, months_h = terms.term_hours, 0.0
    if terms.shares_months and terms.so_far is not None:
        months_h = clock.hour(terms.so_far.since)
    for each in terms.in_force:
        end_h = clock.hour(each.until)
        if end_h > 1e-9 or end_h > months_h + 1e-9:  # one that has ended counts in the month that runs
            begin_h = end_h - (term_h or end_h)
            running = ContractTerm(0.0, end_h, end_h, begin_h, signed=True, amount=each.amount)
            starts.append(running._replace(since_h=months_h if months_h < 0 else None))
    for begin in terms.starts_h(time.horizon_h, time.period_h):
        if begin >= free_from - 1e-9 and (term_h or not terms.signed):
            end_h = begin + (term_h or time.horizon_h)
            starts.append(ContractTerm(begin, end_h, end_h, begin, signed=False))
    return [term._replace(months_h=months_h) for term in starts]


def _levels(terms: Commitment, term: ContractTerm) -> tuple[CommitmentLevel | None, ...]:
    """The amounts that a term may commit to; None: between its minimum and maximum."""
    if term.amount is not None:
        return (CommitmentLevel(usd=term.amount),)
    return terms.levels or (None,)


def _within(terms: list[ContractTerm], opens_h: float, closes_h: float) -> list[ContractTerm]:
    """All end where the offer closes for good; none begins after that, or ends before it opens."""
    cut = [
        term._replace(
            until_h=min(term.until_h, closes_h),
            owed_until_h=min(term.owed_until_h, closes_h),
            opens_h=opens_h,
            closes_h=closes_h,
        )
        for term in terms
    ]
    return [term for term in cut if (term.from_h < term.until_h or term.ended) and term.until_h > opens_h]


def _token_usd_at(sellers: list[tuple[int, Offer]], rules: Timetable) -> Floats:
    """(B, J) the one price of tokens by stretch."""
    by_stretch = np.zeros((len(sellers), len(rules.edge_h) - 1))
    for b, (o, offer) in enumerate(sellers):
        priced = [
            (name, field, value)
            for name, entry in offer.models.items()
            for field in ("prompt_usd_per_m", "completion_usd_per_m")
            if (value := getattr(entry, field)) is not None
        ]
        for name, field, value in priced[:1]:
            usd = rules.figures([(o, ("models", name, field))], np.array([value / M]), per=M)
            by_stretch[b] = usd[0] * rules.factor[o]
    return by_stretch


type _Figures = Callable[[list[tuple[int, Offer]], Timetable], Floats]
"""(B, J) a figure of offers by stretch."""


def _factor(sellers: list[tuple[int, Offer]], rules: Timetable) -> Floats:
    """(B, J) the factor of the rules."""
    return rules.factor[[o for o, _ in sellers]]


def _after(
    problem: Problem, time: Time, term: ContractTerm, seller: tuple[int, Offer], of: _Figures = _token_usd_at
) -> float:
    """The mean of USD per token, or of another figure, over what a term owes after the horizon."""
    return _mean(problem, seller, max(time.horizon_h, term.opens_h), term.owed_until_h, of)


def _before(
    problem: Problem, seller: tuple[int, Offer], terms: Commitment, of: _Figures = _token_usd_at
) -> float:
    """Its mean from the start of the span that runs to that of the horizon."""
    clock = problem.horizon.clock
    since_h = 0.0 if terms.so_far is None else clock.hour(terms.so_far.since)
    opens_h, _ = life(problem, seller[1].schedule, clock)
    return _mean(problem, seller, max(since_h, opens_h), 0.0, of)


def _mean(problem: Problem, seller: tuple[int, Offer], from_h: float, to_h: float, of: _Figures) -> float:
    """The mean of a figure between two hours; as stated where there are none."""
    o, offer = seller
    if not np.isfinite(to_h) or to_h <= from_h or not offer.schedule:
        return 1.0 if of is _factor else _token_usd(offer)
    rules = timetable(problem, problem.horizon.clock, from_h, to_h, only=o)
    hours = np.diff(rules.edge_h) / (to_h - from_h)
    return float(of([seller], rules)[0] @ hours)


def _running(terms: Commitment, time: Time, clock: Clock) -> ContractTerm:
    """The term that was signed before."""
    end_h = None if terms.signed_until is None else clock.hour(terms.signed_until)
    if terms.by_billing_month:
        until = owed_until = np.inf
        if end_h is not None:
            until = max(float(np.ceil(end_h / HOURS_PER_MONTH - 1e-9)), 0.0) * HOURS_PER_MONTH
            owed_until = end_h if end_h > time.horizon_h else min(until, time.horizon_h)
        return ContractTerm(0.0, until, owed_until, 0.0, signed=True)
    since_h = None if terms.so_far is None else clock.hour(terms.so_far.since)
    term_h = terms.term_hours
    begin = since_h or 0.0
    if end_h is not None and term_h is not None:
        begin = end_h - term_h
    if end_h is None:
        end_h = np.inf if term_h is None else begin + term_h
    return ContractTerm(0.0, end_h, end_h, begin, signed=True, since_h=since_h)
