"""Bills: what the spans of a contract cost at least, by its use and by what is committed.

billed(offer,n)            own units of span n that are paid for at contract rates
over(offer,n)              own units above the commitment, where that is paid for as such
carry(offer,n)             own units that span n and those before leave for later ones
part(offer,month k,t)      own units used in period t that are counted under one term, where terms differ in spans
band_volume(offer,i)       tokens in each price band, up to each point at which prices change: see `in_time.bands`

billed ≥ Σ own · flow,  billed ≥ Σ committed · months due                  the same for `over`, see the names
over + carry before − carry ≥ Σ own · flow − committed,  carry ≤ what the last spans committed to
Σ part = Σ own · flow,  part ≤ most · signed

Discounts by use are left out but for the largest: the bound is lower there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from router.schema import Commitment, Offer
from router.verification.base.case import Case, Future
from router.verification.base.spans import bill_name
from router.verification.base.tariffs import (
    HourUse,
    bills_dollars,
    discounted_usd,
    in_tokens,
    mean_of,
    overage_in_time,
    plain_tokens,
    rate_before,
    stood_tokens,
    stood_usd,
    used_before,
)
from router.verification.bound.agreements import covered_name, own_use_name
from router.verification.bound.contracts import counting, paid_as_such
from router.verification.bound.in_time.bands import add_bands, add_billed, points_of
from router.verification.bound.in_time.overage import add_overage, overage_points
from router.verification.bound.in_time.points import BillPoint, Timed
from router.verification.bound.in_time.rates import (
    Carried,
    add_beside,
    add_paid,
    add_paid_once,
    heaviest,
)
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PossibleFlow
from router.verification.bound.terms import PossibleTerm, SpanToBill, spans_to_bill, terms_of


def add_bills(model: RelaxedProblem, case: Case, flows: list[PossibleFlow], future: Future) -> None:
    """The bill of every span of every contract."""
    carried: dict[str, dict[int, list[PossibleFlow]]] = defaultdict(lambda: defaultdict(list))
    for flow in flows:
        if flow.offer.commitment is not None:
            carried[flow.offer.name][flow.period].append(flow)
    for name, offer in case.sellers.items():
        if offer.commitment is not None:
            _contract(model, case, offer, offer.commitment, carried[name], future)


def _contract(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    carried: Carried,
    future: Future,
) -> None:
    terms = {term.label: term for term in terms_of(case, offer.name)}
    spans = spans_to_bill(case, commitment, list(terms.values()))
    use = _by_period(model, case, offer, commitment, carried, future)
    counted = _parts(model, offer, spans, use)
    points, exact = list[BillPoint](), _counts_dearly(case, offer.name)
    for n, span in enumerate(spans):
        flows = [flow for t in range(span.first, span.end) for flow in carried.get(t, ())]
        at = f"commitments({offer.name},%s,{bill_name(commitment, n)})"
        committed = [(f"committed({offer.name},{label})", due) for label, due in span.due]
        number = points[-1].number + 1 if points else 0
        level = terms[span.lot].rate if span.lot else 1.0
        points = points_of(case, offer, commitment, span, number)
        points = points or overage_points(case, offer, commitment, span, number, level)
        timed = _used(model, case, offer, commitment, n, span, flows, counted, terms, future, points)
        used = [(name, own) for _, name, own in timed]
        before = used_before(commitment, span.first)
        opened = before * level
        if commitment.discount_tiers:
            most_off = max(band.discount for band in commitment.discount_tiers)
            used, opened = [(name, own * (1.0 - most_off)) for name, own in used], before * (1.0 - most_off)
        weight = case.period_weight[span.first]
        mean = mean_of(case, offer.name, span.first, span.end, span.before)
        if span.before or before:
            model.constant -= _stood(case, offer, span, terms, future, mean) * weight
        by_hours = bool(offer.schedule) and _at_rates(commitment)
        if by_hours and counted:  # less the mean of the span that each part is counted in
            for name, own in used:
                model.variables[name].usd -= own * mean * future.price_of(offer.name) / 1e6 * weight
            add_paid(model, case, offer, span, carried)
        elif by_hours:
            add_beside(model, case, offer, span, flows, mean, future)
        if paid_as_such(commitment) and not counting(case, offer.name):
            over_usd = points[-1].weight if points else None
            over = _beyond(
                model, case, offer, commitment, n, spans, at, used, committed, opened, future, mean, over_usd
            )
            if exact:
                _no_more(model, offer, n, at, over, used, committed, opened)
            usd = weight * (1.0 if bills_dollars(commitment) else future.price_of(offer.name))
            where = f"{offer.name},{bill_name(commitment, n)}"
            left, credit = _left(offer, commitment, spans, n)
            add_overage(model, offer, where, points, over, timed, [*committed, *left], opened - credit, usd)
        else:
            _billed(
                model, offer, commitment, n, at, used, committed, opened, weight, future, flows, mean, exact
            )
            if commitment.tiers and not bills_dollars(commitment):
                billed = [(f"billed({offer.name},{n})", 1.0)]
                add_billed(model, offer, commitment, n, points[-1], billed)
        if commitment.overage == "none" and not commitment.rollover_spans:
            due = [(variable, -own) for variable, own in committed]
            sunk = math.fsum(terms[label].least * due for label, due in span.due if terms[label].due)
            most = -min(opened, sunk)
            if commitment.discount_tiers:  # less its own discount, what was used before may be more than this
                most = max(discounted_usd(commitment, before, span.part) - sunk, 0.0) - opened
            model.constraint(at % "limit", [*used, *due], upper=most)
    if counted and offer.schedule and _at_rates(commitment):
        add_paid_once(model, case, offer, spans, carried, future)


def _counts_dearly(case: Case, agreement: str) -> bool:
    """Whether its bills could count for more than they cost, and what they are is known to the dollar."""
    commitment, shares = (
        case.commitments[agreement],
        [each.counts.get(agreement, 0.0) for each in case.agreements.values()],
    )
    loose = commitment.discount_tiers or commitment.rollover_spans or agreement not in case.agreements
    dear = math.fsum(shares) > 1 or case.problem.policy.discount_rate_per_year > 0
    return any(shares) and dear and not loose


def _no_more(
    model: RelaxedProblem,
    offer: Offer,
    n: int,
    at: str,
    over: str,
    used: Terms,
    committed: Terms,
    opened: float,
) -> None:
    """What goes beyond the commitment is what is used beyond it: it would count elsewhere for more than it costs."""
    most = math.fsum(own * model.variables[name].upper for name, own in used) + opened
    due = math.fsum(own * model.variables[name].upper for name, own in committed)
    some = model.variable(f"goes_beyond({offer.name},{n})", 1.0, whole=True)
    minus = [(variable, -own) for variable, own in used]
    model.constraint(at % "none beyond", [(over, 1.0), (some, -most)], upper=0.0)
    model.constraint(
        at % "no more beyond", [(over, 1.0), *minus, *committed, (some, due)], upper=opened + due
    )


def _at_rates(commitment: Commitment) -> bool:
    """Whether use of it is in tokens at contract rates."""
    return not (commitment.tiers or bills_dollars(commitment))


def _parts(
    model: RelaxedProblem,
    offer: Offer,
    spans: list[SpanToBill],
    use: Mapping[int, tuple[dict[str, float], float]],
) -> bool:
    """Where terms differ in spans: what is used in each period is counted under a term that is signed."""
    if not any(span.lot for span in spans):
        return False
    lots: dict[int, list[str]] = defaultdict(list)
    for span in spans:
        for t in range(span.first, span.end):
            lots[t].append(span.lot)
    for t, (own, most) in use.items():
        parts: Terms = []
        for label in lots[t]:
            part = model.variable(f"part({offer.name},{label},{t})", most * (1 + 1e-9))
            signed = (f"signed({offer.name},{label})", -most)
            model.constraint(f"commitments({part},signed)", [(part, 1.0), signed], upper=0.0)
            parts.append((part, 1.0))
        minus = [(name, -each) for name, each in own.items()]
        model.constraint(f"commitments({offer.name},counted,{t})", [*parts, *minus], lower=0.0, upper=0.0)
    return True


def _by_period(
    model: RelaxedProblem, case: Case, offer: Offer, commitment: Commitment, carried: Carried, future: Future
) -> dict[int, tuple[dict[str, float], float]]:
    """What a contract may carry in each period, own units of each variable (tokens with tiers), and the most of it."""
    if offer.name in case.agreements:
        offers = case.agreements[offer.name].offers
        names = {t: [covered_name(offer.name, name, t) for name in offers] for t in range(case.periods)}
        there = {t: [name for name in own if name in model.variables] for t, own in names.items()}
        return {
            t: (dict.fromkeys(own, 1.0), math.fsum(model.variables[name].upper for name in own))
            for t, own in there.items()
            if own
        }
    tokens, use = not bills_dollars(commitment) or bool(commitment.tiers), {}
    for t, flows in carried.items():
        own = {flow.charged: flow.tokens if tokens else flow.usd for flow in flows}
        most = heaviest(flows, own)
        left = own_use_name(offer.name, t)
        use[t] = ({left: 1.0} if left in model.variables else own), most
    return use


def _used(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    n: int,
    span: SpanToBill,
    flows: list[PossibleFlow],
    counted: bool,
    terms: Mapping[str, PossibleTerm],
    future: Future,
    points: Sequence[BillPoint],
) -> Timed:
    """What a span uses, in own units, with its period; the bands of the use of all of it with the first."""
    if offer.name in case.agreements and not counted:
        periods, offers = range(span.first, span.end), case.agreements[offer.name].offers
        return [(t, covered_name(offer.name, name, t), 1.0) for t in periods for name in offers]
    tokens, price = not bills_dollars(commitment), future.price_of(offer.name)
    volume: Timed
    used: Timed
    if counted:
        names = [(t, f"part({offer.name},{span.lot},{t})") for t in range(span.first, span.end)]
        rate = 1.0 if tokens or commitment.tiers else terms[span.lot].rate
        used = [(t, name, rate) for t, name in names if name in model.variables]
        volume = used
    else:
        left = [(t, own_use_name(offer.name, t), 1.0) for t in range(span.first, span.end)]
        left = [each for each in left if each[1] in model.variables]  # agreements have a part
        apart = [flow for flow in flows if own_use_name(offer.name, flow.period) not in model.variables]
        used = [*left, *((flow.period, flow.charged, flow.usd) for flow in apart)]
        volume = [(flow.period, flow.charged, flow.tokens) for flow in flows]
        if tokens and not commitment.tiers:
            used = [*left, *((flow.period, flow.charged, flow.tokens) for flow in apart)]
        elif tokens:
            used = volume
    if not commitment.tiers:
        return used
    most = heaviest(flows, {flow.charged: flow.tokens for flow in flows})
    bands = add_bands(model, case, offer, commitment, n, span, points, volume, most, future)
    if tokens:
        return used
    fees = [] if counted else [(flow.period, flow.charged, flow.fees) for flow in flows]
    return [*((span.first, band, usd * price) for band, usd in bands), *fees]


def _stood(
    case: Case,
    offer: Offer,
    span: SpanToBill,
    terms: Mapping[str, PossibleTerm],
    future: Future,
    mean: float,
) -> float:
    """The bill as it stood when the horizon began."""
    commitment = offer.commitment
    assert commitment is not None  # the caller has looked
    due, rate = 0.0, 1.0
    for label, months in span.due_before.items():
        if terms[label].due:
            due += terms[label].least * months
            rate = terms[label].rate
    used = used_before(commitment, span.first)
    if commitment.overage_usd_per_m is not None:
        price, counted = future.price_of(offer.name), in_tokens(commitment)
        then, factor = rate_before(case, offer, mean), rate_before(case, offer, 1.0, factor=True)
        known = used if counted else used / max(then * price, 1e-300) * 1e6
        hour, stands = HourUse(factor, then, known, used * rate), commitment.so_far
        left = 0.0 if stands is None else math.fsum(stands.unused_usd or stands.unused_tokens)
        return overage_in_time(commitment, [hour], due, left, then, price) - (
            (then - mean) * used * price / 1e6 if counted else 0.0
        )
    if plain_tokens(commitment):
        return stood_tokens(case, offer, future, used, due, mean)
    return stood_usd(offer, future, used, due, span.before, rate, rate_before(case, offer, mean))


def _beyond(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    n: int,
    spans: list[SpanToBill],
    at: str,
    used: Terms,
    committed: Terms,
    opened: float,
    future: Future,
    mean: float,
    over_usd: float | None,
) -> str:
    """What goes beyond the commitment, and beyond what earlier spans left of theirs.

    over_usd   USD of an own unit, before a scenario's prices; None: as within
    """
    tokens, price, span = not bills_dollars(commitment), future.price_of(offer.name), spans[n]
    rate = mean * price / 1e6 if tokens else 1.0
    if over_usd is not None:
        rate = over_usd * price if tokens else over_usd
    minus = [(variable, -own) for variable, own in used]
    none = commitment.overage == "none" and commitment.rollover_spans
    over = model.variable(
        f"over({offer.name},{n})", 0.0 if none else math.inf, usd=rate * case.period_weight[span.first]
    )
    terms, credit, rollover = [(over, 1.0), *minus, *committed], 0.0, commitment.rollover_spans
    if rollover:
        window = [other for other in spans[max(0, n + 1 - rollover) : n + 1] if other.lot == span.lot]
        recent = [(f"committed({offer.name},{label})", -due) for other in window for label, due in other.due]
        place = sum(1 for other in spans[:n] if other.lot == span.lot)
        stands = commitment.so_far
        unused = [] if stands is None else [*(stands.unused_usd or stands.unused_tokens)]
        still = math.fsum(unused[max(len(unused) - max(rollover - 1 - place, 0), 0) :])
        left = still - math.fsum(own * model.variables[name].upper for name, own in recent)
        carry = model.variable(f"carry({offer.name},{n})", left)
        model.constraint(at % "rolls over", [(carry, 1.0), *_summed(recent)], upper=still)
        priced = plain_tokens(commitment) or commitment.overage_usd_per_m is not None
        if offer.schedule and priced:  # where rates rise, rests would be bought
            exceeds = model.variable(f"exceeds({offer.name},{n})", 1.0, whole=True)
            most = math.fsum(own * model.variables[name].upper for name, own in used) + opened
            model.constraint(at % "exceeds", [(over, 1.0), (exceeds, -most)], upper=0.0)
            model.constraint(at % "leaves nothing", [(carry, 1.0), (exceeds, left)], upper=left)
        earlier, credit = _left(offer, commitment, spans, n)
        terms += [(carry, -1.0), *earlier]
    model.constraint(at % "overage", terms, lower=opened - credit)
    return over


def _left(offer: Offer, commitment: Commitment, spans: list[SpanToBill], n: int) -> tuple[Terms, float]:
    """What the span before leaves for one, or earlier ones left for the first."""
    if not commitment.rollover_spans:
        return [], 0.0
    if any(other.lot == spans[n].lot for other in spans[:n]):
        return [(f"carry({offer.name},{n - 1})", 1.0)], 0.0
    stands = commitment.so_far
    return [], 0.0 if stands is None else math.fsum(stands.unused_usd or stands.unused_tokens)


def _summed(terms: Terms) -> Terms:
    total: dict[str, float] = defaultdict(float)
    for name, value in terms:
        total[name] += value
    return list(total.items())


def _billed(
    model: RelaxedProblem,
    offer: Offer,
    commitment: Commitment,
    n: int,
    at: str,
    used: Terms,
    committed: Terms,
    opened: float,
    weight: float,
    future: Future,
    flows: list[PossibleFlow],
    mean: float,
    exact: bool,
) -> None:
    """What is billed for the use, or for what is committed; `mean`: the rate that a shortfall has."""
    tokens, price = not bills_dollars(commitment), future.price_of(offer.name)
    rate = (0.0 if commitment.tiers else mean * price / 1e6) if tokens else 1.0
    opened = 0.0 if commitment.tiers and not tokens else opened  # the bands have it
    all_used = sum(max(own, 0.0) * model.variables[name].upper for name, own in used)
    own, banded = dict(used), bool(commitment.tiers) and not tokens
    by_flow = bool(flows) and not banded and all(flow.charged in own for flow in flows)
    by_cell = heaviest(flows, own) if by_flow else all_used
    most = max(by_cell + opened, sum(model.variables[c].upper * own for c, own in committed))
    billed = model.variable(f"billed({offer.name},{n})", most * (1 + 1e-9), usd=rate * weight)
    minus = [(variable, -own) for variable, own in used]
    model.constraint(at % "use", [(billed, 1.0), *minus], lower=opened)
    due = [(variable, -own) for variable, own in committed]
    model.constraint(at % "minimum", [(billed, 1.0), *due], lower=0.0)
    if exact:  # else it would be billed for what it counts elsewhere
        as_due = model.variable(f"as_due({offer.name},{n})", 1.0, whole=True)
        model.constraint(at % "no more than used", [(billed, 1.0), *minus, (as_due, -most)], upper=opened)
        model.constraint(at % "no more than due", [(billed, 1.0), *due, (as_due, most)], upper=most)
