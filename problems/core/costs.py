"""Kinds of cost. A plan's cost lines say them by name; whatever tells one kind from another reads it here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CostKind:
    """A kind of cost.

    name       in a plan's cost lines
    label      in tables for people
    scaled     paid to the offer, at its prices: multipliers of a scenario and of a quote scale it, and what of it is
               decided before demand is known is money committed
    by_period  (rows, field) of a plan that spread it over periods; None: by the month, or for the whole horizon
    """

    name: str
    label: str
    scaled: bool
    by_period: tuple[str, str] | None = None


TOKENS = CostKind("tokens", "tokens", scaled=True, by_period=("routes", "tokens"))
FEE = CostKind("fee", "fee", scaled=True)
COMMITMENT = CostKind("commitment", "contract", scaled=True)
INSTANCES = CostKind("instances", "instances", scaled=True, by_period=("instances", "paid_count"))
STARTS = CostKind("starts", "starts", scaled=True, by_period=("instances", "started"))
ENERGY = CostKind("energy", "energy", scaled=False, by_period=("instances", "paid_count"))
UNSERVED = CostKind("unserved", "work left unserved", scaled=False, by_period=("unserved", "usd"))
CHURN = CostKind("churn", "change", scaled=False)

KINDS = {kind.name: kind for kind in (TOKENS, FEE, COMMITMENT, INSTANCES, STARTS, ENERGY, UNSERVED, CHURN)}
