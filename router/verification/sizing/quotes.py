"""What each quote is worth: its prices are the problem's, and verdict, worth and plan agree.

    sign, needed        signed by the plan            walk away, never, impossible    not signed
    worth               null: needed, impossible      signed, free: ≥ 0    not signed: ≤ 0    within the gaps
    walk-away multiple  sign: ≥ 1, null where the gaps leave open whether it saves    walk away: ≤ 1 where signing costs
                        null where the offer is reserved or signed already, and for every other verdict
    walk_away_usd       = now_usd · walk-away multiple
    bill, use           of what the plan signs: its own
    `without X`         of the alternatives costs more by what X is worth; so does `with X` by what it is not

How much an offer is worth and at which multiple it leaves the plan would take solving anew.
"""

from __future__ import annotations

import math

from router.plan.sizing import Quote
from router.schema import Agreement, Instances, Offer, OfferModel
from router.verification.base.case import MONTH_H, Case
from router.verification.base.costs import SCALED
from router.verification.base.spans import length_h, signed_term, stacked_terms
from router.verification.base.work import TOKEN_PRICES, long_prices_of, prices_of
from router.verification.sizing.section import Section
from router.verification.sizing.signs import signed, use_of_contract, use_of_hosts, use_of_pools


def check_quotes(section: Section) -> None:
    """Each quote once, and one of everything signed, but for those that are named as left out for want of time."""
    amounts: dict[str, float] = {}
    for (pool, _, _, _), amount in signed(section).items():
        offer = section.case.halves.get(pool, pool)
        amounts[offer] = max(amounts.get(offer, 0.0), amount)
    listed: list[str] = []
    for row in section.stated.quotes or ():
        known = row.offer in section.case.sellers and row.offer not in section.case.halves
        if not known or row.offer in listed:
            section.ledger.fault("quotes:", row.offer, "is not an offer, or listed twice")
            continue
        listed.append(row.offer)
        _check_quote(section, section.case.sellers[row.offer], row, row.offer in amounts)
    if section.stated.quotes is not None:
        left_out = section.stated.out_of_time or ()
        for name, amount in amounts.items():
            known = name in listed or f"the walk-away price of {name}" in left_out
            section.ledger.require(amount <= 0 or known, "quotes:", name, "is signed, but has no row")


def _check_quote(section: Section, offer: Offer, row: Quote, is_signed: bool) -> None:
    verdict, in_hand, multiple = row.verdict, _in_hand(section.case, offer), row.walk_away_multiple
    agreement = section.case.agreements.get(offer.name)
    by_discount = agreement is not None and not agreement.in_units
    at: tuple[object, ...] = ("quotes:", offer.name, f"({verdict})")
    section.ledger.require(is_signed or verdict not in ("sign", "needed"), *at, "is not signed by the plan")
    unsigned = verdict in ("walk away", "never", "impossible")
    section.ledger.require(not (is_signed and unsigned), *at, "is signed by the plan")
    if in_hand or verdict not in ("sign", "walk away"):
        section.equal(multiple, None, *at, "walk_away_multiple")
        multiple = None
    elif by_discount:
        section.equal(multiple, None, *at, "walk_away_multiple")
    elif multiple is None or multiple <= 0:
        open_ = verdict == "sign" and multiple is None
        section.ledger.require(open_, *at, "walk_away_multiple is", multiple)
    if agreement is not None and by_discount:
        multiple = _check_discounts(section, agreement, row, in_hand, at)
    elif agreement is not None:
        section.ledger.require(row.discounts is None, *at, "states discounts of units")
    _check_worth(section, row, is_signed, in_hand, multiple, at)
    hourly = None if agreement is None else agreement.usd_per_unit_h
    decoding = section.case.instances.get(section.case.decoding.get(offer.name, ""))
    host = section.case.hosts.get(offer.name)
    ours = _prices(offer if host is None else host.rented, decoding) | (
        {} if hourly is None else {("usd_per_unit_h", None, None): hourly}
    )
    _check_prices(section, ours, row, row.walk_away_multiple, at)
    if in_hand or verdict == "impossible":
        for figure in ("bill_usd", "expected_use", "break_even_use", "break_even_tokens_per_month"):
            section.equal(getattr(row, figure), None, *at, figure)
    elif is_signed:
        lines = section.audit.costs.lines(section.case.futures).items()
        bill = math.fsum(usd for (name, kind), usd in lines if name == offer.name and kind in SCALED)
        section.equal(row.bill_usd, bill, *at, "bill_usd")
        section.equal(row.expected_use, _use(section, offer), *at, "expected_use")
        if offer.name in section.case.agreements:
            section.equal(row.break_even_use, _billed_part(section, offer.name), *at, "break_even_use")


