"""Agreements: one commitment over what several offers bill, and what it takes off their prices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from router.schema.base import Name, NotEmpty, ShareBelowOne
from router.schema.commitments import Commitment, Settling
from router.schema.offers import Offer


class Agreement(Settling):
    """One commitment over several offers: it bills a part of their use, at a discount, against its amount."""

    name: Name = Field(description="Unique name, among offers too")
    provider: Name = Field(description="Who sells it; it need not sell the offers")
    offers: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Offers whose use it may bill: tokens, requests, cache and rented instance hours",
        json_schema_extra={"minItems": 1},
    )
    discount: ShareBelowOne | Mapping[str, ShareBelowOne] = Field(
        default=0.0, description="Taken off the offers' prices: one number, or by offer"
    )
    overage: Literal["list", "contract"] = Field(
        default="list",
        description="Use above the commitment: at the offers' own prices, or at the discount too",
    )

    def discount_of(self, offer: str) -> float:
        """What is taken off the prices of one of its offers."""
        return self.discount.get(offer, 0.0) if isinstance(self.discount, Mapping) else self.discount

    def on(self, terms: Commitment) -> Agreement:
        """The same agreement on other terms: of them what a commitment and it have in common."""
        own = {name: getattr(self, name) for name in Agreement.model_fields}
        return Agreement.model_construct(
            **own | {name: getattr(terms, name) for name in Settling.model_fields}
        )

    @cached_property
    def terms(self) -> Commitment:
        """It as a commitment; with `overage: list` what it bills stays within what is committed."""
        terms = {name: getattr(self, name) for name in Settling.model_fields}
        return Commitment(**terms, overage="none" if self.overage == "list" else "contract")

    @cached_property
    def seller(self) -> Offer:
        """An offer that serves nothing and carries the commitment."""
        commitment = self.terms
        return Offer.model_construct(name=self.name, provider=self.provider, models={}, commitment=commitment)
