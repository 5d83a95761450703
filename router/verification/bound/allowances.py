"""Allowances: what may be free of each flow, in parts of what is left of a month's allowance.

charged(w,n,offer,model,t)   share of the cell that is paid for; the rest of the flow is free

paid_by(credit,offer,t)      USD of use that a credit pays, or an allowance of what no commitment of the offer bills
unspent(credit)              USD of it that lapse

charged ≤ flow,  Σ amount · (flow − charged) / left ≤ 1
cost: − most + unspent, at the greatest weight of its periods;  unspent + Σ paid_by ≥ most,  Σ paid_by ≤ Σ use · part
an allowance of an offer with a commitment: Σ paid_by + Σ free_of ≤ most, where free_of is less of its use: `own_use`
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from router.verification.allowances import KINDS, inside, left_of, month_of
from router.verification.base.case import Case, Future
from router.verification.base.tariffs import period_factor
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.renting import RentedPool
from router.verification.bound.serving import PossibleFlow, may_be_free


def add_allowances(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Rows per flow that may be free, then per allowance and month."""
    by_month: dict[tuple[str, int], list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        if flow.offer.free is not None and may_be_free(flow.offer):
            model.constraint(f"allowances({flow.name})", [(flow.name, 1.0), (flow.charged, -1.0)], lower=0.0)
            by_month[flow.offer.name, month_of(case, flow.offer.free, flow.period)].append(flow)
    for (name, month), own in by_month.items():
        free = case.offers[name].free
        for kind in KINDS if free is not None else ():
            most = dict(left_of(case, free, kind)).get(month) if free is not None else None
            if most is None:
                continue
            terms = []
            for flow in own:
                amount = flow.tokens if kind == "tokens" else flow.cell.units * (flow.unit.requests or 0.0)
                part = amount / most if most > 0 else amount
                terms += [(flow.name, part), (flow.charged, -part)]
            model.constraint(f"allowances({name},{kind},{month})", terms, upper=1.0 if most > 0 else 0.0)


def add_credits(
    model: RelaxedProblem, case: Case, flows: list[PossibleFlow], pools: list[RentedPool], future: Future
) -> None:
    """What is not spent is paid: a credit is worth its amount at most."""
    purses, used = list(_purses(case)), defaultdict[tuple[str, int], Terms](list)
    own, rented = defaultdict[tuple[str, int], Terms](list), defaultdict[tuple[str, int], Terms](list)
    for flow in flows if purses else ():
        at = flow.offer.name, flow.period
        used[at].append((flow.charged, flow.fees + dearest_tokens(case, flow)))
        if flow.offer.commitment is not None:
            own[at].append((flow.charged, flow.usd))
    for pool in pools if purses else ():
        if pool.instances.term_hours is None:
            seller = case.halves.get(pool.offer, pool.offer)
            for t, paid in enumerate(pool.paid):
                each = (paid, case.rent(pool.offer, t) * future.price_of(pool.offer))
                used[seller, t].append(each)
                rented[seller, t].append(each)
    together: dict[tuple[str, int], Terms] = defaultdict(list)
    for name, most, offers, part in purses:
        weight = max((case.period_weight[t] for t in part), default=0.0)
        model.constant -= most * weight
        spent: Terms = []
        free: Terms = []
        for offer, t in ((offer, t) for offer in offers for t in part if used[offer, t]):
            if _is_free(case, name, offer) and own[offer, t]:
                pays = model.variable(free_of_name(offer, t), most)
                minus = [(variable, -usd) for variable, usd in _summed(own[offer, t])]
                model.constraint(f"credits({name},{offer},{t},own)", [(pays, 1.0), *minus], upper=0.0)
                free.append((pays, 1.0))
            beside = _is_free(case, name, offer) and own[offer, t]
            left = rented[offer, t] if beside else used[offer, t]
            if not left:
                continue
            paid_by = model.variable(f"paid_by({name},{offer},{t})", most)
            minus = [(variable, -usd * part[t]) for variable, usd in _summed(left)]
            model.constraint(f"credits({name},{offer},{t})", [(paid_by, 1.0), *minus], upper=0.0)
            at_list = f"at_list({offer},{t})"
            if _is_free(case, name, offer) and at_list in model.variables:
                # an allowance pays what is left, no bill of an agreement
                model.constraint(
                    f"credits({name},{offer},{t},left)", [(paid_by, 1.0), (at_list, -1.0)], upper=0.0
                )
            together[offer, t].append((paid_by, 1.0))
            spent.append((paid_by, 1.0))
        unspent = model.variable(f"unspent({name})", most, usd=weight)
        model.constraint(f"credits({name})", [(unspent, 1.0), *spent], lower=most)
        if free:
            model.constraint(f"credits({name},in all)", [*spent, *free], upper=most)
    for (offer, t), terms in together.items():
        if len(terms) > 1:
            minus = [(variable, -usd) for variable, usd in _summed(used[offer, t])]
            model.constraint(f"credits({offer},{t})", [*terms, *minus], upper=0.0)


def free_name(case: Case, offer: str, period: int) -> str:
    """The allowance in USD of an offer in a period, if it has one."""
    free = case.offers[offer].free
    return f"{offer},usd,{0 if free is None else month_of(case, free, period)}"


def free_of_name(offer: str, period: int) -> str:
    """What an allowance in USD pays of an offer's tokens and requests, beside a commitment of its own."""
    return f"free_of({offer},{period})"


def dearest_tokens(case: Case, flow: PossibleFlow) -> float:
    """The most that the tokens of a cell may be billed at by the offer, or its own commitment."""
    commitment = flow.offer.commitment
    if commitment is None:
        return flow.token_part
    factor = period_factor(case, flow.offer.name, flow.period) * flow.price / 1e6
    tiers = max((tier.usd_per_m for tier in commitment.tiers), default=0.0)
    return max(flow.token_part, flow.tokens * max(tiers, commitment.overage_usd_per_m or 0.0) * factor)


def _is_free(case: Case, purse: str, offer: str) -> bool:
    return offer in case.offers and purse.startswith(f"{offer},usd,")


def _summed(terms: Terms) -> Terms:
    total: dict[str, float] = defaultdict(float)
    for name, value in terms:
        total[name] += value
    return list(total.items())


def _purses(case: Case) -> Iterator[tuple[str, float, tuple[str, ...], dict[int, float]]]:
    """(name, USD, offers, part of the use by period) of credits, and of allowances in USD by month."""
    for credit in case.problem.credits:
        part = {t: inside(case, credit, t) for t in range(case.periods)}
        yield credit.name, credit.usd, credit.offers, {t: each for t, each in part.items() if each > 0}
    for name, offer in case.offers.items():
        if offer.free is None:
            continue
        month_at = [month_of(case, offer.free, t) for t in range(case.periods)]
        for month, most in left_of(case, offer.free, "usd"):
            periods = [t for t in range(case.periods) if month_at[t] == month]
            yield free_name(case, name, periods[0]), most, (name,), dict.fromkeys(periods, 1.0)
