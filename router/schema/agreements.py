"""What is over several offers: agreements on what they bill, credits that pay it, and groups that limit instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from router.schema.base import (
    Moment,
    Name,
    NonNegative,
    NotEmpty,
    Positive,
    Share,
    ShareBelowOne,
    Strict,
    optional,
)
from router.schema.clock import MONTH_H
from router.schema.commitments import PER_SPAN, Commitment, Settling
from router.schema.offers import Instances, Offer


class UnitTerms(Commitment):
    """Reserved units as a commitment: what they cost an hour is due in every period, and lost where it is not used."""

    @property
    def by_period(self) -> bool:
        return True


class Agreement(Settling):
    """One commitment over several offers: it bills a part of their use, at a discount, against its amount."""

    name: Name = Field(description="Unique name, among offers too")
    provider: Name = Field(
        description="Who sells it; it need not sell the offers; absent: the agreement's own name"
    )
    offers: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Offers whose use it may bill: tokens, requests, cache and rented instance hours; in units these. "
        "An offer's own commitment counts none of what is covered: of one in tokens as many as the USD at list buy at "
        "their price in the period, also where use above the commitment has another. Not offers with tiers, under "
        "which no token has a price, nor with usd_per_request beside a commitment in tokens: no bill says which of the "
        "two is covered",
        json_schema_extra={"minItems": 1},
    )
    discount: ShareBelowOne | Mapping[str, ShareBelowOne] = Field(
        default=0.0,
        description="Taken off the offers' prices: one number, or by offer; levels and discount_tiers count, and are "
        "taken off, what that leaves",
    )
    overage: Literal["list", "contract"] = Field(
        default="list",
        description="Use above the commitment: at the offers' own prices, or at the discount too",
    )

    counts: Mapping[str, Share] = Field(
        default={},
        description="Other agreements and offers: the part of what is billed there that counts towards this minimum; "
        "what may be covered stays the committed amount. Of an offer with a commitment of its own that is its bill, "
        "and what it bills beside (rented instances, fees a request of one in tokens); of one whose rests roll over, "
        "what is committed and what goes beyond. Where a span of the agreement ends within one of what counts, that"
        " counts as a statement of the date would say: what its bill has grown to by then (the use, or what is due "
        "by the hours, whichever is more), less what it had by the start. Of an amount of tokens, tiers, bands, "
        "rests, a price of overage, counts of its own and stackable terms no such statement is planned for, nor "
        "with charge_in_full",
    )
    in_: Literal["usd", "units"] = Field(
        default="usd",
        alias="in",
        description="What is committed: money, or units (instances.units) that rented instances of its offers take, "
        "whatever model runs on them; parts of an instance may be covered",
    )
    usd_per_unit_h: Positive | None = optional(
        "In units: price of a reserved unit, due in every hour of the term, used or not; what it covers costs no more. "
        "Workers of both roles count by their own units, which must cost the same: a unit is not billed by role"
    )
    min_units: NonNegative | None = optional("In units: least number, a multiple of step_units")
    max_units: NonNegative | None = optional("In units: given, their number is decided, up to this")
    step_units: Positive = Field(default=1.0, description="In units: sold in multiples of this")

    @model_validator(mode="before")
    @classmethod
    def _own_provider(cls, data: object) -> object:
        """As an offer's."""
        if isinstance(data, dict) and "provider" not in data and isinstance(data.get("name"), str):
            return {**data, "provider": data["name"]}
        return data

    @property
    def in_units(self) -> bool:
        """Whether units of instances are committed."""
        return self.in_ == "units"

    def unit_usd_per_h(self, instances: Instances | None) -> float | None:
        """What it bills for an hour of an instance that it covers; None where it takes a discount off its price."""
        if not self.in_units or instances is None or self.usd_per_unit_h is None:
            return None
        return self.usd_per_unit_h * instances.units

    def discount_of(self, offer: str) -> float:
        """What is taken off the prices of one of its offers."""
        return self.discount.get(offer, 0.0) if isinstance(self.discount, Mapping) else self.discount

    def on(self, terms: Commitment) -> Agreement:
        """The same agreement on other terms: of them what a commitment and it have in common.

        In units they are the number that is signed.
        """
        own = {name: getattr(self, name) for name in Agreement.model_fields}
        settling = {name: getattr(terms, name) for name in Settling.model_fields}
        if self.in_units:
            settling |= {name: None for name in settling if name.removesuffix("_per_month") in PER_SPAN}
            settling["settled"] = self.settled
            usd, hourly = terms.per_month("min_usd") or 0.0, self.usd_per_unit_h or 0.0
            if terms.signed and not self.signed and hourly > 0:
                own |= {"min_units": usd / MONTH_H / hourly, "max_units": None}
        return Agreement.model_construct(**own | settling)

    @cached_property
    def terms(self) -> Commitment:
        """It as a commitment; with `overage: list` what it bills stays within what is committed."""
        terms = {name: getattr(self, name) for name in Settling.model_fields}
        if self.in_units:
            hourly = self.usd_per_unit_h or 0.0
            amounts = {f"{name}_usd": getattr(self, f"{name}_units") for name in ("min", "max", "step")}
            usd = {name: None if units is None else units * hourly for name, units in amounts.items()}
            step = None if self.max_units is None else usd["step_usd"]
            return UnitTerms.model_construct(
                **terms | usd | {"settled": "hour", "step_usd": step}, overage="none"
            )
        return Commitment(**terms, overage="none" if self.overage == "list" else "contract")

    @cached_property
    def seller(self) -> Offer:
        """An offer that serves nothing and carries the commitment."""
        commitment = self.terms
        return Offer.model_construct(name=self.name, provider=self.provider, models={}, commitment=commitment)