def _check_discounts(
    section: Section, agreement: Agreement, row: Quote, in_hand: bool, at: tuple[object, ...]
) -> float | None:
    """Each as stated, and all cut alike; how many times those of today are the least ones."""
    months = length_h(agreement.terms) / MONTH_H
    ours: list[tuple[str | None, float | None, float]] = [
        (name, None, agreement.discount_of(name)) for name in agreement.offers
    ]
    ours += [(None, usd / months, off) for usd, off in _by_amount(agreement)]
    right = len(ours) == len(row.discounts or ())
    section.ledger.require(right, *at, "discounts are not those of its offers, levels and bands")
    stated = [each.least for each in row.discounts or ()]
    factors: list[float] = []
    for (name, usd, now), each in zip(ours, row.discounts or (), strict=False):
        section.ledger.require(each.offer == name, *at, "discounts are not in the order of the agreement")
        section.equal(each.from_usd_per_month, usd, *at, "discount from")
        section.equal(each.now, now, *at, name, "discount", slack=1e-12)
        if each.least is not None:
            factors += [each.least / now] if now > 0 else [] if each.least == 0 else [math.nan]
    told = any(least is not None for least in stated)
    known = told and not in_hand and row.verdict in ("sign", "walk away")
    section.ledger.require(known or not told, *at, "states the least discount")
    alike = not factors or max(factors) - min(factors) <= 1e-9 * max(factors)
    alike = alike and all(each >= 0 for each in factors) and not (told and None in stated)
    section.ledger.require(alike, *at, "discounts are not cut alike")
    if not known:
        return None
    return 1.0 / factors[0] if factors and factors[0] > 0 else math.inf  # signed without any discount


def _has_no_least(case: Case, name: str) -> bool:
    """Whether a lower discount may make plans cheaper, so that none is the least.

    Its bill may count for more than it costs: as bills weigh, or in several agreements. Or a credit pays use that bands
    of all units bill.
    """
    agreement = case.agreements.get(name)
    if agreement is None or agreement.in_units:
        return False
    counted = math.fsum(other.counts.get(name, 0.0) for other in case.agreements.values())
    banded = bool(agreement.discount_tiers) and agreement.tier_kind == "all_units"
    credited = any(not set(agreement.offers).isdisjoint(credit.offers) for credit in case.problem.credits)
    return (
        counted > 1.0
        or (counted > 0 and case.problem.policy.discount_rate_per_year > 0)
        or (banded and credited)
    )


def _by_amount(agreement: Agreement) -> list[tuple[float, float]]:
    """(USD per span, discount) of bands, or of levels; the same once."""
    bands = [(band.from_usd, band.discount) for band in agreement.discount_tiers]
    return bands or [*dict.fromkeys((level.usd, level.discount) for level in agreement.levels)]


def _billed_part(section: Section, agreement: str) -> float | None:
    """Of the use that it covers, what is billed; its least rate where it covers nothing."""
    case, listed, billed = section.case, list[float](), list[float]()
    if _by_amount(case.agreements[agreement]):
        return None
    for row in section.audit.rows.coverage or ():
        if row.agreement == agreement:
            probability = case.future(row.scenario).probability
            listed.append(probability * row.list_usd)
            billed.append(probability * row.covered_usd)
    if math.fsum(listed) > 0:
        return math.fsum(billed) / math.fsum(listed)
    terms = case.agreements[agreement]
    if terms.in_units:
        return None
    return min(1.0 - terms.discount_of(offer) for offer in terms.offers)


def _in_hand(case: Case, offer: Offer) -> bool:
    """Whether something of it is reserved or signed before the plan."""
    rented = case.hosts[offer.name].rented if offer.name in case.hosts else offer
    halves = rented.instances, case.instances.get(case.decoding.get(offer.name, ""))
    reserved, terms = any(each is not None and each.reserved > 0 for each in halves), offer.commitment
    stacked = terms is not None and bool(stacked_terms(case, terms))
    return (
        reserved or stacked or (terms is not None and terms.signed and signed_term(case, terms) is not None)
    )


