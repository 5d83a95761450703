"""What an offer asks for a workload's tokens, where a tool has one price for prompts and one for completions."""

from __future__ import annotations

from router.schema import OfferModel, Workload


def price_of(entry: OfferModel, workload: Workload, field: str) -> float | None:
    """USD per million; that of long prompts where the workload's are. None: not stated."""
    longer = entry.long_prompt
    if longer is not None and (workload.prompt_tokens or 0.0) > longer.above_tokens:
        usd: float | None = getattr(longer, field)
        if usd is not None:
            return usd
    beside: float | None = getattr(entry, field)
    return beside


def mixed_prices(entry: OfferModel, workload: Workload) -> tuple[float | None, float | None]:
    """Of a prompt token, in the workload's mix of what is plain, read from a cache and written to one; and of a
    completion token. USD per million, None: not stated."""
    plain, completion = (price_of(entry, workload, f"{kind}_usd_per_m") for kind in ("prompt", "completion"))
    parts = (
        (workload.cached_prompt_share, price_of(entry, workload, "cached_prompt_usd_per_m")),
        (workload.cache_write_share, price_of(entry, workload, "cache_write_usd_per_m")),
    )
    if plain is None:
        return None, completion
    return plain + sum(share * (usd - plain) for share, usd in parts if usd is not None), completion