class Credit(Strict):
    """Money that pays use of some offers inside its dates; what is left lapses."""

    name: Name = Field(description="Unique name, among offers and agreements too")
    offers: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Offers whose use it pays, as it is billed: tokens, requests, cache and rented instance hours, at "
        "their own prices, less the discount of an agreement, a level or a band of all units, above a commitment at "
        "its price of overage; never what is due without use. What it pays is use of their commitments all the same. "
        "Tiers, bands each at its price, and overage at a price are of all that a span uses: the dates of a credit "
        "begin and end with such spans, and it pays all offers of such an agreement or none. Likewise "
        "where rests roll over: they pay first, oldest first, and what they pay is not billed again. Of tiers beside "
        "an amount that is committed it pays what use alone comes to, which fills the bands first",
        json_schema_extra={"minItems": 1},
    )
    usd: NonNegative = Field(description="Amount")
    from_: Moment | None = Field(
        default=None, alias="from", description="First moment, local time of horizon.timezone; absent: always"
    )
    until: Moment | None = optional(
        "End, exclusive; a period partly inside may be paid for by its hours; absent: it does not end"
    )


class RoleWeights(Strict):
    """What each half of a replica takes of the resources of a group."""

    prefill: Mapping[Name, NonNegative] = Field(default={}, description="What a prefill worker takes")
    decode: Mapping[Name, NonNegative] = Field(default={}, description="What a decode worker takes")


def _weights_kind(value: object) -> str:
    each = value.values() if isinstance(value, dict) else ()
    by_role = isinstance(value, RoleWeights) or any(isinstance(own, Mapping) for own in each)
    return "by role" if by_role else "of instances"


Weights = Annotated[
    Annotated[Mapping[Name, NonNegative], Tag("of instances")] | Annotated[RoleWeights, Tag("by role")],
    Discriminator(_weights_kind),
]


class Group(Strict):
    """Limits on units · count, summed over offers, in every period."""

    name: Name = Field(description="Unique name")
    offers: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Offers with instances whose units are summed", json_schema_extra={"minItems": 1}
    )
    max_units: NonNegative | None = optional("Most units; absent: no limit")
    min_units: NonNegative = Field(default=0.0, description="Least units")
    weights: Mapping[Name, Weights] = Field(
        default={},
        description="In place of units: what an instance of an offer takes of each resource, by offer; where instances "
        "have roles by role: {own: {prefill: {cards: 1}, decode: {cards: 4}}}",
    )
    limits: Mapping[Name, NonNegative] = Field(
        default={}, description="Most of each resource of `weights`, over all instances of the group"
    )

    @property
    def every_weight(self) -> Iterator[tuple[tuple[str, ...], Mapping[str, float]]]:
        """What is taken of each resource, by offer, or by offer and role."""
        for name, own in self.weights.items():
            if isinstance(own, RoleWeights):
                yield (name, "prefill"), own.prefill
                yield (name, "decode"), own.decode
            else:
                yield (name,), own

    def weight(self, offer: str, resource: str) -> float:
        """What an instance takes of a resource, of an offer whose instances have no roles."""
        own = self.weights.get(offer, {})
        return own.get(resource, 0.0) if isinstance(own, Mapping) else 0.0
