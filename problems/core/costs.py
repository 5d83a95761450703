"""Kinds of cost, and the prices of an offer's models. Whatever tells one kind or price from another reads it here."""

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
HOSTS = CostKind("hosts", "hosts", scaled=True, by_period=("hosts", "count"))
STARTS = CostKind("starts", "starts", scaled=True, by_period=("instances", "started"))
ENERGY = CostKind("energy", "energy", scaled=False, by_period=("instances", "paid_count"))
NETWORK = CostKind("network", "network", scaled=False, by_period=("routes", "tokens"))
CREDIT = CostKind("credit", "credit", scaled=False)
UNSERVED = CostKind("unserved", "work left unserved", scaled=False, by_period=("unserved", "usd"))
CHURN = CostKind("churn", "change", scaled=False)

KINDS = {
    kind.name: kind
    for kind in (TOKENS, FEE, COMMITMENT, INSTANCES, HOSTS, STARTS, ENERGY, NETWORK, CREDIT, UNSERVED, CHURN)
}


@dataclass(frozen=True)
class EntryPrice:
    """A price that an offer asks for work with a model.

    field      in the problem file, under offers[].models
    per        how many of what it is for the price buys
    amount     what it is for, of a unit of work: see `admissible.amounts`
    kind       of cost
    otherwise  the field whose price holds where this one is not stated
    replaced   a price of tokens: tiers replace it, and the rate of a contract in tokens is made of it
    """

    field: str
    per: float
    amount: str
    kind: CostKind
    otherwise: str = ""
    replaced: bool = False


M = 1e6
#: In the order of the columns of `Entries.usd`, and of what a quote lists.
ENTRY_PRICES = (
    EntryPrice("prompt_usd_per_m", M, "prompt", TOKENS, replaced=True),
    EntryPrice("completion_usd_per_m", M, "completion", TOKENS, replaced=True),
    EntryPrice("cached_prompt_usd_per_m", M, "cached_prompt", TOKENS, "prompt_usd_per_m", replaced=True),
    EntryPrice("cache_write_usd_per_m", M, "cache_write", TOKENS, "prompt_usd_per_m", replaced=True),
    EntryPrice("usd_per_request", 1.0, "requests", TOKENS),
)
