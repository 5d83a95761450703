"""Which (workload, offer, model) could serve at all, decided before solving; each refusal with all its reasons.

A refused candidate never becomes a column: what is decided here costs the solver nothing, and the report can say why.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, ArrayTable, Bools, Floats, Ints, distinct
from problems.core.costs import ENTRY_PRICES, TOKENS
from problems.core.instance import Instance
from problems.core.supply import QUOTA_KINDS
from problems.physics.operating_point import Service, burndown_units, services, wait_budget

IN_TIME = 1.0 + 1e-9  # an answer that comes when it is due is in time, whatever the last bit says
REASONS = (
    "model_not_offered",
    "model_too_large",
    "memory",
    "context",
    "streaming",
    "custom_weights",
    "open_weights",
    "region",
    "quality",
    "latency",
    "unmeasured",
    "no_price",
    "denied",
    "deadline",
)


class Routes(ArrayTable):
    """Admissible candidates, sorted by workload. All "per unit" figures are per unit of work of the workload."""

    workload: Ints  # (R,)
    entry: Ints
    offer: Ints
    model: Ints
    provider: Ints
    pool: Ints  # (R,) -1: the offer has no instances
    decoding: Ints  # (R,) the pool that decodes, where it is another; else -1
    load_s: Floats  # (R, 2) instance-seconds per unit; the columns differ only where prompt and completion are apart
    requests: Floats  # (R,) per unit: 1, or 0 where the workload states no size
    tokens: Floats
    units: Floats  # burndown units per unit
    usd: Floats  # as stated, per unit of use; of tokens only where no tiers and no contract in tokens price them
    listed_usd: Floats  # at all the prices of use that are stated, per unit
    egress_usd: Floats  # per unit, for what is sent over the network
    concurrency: Floats  # requests in flight per instance at the operating point, 1: not stated
    ttft_s: Floats  # (R, 5) of the service itself, by percentile, inf: unknown
    tpot_s: Floats  # (R, 5)
    wait_budget_s: Floats  # (R, 5) what the SLO leaves for waiting at each percentile, inf: nothing promised

    def __len__(self) -> int:
        return len(self.workload)


class Refusals(ArrayTable):
    workload: Ints
    offer: Ints
    model: Ints
    reasons: Bools  # (n, len(REASONS))

    def __len__(self) -> int:
        return len(self.workload)


class Candidates(ArrayTable):
    """Every workload with every offer and every model that will do."""

    workload: Ints
    offer: Ints
    model: Ints
    entry: Ints  # -1: the offer does not have the model


def candidates(inst: Instance) -> Candidates:
    """All W × O × accepted-model triples, sorted by workload, offer, model."""
    n_models, n_offers = len(inst.models.names), len(inst.offers.names)
    serving = distinct(inst.entries.offer)  # an agreement serves nothing
    entry_at = np.full((n_offers, n_models), NONE, dtype=np.int64)
    entry_at[inst.entries.offer, inst.entries.model] = np.arange(len(inst.entries.offer))
    w, m = np.nonzero(inst.workloads.accepts)
    workload = np.repeat(w, len(serving))
    model = np.repeat(m, len(serving))
    offer = np.tile(serving, len(w))
    order = np.lexsort((model, offer, workload))
    workload, offer, model = workload[order], offer[order], model[order]
    return Candidates(workload, offer, model, entry_at[offer, model])


def admissible(inst: Instance) -> tuple[Routes, Refusals]:
    """Split the candidates into routes and refusals."""
    cand = candidates(inst)
    offered = cand.entry >= 0
    service = services(inst, cand.workload[offered], cand.entry[offered])
    usd, listed_usd, unpriced = _prices(inst, cand)
    refused = np.zeros((len(cand.workload), len(REASONS)), dtype=bool)
    for code, mask in _offer_limits(inst, cand).items():
        refused[:, REASONS.index(code)] = mask
    for code, mask in _performance(inst, cand.subset(offered), service).items():
        refused[offered, REASONS.index(code)] = mask
    refused[:, REASONS.index("no_price")] = unpriced
    bad = refused.any(axis=1)
    return _routes(inst, cand, service.subset(~bad[offered]), (usd, listed_usd), ~bad), Refusals(
        cand.workload[bad], cand.offer[bad], cand.model[bad], refused[bad]
    )


def _offer_limits(inst: Instance, cand: Candidates) -> dict[str, Bools]:
    """What can be judged from the offer and the model alone, whether or not the offer has the model.

    An unknown attribute or limit does not refuse; a need (region, quality, open weights) that nobody states does.
    """
    w, o, m = cand.workload, cand.offer, cand.model
    loads, models, offers = inst.workloads, inst.models, inst.offers
    fleet = offers.fleet[o]
    memory_gb = (
        np.where(fleet >= 0, inst.fleets.memory_gb[fleet], np.inf) if inst.fleets.offer.size else np.inf
    )
    needs = {need: row for row, need in enumerate(sorted(set(loads.regions), key=sorted))}
    in_region = np.array(
        [[not need or bool(need & has) for has in offers.regions] for need in needs], dtype=bool
    )
    need_row = np.array([needs[need] for need in loads.regions], dtype=np.int64)
    return {
        "model_not_offered": cand.entry < 0,
        "model_too_large": models.parameters_b[m] > offers.max_parameters_b[o],
        "memory": models.memory_gb[m] > memory_gb,
        "context": (loads.context_tokens[w] > np.minimum(models.context_tokens[m], offers.context_tokens[o]))
        | loads.sized[w]
        & (
            (loads.prompt_tokens[w] > offers.max_prompt_tokens[o])
            | (loads.completion_tokens[w] > offers.max_completion_tokens[o])
        ),
        "streaming": loads.streaming[w] & offers.no_streaming[o],
        "custom_weights": loads.custom_weights[w] & offers.no_custom_weights[o],
        "open_weights": loads.open_weights[w] & ~models.open_weights[m],
        "region": ~in_region[need_row[w], o],
        "quality": (loads.min_quality[w] > models.quality[m])
        | (loads.min_mean_quality[w] > -np.inf) & (models.quality[m] == -np.inf),
        "denied": ~loads.permitted[w, o],
        "deadline": offers.turnaround_h[o] > loads.longest_left_h[w] * IN_TIME,
    }


def _performance(inst: Instance, cand: Candidates, service: Service) -> dict[str, Bools]:
    """`latency`: an SLO is not met by the service itself; `unmeasured`: the rate or the size is not known."""
    workload, offer, entry = cand.workload, cand.offer, cand.entry
    fleet = inst.offers.fleet[offer] >= 0
    needs_size = np.isfinite(inst.entries.long_above[entry])
    for q in np.flatnonzero(np.isfinite(inst.quotas.cap).any(axis=1)).tolist():
        if QUOTA_KINDS[inst.quotas.kind[q]].counts == "requests":
            needs_size |= inst.quotas.counted(q, workload, offer, cand.model)
    by_requests = [counts == "requests" for counts in inst.allowances.counts]
    needs_size |= np.isin(offer, inst.allowances.offer[np.array(by_requests, dtype=bool)])
    for i, price in enumerate(ENTRY_PRICES):
        if price.amount == "requests":
            needs_size |= np.isfinite(inst.entries.usd[entry, i])
    unsized = ~inst.workloads.sized[workload]
    unknown_rate = fleet & ~np.isfinite(service.load_s).all(axis=1)
    return {
        "latency": ~service.unmeasured & ~service.meets_slo,
        "unmeasured": service.unmeasured | unknown_rate | (unsized & needs_size),
    }


def amounts(inst: Instance) -> dict[str, Floats]:
    """What prices are for, (W,) of a unit of work: the amounts that `costs.ENTRY_PRICES` name."""
    loads = inst.workloads
    return {
        "prompt": loads.prompt_tokens - loads.cached_tokens - loads.written_tokens,
        "cached_prompt": loads.cached_tokens,
        "cache_write": loads.written_tokens,
        "completion": loads.completion_tokens,
        "requests": np.where(loads.sized, 1.0, 0.0),
    }


def _prices(inst: Instance, cand: Candidates) -> tuple[Floats, Floats, Bools]:
    """USD per unit of work at the prices of use, at all that are stated, and where one that is needed is not.

    An offer with instances needs no token price, and with one it bills both; where only requests have a price, tokens
    cost nothing. A long prompt prices the whole request. What tiers or a contract in tokens replace is 0.
    """
    w, offered = cand.workload, cand.entry >= 0
    counted = amounts(inst)
    contract = inst.offers.contract[cand.offer]
    replaced, tiered = np.zeros((2, len(w)), dtype=bool)
    if inst.contracts.offer.size:
        has_tiers = np.array([tiers is not None for tiers in inst.contracts.tiers], dtype=bool)
        tiered = (contract >= 0) & has_tiers[contract]
        replaced = tiered | (contract >= 0) & inst.contracts.in_tokens[contract]
    long = inst.workloads.prompt_tokens[w] > inst.entries.long_above[cand.entry]
    prices = np.where(long[:, None], inst.entries.long_usd[cand.entry], inst.entries.usd[cand.entry])
    stated, missing, priced = np.zeros((3, len(w)), dtype=bool)
    usd, listed = np.zeros((2, len(w)))
    for i, price in enumerate(ENTRY_PRICES):
        if price.kind is not TOKENS:
            continue
        each, amount = np.where(offered, prices[:, i], np.inf), counted[price.amount][w]
        known = np.isfinite(each)
        charge = np.where(known & (amount > 0), amount * np.where(known, each, 0.0), 0.0)
        listed += charge
        usd += np.where(replaced & price.replaced, 0.0, charge)
        priced |= known
        if price.replaced:
            stated |= known
            missing |= (amount > 0) & ~known
    fleet = inst.offers.fleet[cand.offer] >= 0
    free = tiered | ~stated & (fleet | priced)
    nothing = ~priced & ~fleet  # without a price at all it is refused even for work without tokens
    return usd, listed, offered & ~free & (missing | nothing)


def _routes(
    inst: Instance, cand: Candidates, service: Service, usd: tuple[Floats, Floats], keep: Bools
) -> Routes:
    """The candidates kept; `service` has a row for each of them."""
    w, o, m, e = cand.workload[keep], cand.offer[keep], cand.model[keep], cand.entry[keep]
    loads = inst.workloads
    pool_at = np.full((len(inst.offers.names), len(inst.models.names)), NONE, dtype=np.int64)
    for q, (fleet, model) in enumerate(zip(inst.fleets.pool_fleet, inst.fleets.pool_model, strict=True)):
        offer = inst.fleets.offer[fleet]
        pool_at[offer, slice(None) if model == NONE else model] = q
    half = np.full(len(inst.offers.names), NONE, dtype=np.int64)
    decoding = np.flatnonzero(inst.offers.decodes_for >= 0)
    half[inst.offers.decodes_for[decoding]] = decoding
    return Routes(
        workload=w,
        entry=e,
        offer=o,
        model=m,
        provider=inst.offers.provider[o],
        pool=pool_at[o, m],
        decoding=np.where(half[o] >= 0, pool_at[half[o], m], NONE),
        load_s=np.where(np.isfinite(service.load_s), service.load_s, 0.0),
        requests=np.where(loads.sized[w], 1.0, 0.0),
        tokens=loads.tokens[w],
        units=burndown_units(inst, w, e),
        usd=usd[0][keep],
        listed_usd=usd[1][keep],
        egress_usd=loads.tokens[w] * inst.network.usd_per_token[w, o],
        concurrency=service.concurrency,
        ttft_s=service.ttft_s,
        tpot_s=service.tpot_s,
        wait_budget_s=wait_budget(inst, w, e, service.ttft_s, service.tpot_s),
    )
