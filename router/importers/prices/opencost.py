"""OpenCost's inference costs: own pools at the cost and the tokens that were measured (`/inferenceCost/total`).

    data.inferenceCosts.<key>{properties{modelName, namespace, cluster}, window{start, end}, costBasis, totalCost,
                              promptTokens, generationTokens, totalTokens, …}

An offer is what ran in the window: `usd_per_h` is its cost per hour, `tokens_per_s` the tokens that it served, both as
measured. The rate is what was asked of the pool, not what it can do: the least that it can. Basis `allocation`
reconciles with the bill; `usage` leaves idle and shared costs out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from router.errors import InputError, Issue
from router.importers.prices.listing import ListedOffer, Listing, picked, read_json
from router.importers.records import RawRecord, moment

RATES = ("costPerMillionTokens", "inputCostPerMillionTokens", "outputCostPerMillionTokens")
SAME = 0.01  # relative; figures are rounded


def opencost(path: Path, *, when: dt.date, models: Sequence[str] = ()) -> Listing:
    """The pools in an answer. Raises InputError: no such answer, a time that is none."""
    listing = Listing(f"OpenCost {path.name}", when)
    content = read_json(path, listing)
    whole = RawRecord(content if isinstance(content, dict) else {}, str(path))
    costs = whole.get("data", "inferenceCosts")
    if not isinstance(costs, dict):
        hint = "curl 'http://localhost:9003/inferenceCost/total?window=7d&aggregate=model_name,namespace'"
        rule = "is not an answer of OpenCost's /inferenceCost/total"
        raise InputError(Issue((), rule, hint=hint, file=str(path)))
    for key in sorted(costs):
        record = RawRecord(costs[key] if isinstance(costs[key], dict) else {}, f"{path}, {key}")
        listing.account.reads({"entries": 1})
        model = record.text("properties", "modelName") or key
        offer = _offer(model, record)
        if not picked(model, models):
            listing.skip(record.where)
        elif isinstance(offer, str):
            listing.leave_out(key, offer, record.where)
        else:
            listing.offer(offer)
            basis = record.text("costBasis")
            if basis == "usage":
                why = "idle and shared costs are not in it (costBasis usage)"
                listing.account.remark("note", why, record.where, {"entries": 1}, names=[offer.offer])
    if listing.entries:
        why = "tokens_per_s is what a pool served in the window, not what it can"
        hint = "points (router import performance) say more"
        listing.account.remark("note", why, "", {"entries": len(listing.entries)}, hint=hint, asked=True)
    return listing


def _offer(model: str, record: RawRecord) -> ListedOffer | str:
    """The pool as an offer; or why it is none."""
    cost, tokens = record.number("totalCost"), record.number("totalTokens")
    hours = (moment(record, "window", "end") - moment(record, "window", "start")) / 3600
    parts = [record.number(name) or 0.0 for name in ("promptTokens", "generationTokens")]
    if not cost or cost < 0 or not tokens or tokens <= 0 or hours <= 0:
        return "no cost, tokens or time"
    if abs(sum(parts) - tokens) > SAME * tokens:
        return f"its tokens contradict each other: {parts[0]:,.0f} + {parts[1]:,.0f} are not {tokens:,.0f}"
    stated = record.number(RATES[0])
    if stated is not None and abs(stated - cost / tokens * 1e6) > SAME * max(stated, 1.0):
        return f"its cost contradicts its rate: {cost:,.2f} USD for {tokens:,.0f} tokens, {stated:g} per M stated"
    place = "/".join(filter(None, (record.text("properties", name) for name in ("cluster", "namespace"))))
    return ListedOffer(
        offer="/".join(filter(None, (place, model))),
        provider=record.text("properties", "cluster") or "own",
        models=(model,),
        tokens_per_s=float(f"{tokens / hours / 3600:.6g}"),
        instances={"usd_per_h": float(f"{cost / hours:.6g}")},
        note=f"own pool as measured over {hours:g} h by OpenCost, costBasis {record.text('costBasis') or 'not said'}; "
        f"{cost / tokens * 1e6:.4g} USD per M tokens",
    )
