"""The tier that an imported offer is sold at, which stands at the end of its name: `gpt-x:flex`.

`router import prices` names a variant so. Whoever sends a plan's requests must ask for the tier, or the standard one
answers and is billed. Batches are no requests that a gateway could send.
"""

from __future__ import annotations

from router.errors import InputError, Issue
from router.schema import Offer

TIERS = ("flex", "priority")
BATCHES = ("batches", "batch")
LISTS = ("LiteLLM price file", "genai-prices")  # sources of what was imported


def tier_of(offer: str, sold: Offer | None, sender: str) -> str | None:
    """`flex`, `priority`, or None: the standard one. Without the problem a name tells it alone.

    Raises InputError for prices of batches, which `sender` does not send.
    """
    if sold is not None and not (sold.source or "").startswith(LISTS):
        return None
    tier = offer.rpartition(":")[2]
    if tier in BATCHES and ":" in offer:
        hint = "plan on other offers for this export, or send the batches yourself"
        raise InputError(
            Issue(("offers",), f"has prices of batches, and {sender} sends no batches", offer, hint)
        )
    return tier if tier in TIERS and ":" in offer else None


def sells_batches(sold: Offer) -> bool:
    """Whether an offer is at prices of batches."""
    return (sold.source or "").startswith(LISTS) and sold.name.endswith(tuple(f":{name}" for name in BATCHES))