def _check_worth(
    section: Section,
    row: Quote,
    is_signed: bool,
    in_hand: bool,
    multiple: float | None,
    at: tuple[object, ...],
) -> None:
    verdict, worth, gap = row.verdict, row.worth_usd, row.gap
    if verdict in ("needed", "impossible"):
        section.equal(worth, None, *at, "worth_usd")
        return
    if worth is None or not 0.0 <= gap <= 1.0:
        section.ledger.fault(*at, f"worth_usd is {worth}, gap {gap}")
        return
    searched = gap * (abs(section.rp) + abs(worth)) + max(section.rp - section.bound, 0.0)
    doubt = searched + section.room(worth)
    saves, costs = worth > doubt, worth < -doubt
    section.ledger.require(
        not costs or not (is_signed or verdict == "free"), *at, f"worth_usd is {worth:.10g}"
    )
    section.ledger.require(not saves or is_signed, *at, f"worth_usd is {worth:.10g}")
    if multiple is None:
        right = in_hand or verdict != "sign" or not saves or _has_no_least(section.case, row.offer)
    else:
        right = multiple >= 1 - 1e-6 if verdict == "sign" else not costs or multiple <= 1 + 1e-6
    section.ledger.require(right, *at, f"walk_away_multiple {multiple} at worth_usd {worth:.10g}")
    what, more = (f"without {row.offer}", worth) if is_signed else (f"with {row.offer}", -worth)
    for other in section.stated.alternatives or ():
        if other.what == what and (is_signed or not in_hand):
            section.equal(other.more_usd, more, *at, "worth_usd of", what)


def _check_prices(
    section: Section,
    ours: dict[tuple[object, ...], float],
    row: Quote,
    multiple: float | None,
    at: tuple[object, ...],
) -> None:
    listed = []
    for price in row.prices:
        what = (price.what, price.model, price.from_tokens_per_month)
        if what not in ours or what in listed:
            section.ledger.fault(*at, "prices:", *what, "is not a price of the offer, or listed twice")
            continue
        listed.append(what)
        now = ours[what]
        section.equal(price.now_usd, now, *at, *what, "now_usd", slack=0.0)
        walk_away = None if multiple is None else now * multiple
        section.equal(price.walk_away_usd, walk_away, *at, *what, "walk_away_usd", slack=0.0)
    section.ledger.require(len(listed) == len(ours), *at, "lacks a price of the offer")


def _prices(offer: Offer, decoding: Instances | None) -> dict[tuple[object, ...], float]:
    """What is not free, by price field of the problem file, model and start of a tier; alike token prices once.

    decoding   the other half of its replicas
    """
    terms, instances = offer.commitment, offer.instances
    prices: dict[tuple[object, ...], float] = {}
    others: dict[tuple[object, ...], float] = {}
    for model, entry in offer.models.items():
        for field, usd in prices_of(entry).items():
            (prices if field in TOKEN_PRICES else others)[field, model, None] = usd
        for field in ("cached_prompt_usd_per_m", "cache_write_usd_per_m"):
            if getattr(entry, field) == entry.prompt_usd_per_m:
                prices.pop((field, model, None), None)
        if entry.long_prompt is not None:
            prices |= {(f"long_prompt.{field}", model, None): usd for field, usd in _longer(entry).items()}
    if prices and max(prices.values()) - min(prices.values()) <= 1e-12 * max(prices.values()):
        prices = {("usd_per_m", None, None): next(iter(prices.values()))}
    if terms is not None and terms.tiers:
        prices = {("usd_per_m", None, tier.from_tokens_per_month): tier.usd_per_m for tier in terms.tiers}
    if terms is not None and terms.overage_usd_per_m is not None:
        prices["overage_usd_per_m", None, None] = terms.overage_usd_per_m
    prices |= others
    prices["fee_usd_per_month", None, None] = offer.fee_usd_per_month
    if instances is not None:
        usd_per_h = "usd_per_h" if decoding is None else "roles.prefill.usd_per_h"
        prices[usd_per_h, None, None] = instances.usd_per_h
        prices["upfront_usd", None, None] = instances.upfront_usd
    if decoding is not None:
        prices["roles.decode.usd_per_h", None, None] = decoding.usd_per_h
    return {what: usd for what, usd in prices.items() if usd > 0}


def _longer(entry: OfferModel) -> dict[str, float]:
    """Prices of long prompts that no other of the entry says."""
    beside, longer = prices_of(entry), prices_of(entry) | long_prices_of(entry)
    return {
        field: usd
        for field, usd in longer.items()
        if field in TOKEN_PRICES
        and usd != beside.get(field, beside.get(_INSTEAD.get(field, field)))
        and (field not in _INSTEAD or usd != longer.get(_INSTEAD[field]))
    }


_INSTEAD = {"cached_prompt_usd_per_m": "prompt_usd_per_m", "cache_write_usd_per_m": "prompt_usd_per_m"}


def _use(section: Section, offer: Offer) -> float | None:
    """Of what is committed; of the hours rented where nothing is."""
    if offer.name in section.case.hosts:
        return use_of_hosts(section, offer.name)
    if offer.commitment is not None:
        use = use_of_contract(section, offer.name, 0.0, section.case.horizon_h)
        if use is not None:
            return use
    halves = section.case.halves
    pools = ((name, model) for name, model, _, _ in section.audit.pools)
    return use_of_pools(section, [pool for pool in pools if halves.get(pool[0], pool[0]) == offer.name])
