"""Rules on commitments: one unit, a range that can be bought, and a bill that is defined.

What spans and terms ask for is in `rules_spans`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path
from router.schema.commitments import Commitment
from router.schema.offers import Offer

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem


def commitment_in_one_unit(problem: Problem) -> Iterator[Issue]:
    """A commitment is in tokens or in USD, says something, and its minimum is within its maximum."""
    for at, _, commitment in _each(problem):
        tokens = _given(commitment, *_TOKENS) + _of_ramp(commitment, "min_tokens")
        usd = _given(commitment, *_USD, "step_usd_per_month", "step_usd") + _of_ramp(commitment, "min_usd")
        usd += ["levels"] if commitment.levels else []
        if tokens and usd:
            rule = f"must be in tokens or in USD, not both ({', '.join(tokens)}; {', '.join(usd)})"
            yield Issue(at, rule, None, "keep one unit")
            continue
        if not tokens and not usd and not commitment.tiers and not commitment.discount_tiers:
            yield Issue(
                at, "must have a minimum, a maximum or tiers", None, "min_usd_per_month: 0 is allowed"
            )
        for unit in ("tokens", "usd"):
            least, most = _field(commitment, f"min_{unit}"), _field(commitment, f"max_{unit}")
            if least is not None and most is not None and least[1] > most[1]:
                yield Issue((*at, least[0]), f"must not be more than {most[0]}, {most[1]:.15g}", least[1])


def step_can_be_bought(problem: Problem) -> Iterator[Issue]:
    """A step goes with a decided spend, and a multiple of it lies between minimum and maximum."""
    for at, _, commitment in _each(problem):
        step, most = _field(commitment, "step_usd"), _field(commitment, "max_usd")
        if step is None or _given(commitment, *_TOKENS):
            continue
        least = _field(commitment, "min_usd")
        low = 0.0 if least is None else least[1]
        if most is None:
            rule = f"needs {step[0].replace('step', 'max')}: without it the commitment is the minimum"
            yield Issue((*at, step[0]), rule, step[1])
        elif low <= most[1] and math.ceil(low / step[1] - 1e-9) * step[1] > most[1] * (1 + 1e-9):
            rule = f"has no multiple between {low:.15g} and {most[1]:.15g}"
            yield Issue((*at, step[0]), rule, step[1])


def overage_defined(problem: Problem) -> Iterator[Issue]:
    """`overage: none` needs a commitment; `overage_usd_per_m` goes neither with it nor with tiers."""
    for at, _, commitment in _each(problem):
        price = commitment.overage_usd_per_m
        amounts = _given(commitment, *_TOKENS, *_USD) or commitment.levels or commitment.ramp
        if commitment.overage == "none" and not amounts:
            if at[0] == "commitments":
                rule = "list is of use above an amount, and none is committed"
                yield Issue((*at, "overage"), rule, "list", "overage: contract, or an amount")
            else:
                yield Issue((*at, "overage"), "needs a commitment that use stays within", "none")
        if price is None:
            continue
        if commitment.overage == "none":
            yield Issue((*at, "overage_usd_per_m"), "does not go with overage: none", price, "remove one")
        if commitment.tiers:
            rule = "does not go with tiers, which price all volumes"
            yield Issue((*at, "overage_usd_per_m"), rule, price, "remove it, or make it the last tier")


def shortfall_priced(problem: Problem) -> Iterator[Issue]:
    """A commitment in tokens, or a price for overage, needs one price for all tokens, or tiers."""
    for at, offer, commitment in _each(problem):
        if commitment.tiers:
            continue
        field = needs_one_price(commitment)
        if field is None:
            continue
        prices = _token_prices(offer)
        if len(prices) == 1:
            if field == "overage_usd_per_m" and 0.0 in prices and _given(commitment, *_USD):
                yield Issue((*at, field), "needs token prices above 0 to tell use above the commitment")
            continue
        stated = " and ".join(f"{price:.15g}" for price in sorted(prices)[:3]) if prices else "none"
        rule = f"needs one price for all models and kinds of tokens; the offer has {stated} USD per M"
        hint = (
            "equal prices or tiers"
            if field.startswith("overage")
            else "equal prices, tiers or min_usd_per_month"
        )
        yield Issue((*at, field), rule, getattr(commitment, field), hint)


def needs_one_price(commitment: Commitment) -> str | None:
    """The field whose meaning rests on a single contract rate."""
    most, least = _field(commitment, "max_tokens"), _field(commitment, "min_tokens")
    if most is not None:
        return most[0]
    if least is not None and least[1]:  # a minimum of 0 is never short
        return least[0]
    if any(step.min_tokens for step in commitment.ramp):
        return "ramp"
    return "overage_usd_per_m" if commitment.overage_usd_per_m is not None else None


def _token_prices(offer: Offer) -> set[float]:
    """Distinct prices over models and kinds of tokens."""
    every = [prices for model in offer.models.values() for prices in (model, model.long_prompt)]
    return {usd for prices in every for kind in _KINDS if (usd := getattr(prices, kind, None)) is not None}


_KINDS = ("prompt_usd_per_m", "completion_usd_per_m", "cached_prompt_usd_per_m", "cache_write_usd_per_m")


def tiers_stand_alone(problem: Problem) -> Iterator[Issue]:
    """Tiers replace the prices of tokens: what is stated beside them would be paid by nobody."""
    for at, offer, commitment in _each(problem):
        for name, model in offer.models.items() if commitment.tiers else ():
            for kind in (*_KINDS, "long_prompt"):
                if getattr(model, kind) is not None:
                    field = (*at[:-1], "models", name, kind)
                    value = None if kind == "long_prompt" else getattr(model, kind)
                    yield Issue(
                        field,
                        "does not go with tiers, which price all tokens",
                        value,
                        "drop it, or the tiers",
                    )


def tiers_in_order(problem: Problem) -> Iterator[Issue]:
    """Tiers begin at 0 and increase."""
    for at, _, commitment in _each(problem):
        before: float | None = None
        for index, tier in enumerate(commitment.tiers):
            start = tier.from_tokens_per_month
            field = (*at, "tiers", index, "from_tokens_per_month")
            if before is None and start != 0:
                yield Issue(field, "the first tier must begin at 0", start)
            elif before is not None and start <= before:
                yield Issue(field, f"tiers must increase; the one before begins at {before:.15g}", start)
            before = start


def signed_end_placed(problem: Problem) -> Iterator[Issue]:
    """`signed_until` goes with `signed: true` and a horizon whose start is known."""
    for at, _, commitment in _each(problem):
        until = commitment.signed_until
        if until is None:
            continue
        field = (*at, "signed_until")
        if not commitment.signed:
            yield Issue(field, "needs signed: true", until)
        elif problem.horizon.start is None:
            yield Issue(field, "needs horizon.start, to know when that is", until)


def start_has_a_term(problem: Problem) -> Iterator[Issue]:
    """What may begin in any month ends by itself."""
    for at, _, commitment in _each(problem):
        if commitment.start == "any" and commitment.term_hours is None:
            rule = "needs term_months: without it the contract covers the whole horizon"
            yield Issue((*at, "start"), rule, commitment.start)


def request_fees_billed(problem: Problem) -> Iterator[Issue]:
    """Where a commitment in USD is told apart from use above it by tokens, fees a request have no part in it."""
    for at, offer, commitment in _each(problem):
        if not _given(commitment, *_USD) and not commitment.levels and not _of_ramp(commitment, "min_usd"):
            continue
        if commitment.overage_usd_per_m is not None:
            field, rule = (
                "overage_usd_per_m",
                "prices tokens alone, and fees a request would count in this commitment",
            )
        elif commitment.tiers and commitment.overage == "none":
            field, rule = "overage", "goes with tiers in USD only where requests have no fee"
        elif commitment.tiers and not commitment.by_billing_month:
            field, rule = "tiers", "in USD go with spans of their own only where requests have no fee"
        else:
            continue
        for name, model in offer.models.items():
            if model.usd_per_request is not None:
                hint = f"remove it, or models.{name}.usd_per_request"
                value = None if field == "tiers" else getattr(commitment, field)
                yield Issue((*at, field), rule, value, hint)


_TOKENS = ("min_tokens_per_month", "max_tokens_per_month", "min_tokens", "max_tokens")
_USD = ("min_usd_per_month", "max_usd_per_month", "min_usd", "max_usd")


def _field(commitment: Commitment, amount: str) -> tuple[str, float] | None:
    """The field that states an amount, per month or per span, and its value."""
    names = _given(commitment, f"{amount}_per_month", amount)
    return (names[0], getattr(commitment, names[0])) if names else None


def _of_ramp(commitment: Commitment, amount: str) -> list[str]:
    return ["ramp"] if any(getattr(step, amount) is not None for step in commitment.ramp) else []


def _given(commitment: Commitment, *fields: str) -> list[str]:
    return [name for name in fields if getattr(commitment, name) is not None]


def _each(problem: Problem) -> Iterator[tuple[Path, Offer, Commitment]]:
    for index, offer in enumerate(problem.offers):
        if offer.commitment is not None:
            yield ("offers", index, "commitment"), offer, offer.commitment
    for index, agreement in enumerate(problem.commitments):
        if not agreement.in_units:  # which has rules of its own
            yield ("commitments", index), agreement.seller, agreement.terms


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (
    commitment_in_one_unit,
    step_can_be_bought,
    overage_defined,
    shortfall_priced,
    request_fees_billed,
    tiers_in_order,
    tiers_stand_alone,
    signed_end_placed,
    start_has_a_term,
)
