"""Small sizing problems that mix everything `router size` buys, for the reference of `reference_sizing.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from problem_factory import Data

MONTH = 730.0
M = 1e6
START = "2026-01-01T00:00:00"

#: Length and number of periods: whole months, halves, and periods that months cut.
SPANS = (
    *((MONTH, n) for n in (1, 1, 2, 2, 3, 4)),
    *((365.0, n) for n in (1, 2, 3, 5)),
    *((300.0, 4), (500.0, 3)),
)


def random_problem(rng: Random, spans: Sequence[tuple[float, int]] = SPANS) -> Data:
    """One or two workloads, up to four offers and an API for the rest, up to four futures and months."""
    period_h, periods = rng.choice(spans)
    if rng.random() < 0.03:
        period_h, periods = 24.0, rng.choice((29, 31, 35))
    months = int((periods - 1) * period_h // MONTH) + 1
    models = rng.choice((["m"], ["m"], ["m", "n"]))
    loads = [_workload(rng, f"w{i}", models, periods, period_h) for i in range(rng.choice((1, 1, 2)))]
    offers = [_offer(rng, f"o{i}", models, months) for i in range(rng.choice((1, 2, 2, 3)))]
    if rng.random() < 0.9:
        offers.append(_priced("rest", models, rng.choice((1.0, 1.5, 2.0, 3.0))))
    for offer in offers:
        if rng.random() < 0.3:
            offer["provider"] = rng.choice(("p", "q"))
    data: Data = {
        "schema": "router/1",
        "horizon": {"periods": periods, "period_h": period_h, "start": START},
        "models": {model: {} for model in models},
        "workloads": loads,
        "offers": offers,
    }
    if rng.random() < 0.9:
        data["scenarios"] = _scenarios(rng, loads, offers)
    _groups(rng, data)
    _policy(rng, data)
    if rng.random() < 0.25:
        data["risk"] = {
            "cvar_level": rng.choice((0.5, 0.8, 0.95)),
            "cvar_weight": rng.choice((0.2, 0.5, 1.0)),
        }
    return data


def with_agreements(data: Data, rng: Random) -> Data:
    """The problem with one or two agreements over what has no commitment of its own."""
    horizon, policy = data["horizon"], data.get("policy", {})
    policy.pop("end_of_horizon", None)
    months = int((horizon["periods"] - 1) * horizon["period_h"] // MONTH) + 1
    free = [offer["name"] for offer in data["offers"] if "commitment" not in offer]
    made = []
    for i in range(rng.choice((1, 1, 2)) if free else 0):
        offers = sorted(rng.sample(free, rng.randint(1, len(free))))
        off: float | Data = rng.choice((0.15, 0.3, 0.5))
        if rng.random() < 0.4:
            off = {name: rng.choice((0.0, 0.2, 0.45)) for name in offers}
        terms: Data = {"name": f"g{i}", "provider": "v", "offers": offers, "discount": off}
        terms |= {
            "settled": rng.choice(("hour", "month")),
            "overage": rng.choice(("list", "list", "contract")),
        }
        unit = 1 / MONTH if terms["settled"] == "hour" else 1.0
        terms["min_usd"] = rng.choice((0.0, 0.0, 0.5, 1.5)) * unit
        if rng.random() < 0.7 or not terms["min_usd"]:
            terms["max_usd"] = rng.choice((2.0, 6.0)) * unit
            if rng.random() < 0.3:
                terms["step_usd"] = 0.5 * unit
        if rng.random() < 0.7:
            terms["term_months"] = rng.choice((1, 2, months, months + 1))
            if rng.random() < 0.5:
                terms["stackable"] = True
        made.append(terms)
    return {**data, "commitments": made} if made else data


def _workload(rng: Random, name: str, models: list[str], periods: int, period_h: float) -> Data:
    size = rng.choice(((1000, 0), (800, 200), (300, 100)))
    tokens = rng.choice((1.0, 2.0, 3.7, 5.0, 8.3)) * M
    made: Data = {
        "name": name,
        "models": rng.choice((models, models, models[:1], models[-1:])),
        "demand": {"tokens_per_month": tokens},
        "prompt_tokens": size[0],
        "completion_tokens": size[1],
    }
    if rng.random() < 0.4:
        spread = [rng.choice((0.0, 0.3, 1.0, 1.0, 2.2)) for _ in range(periods)]
        counts = [part * tokens * period_h / MONTH / sum(size) for part in spread]
        made["demand"] = {"requests_by_period": counts}
    if rng.random() < 0.25:
        made["cached_prompt_share"] = 0.4
    if rng.random() < 0.2:
        made["unserved_usd_per_m_tokens"] = rng.choice((0.9, 2.5, 10.0))
    routing: Data = {}
    if rng.random() < 0.1:
        routing["max_share_per_provider"] = rng.choice((0.6, 0.8))
    elif rng.random() < 0.08:
        routing["splittable"] = False
    if routing:
        made["routing"] = routing
    return made


def _priced(name: str, models: list[str], usd: float, **rest: Any) -> Data:
    price = {"prompt_usd_per_m": usd, "completion_usd_per_m": usd}
    return {"name": name, "models": {model: dict(price) for model in models}, **rest}


def _mixed(rng: Random, name: str, models: list[str]) -> Data:
    """Prices by kind of token and by model."""
    offer = _priced(name, models, 1.0)
    for served in offer["models"].values():
        served["prompt_usd_per_m"] = rng.choice((0.3, 0.5, 0.8))
        served["completion_usd_per_m"] = rng.choice((0.6, 1.5, 3.0))
        if rng.random() < 0.5:
            served["cached_prompt_usd_per_m"] = rng.choice((0.05, 0.2))
    return offer


def _offer(rng: Random, name: str, models: list[str], months: int) -> Data:
    sold = models if rng.random() < 0.8 else [rng.choice(models)]
    kind = rng.choice(("api", "tokens", "tokens", "usd", "tiers", "tiers", "own", "own", "own"))
    usd = rng.choice((0.3, 0.45, 0.6, 0.8))
    if kind == "api":
        offer = _mixed(rng, name, sold)
    elif kind == "tokens":
        offer = _priced(name, sold, usd, commitment=_tokens(rng, months))
    elif kind == "usd":
        terms = _usd(rng, months)
        uniform = "overage_usd_per_m" in terms or rng.random() < 0.5
        offer = _priced(name, sold, usd) if uniform else _mixed(rng, name, sold)
        offer["commitment"] = terms
    elif kind == "tiers":
        offer = {"name": name, "models": {model: {} for model in sold}, "commitment": _tiers(rng, months)}
    else:
        offer = _own(rng, name, sold, months)
    if rng.random() < 0.25:
        offer["fee_usd_per_month"] = rng.choice((0.2, 0.5, 1.5))
    if rng.random() < 0.2:
        caps = {"tokens_per_minute": 3e6, "requests_per_minute": 5e3, "units_per_minute": 2e6}
        cap = rng.choice(list(caps))
        offer["quota"] = {cap: caps[cap] * rng.choice((0.4, 1.0, 2.0)) / (MONTH * 60)}
        if cap == "units_per_minute":
            for served in offer["models"].values():
                served.update({"completion_burndown": 2.0, "cached_prompt_burndown": 0.5})
    return offer


def _when(rng: Random, months: int, terms: Data) -> Data:
    """A term, or a signature already given."""
    if rng.random() < 0.5:
        terms["term_months"] = rng.choice((1, 2, 3, months, months + 2))
        if rng.random() < 0.3:
            terms["start"] = rng.choice(("any", "first"))
    if rng.random() < 0.15:
        terms["signed"] = True
        if months > 1 and rng.random() < 0.5:
            hours = MONTH * (rng.randrange(1, months) - rng.choice((0.0, 0.0, 0.4)))
            terms["signed_until"] = (datetime.fromisoformat(START) + timedelta(hours=hours)).isoformat()
    return terms


def _tokens(rng: Random, months: int) -> Data:
    terms: Data = {"min_tokens_per_month": rng.choice((0, 1, 2, 4)) * M}
    if rng.random() < 0.5:
        terms["max_tokens_per_month"] = rng.choice((4.5, 8)) * M
    over = rng.random()
    if over < 0.35 and (terms.get("min_tokens_per_month") or terms.get("max_tokens_per_month")):
        terms["overage"] = "none"
    elif over < 0.6:
        terms["overage_usd_per_m"] = rng.choice((0.2, 0.7, 1.1))
    return _when(rng, months, terms)


def _usd(rng: Random, months: int) -> Data:
    terms: Data = {"min_usd_per_month": rng.choice((0.0, 0.5, 1.0, 2.0))}
    if rng.random() < 0.5:
        terms["max_usd_per_month"] = rng.choice((3.0, 4.2))
        if rng.random() < 0.6:
            terms["step_usd_per_month"] = rng.choice((0.5, 1.0))
    over = rng.random()
    if over < 0.35 and (terms.get("min_usd_per_month") or terms.get("max_usd_per_month")):
        terms["overage"] = "none"
    elif over < 0.5:
        terms["overage_usd_per_m"] = rng.choice((0.2, 0.7, 1.1))
    return _when(rng, months, terms)


def _tiers(rng: Random, months: int) -> Data:
    falling = rng.choice(([1.2, 0.4], [0.9, 0.6, 0.3], [0.7, 0.2]))
    rising = rng.choice(([0.3, 0.9], [0.2, 0.5, 1.1]))
    prices = falling if rng.random() < 0.7 else rising
    froms = rng.choice(([0, 2, 5], [0, 3.1, 6.3]))
    terms: Data = {
        "tiers": [
            {"from_tokens_per_month": at * M, "usd_per_m": p} for at, p in zip(froms, prices, strict=False)
        ],
        "tier_kind": rng.choice(("incremental", "all_units")),
    }
    kind = rng.random()
    if kind < 0.3:
        terms["min_usd_per_month"] = rng.choice((0.5, 1.5))
    elif kind < 0.8:
        terms["min_tokens_per_month"] = rng.choice((0, 1, 2, 3.1)) * M
        if rng.random() < 0.4 and prices is falling:
            terms["max_tokens_per_month"] = 7 * M
    if rng.random() < 0.2 and any(value for key, value in terms.items() if key.startswith(("min_", "max_"))):
        terms["overage"] = "none"
    return _when(rng, months, terms)


def _own(rng: Random, name: str, models: list[str], months: int) -> Data:
    rules: Data = {"usd_per_h": rng.choice((0.5, 1.0, 1.7)) / MONTH}
    if rng.random() < 0.35:
        rules["shared_by_models"] = True
    kind = rng.choice(("period", "horizon", "term"))
    if kind == "horizon":
        rules["resize"] = "horizon"
    elif kind == "term":
        rules["term_months"] = rng.choice((1, 2, months, months + 1))
    if kind != "period":
        rules["upfront_usd"] = rng.choice((0.0, 0.0, 0.4, 1.0))
    if rng.random() < 0.25:
        rules["min"] = rng.choice((1, 2, 3))
    if rng.random() < 0.25:
        rules["step"] = 2
    if rng.random() < 0.2:
        rules["reserved"] = rng.choice((1, 2))
        if rng.random() < 0.6:
            rules["reserved_usd_per_h"] = rng.choice((0.2, 0.4)) / MONTH
    if rng.random() < 0.2:
        rules["integral"] = False
    if rng.random() < 0.4:
        rules["max"] = rng.choice((3, 5)) if rules.get("min") else rng.choice((2, 3, 5))
    if rng.random() < 0.3:
        rules["availability"] = 0.9
    if rng.random() < 0.3:
        rules["max_utilisation"] = 0.8
    one_pool = len(models) == 1 or rules.get("shared_by_models")
    if rng.random() < 0.2 and (one_pool or "reserved" not in rules):
        rules["start_usd"] = rng.choice((0.1, 0.5))
    if rng.random() < 0.3:
        rules["power_kw"] = 0.01
    if rng.random() < 0.3:
        rules["units"] = 2
    month_s = MONTH * 3600
    served: Data = rng.choice(
        (
            {"tokens_per_s": 2 * M / month_s},
            {"tokens_per_s": 1.3 * M / month_s},
            {"requests_per_s": 2500 / month_s},
            {"prompt_tokens_per_s": 3 * M / month_s, "completion_tokens_per_s": 1 * M / month_s},
        )
    )
    terms: Data | None = None
    billed = rng.choice(("no", "no", "no", "prices", "usd", "tokens", "tiers"))
    if billed in ("prices", "usd"):
        served = {**served, "prompt_usd_per_m": 0.1, "completion_usd_per_m": 0.2}
    if billed == "usd":
        terms = {"min_usd_per_month": rng.choice((0.2, 1.0))}
    if billed == "tokens":
        served = {**served, "prompt_usd_per_m": 0.2, "completion_usd_per_m": 0.2}
        terms = {"min_tokens_per_month": rng.choice((1, 3)) * M}
    if billed == "tiers":
        terms = _tiers(rng, months)
    made: Data = {"name": name, "models": {model: dict(served) for model in models}, "instances": rules}
    if terms is not None:
        made["commitment"] = terms if billed == "tiers" else _when(rng, months, terms)
    return made


def _scenarios(rng: Random, loads: list[Data], offers: list[Data]) -> list[Data]:
    weights = [rng.choice((1, 1, 2, 3)) for _ in range(rng.choice((1, 2, 2, 3, 4)))]
    made = []
    for i, weight in enumerate(weights):
        one: Data = {"name": f"s{i}", "probability": weight / sum(weights)}
        one["demand"] = {"*": rng.choice((0.0, 0.25, 0.5, 1.0, 1.5, 2.3))}
        if rng.random() < 0.3:
            one["demand"][rng.choice(loads)["name"]] = rng.choice((0.0, 0.7, 1.4))
        if rng.random() < 0.35:
            one["prices"] = {rng.choice(["*", *(o["name"] for o in offers)]): rng.choice((0.6, 0.8, 1.3))}
        owned = [o["name"] for o in offers if "instances" in o]
        if owned and rng.random() < 0.35:
            one["availability"] = {rng.choice(["*", *owned]): rng.choice((0.0, 0.5, 0.8))}
        made.append(one)
    return made


def _groups(rng: Random, data: Data) -> None:
    owned = [offer["name"] for offer in data["offers"] if "instances" in offer]
    if owned and rng.random() < 0.25:
        group: Data = {"name": "g", "offers": rng.sample(owned, rng.randint(1, len(owned)))}
        group["max_units"] = rng.choice((2, 4, 6))
        if rng.random() < 0.3:
            group["min_units"] = rng.choice((1, 2))
        data["groups"] = [group]


def _policy(rng: Random, data: Data) -> None:
    policy: Data = {}
    if rng.random() < 0.1:
        policy["max_share_per_provider"] = rng.choice((0.6, 0.8))
    if rng.random() < 0.12:
        policy["max_spend_usd"] = rng.choice((3.0, 8.0, 20.0, 40.0))
    if rng.random() < 0.12:
        policy["max_committed_usd"] = rng.choice((0.5, 2.0, 6.0, 12.0))
    if rng.random() < 0.25:
        policy["discount_rate_per_year"] = rng.choice((0.1, 0.5))
    if rng.random() < 0.35:
        policy["end_of_horizon"] = "charge_in_full"
    if rng.random() < 0.3:
        policy["energy_usd_per_kwh"] = 0.1
    if policy:
        data["policy"] = policy
