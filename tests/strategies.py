"""Random valid problems with every feature of the format, small enough that a solver needs milliseconds.

`random_problem(rng)` draws from a `random.Random`; Hypothesis hands in one whose draws it controls and shrinks
(`problems`), the brute-force tests one with a seed. Round figures are drawn on purpose: optima then tie, loads stand
exactly on unit boundaries and commitments on tier edges, which is where planners go wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from hypothesis import strategies as st
from problem_factory import Data

PRICES = (0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0)
PROVIDERS = ("north", "south", "east")
_NAMES = """several_models unsized cached unserved unsplittable shares providers window deferral needs slo allow
    quota fee commitment tiers term signed instances min_step reserved shared horizon purchases starts boot
    min_up availability rates points real_counts groups power discount scenarios"""
EVERYTHING = frozenset(_NAMES.split())


def problems(*, without: Iterable[str] = (), **fixed: int) -> st.SearchStrategy[Data]:
    """Problems for Hypothesis; `without` leaves features out."""
    features = EVERYTHING - set(without)
    return st.randoms(use_true_random=False).map(lambda rng: random_problem(rng, features, **fixed))


def random_problem(
    rng: Random,
    features: Iterable[str] = EVERYTHING,
    *,
    workloads: int | None = None,
    offers: int | None = None,
    periods: int | None = None,
) -> Data:
    """One problem. Each feature is used now and then; the last offer is a plain API, so that most can be served."""
    draw = Draw(rng, frozenset(features))
    several = draw.uses("several_models", 0.4)
    models = ["m", "n"] if several else ["m"]
    n_periods = periods or rng.choice((1, 1, 2, 3))
    period_h = rng.choice(draw.lengths(n_periods))
    made = {
        "schema": "router/1",
        "horizon": {"periods": n_periods, "period_h": period_h},
        "models": {name: draw.model() for name in models},
        "workloads": [
            draw.workload(f"w{i}", models, n_periods, period_h)
            for i in range(workloads or rng.choice((1, 1, 2)))
        ],
        "offers": [draw.offer(f"o{i}", models, period_h) for i in range(offers or rng.choice((1, 2, 2, 3)))],
    }
    if draw.chance(0.85):
        made["offers"].append(draw.plain("spot-market", models))
    draw.as_a_whole(made)
    return made


def unpriced(entry: Data) -> Data:
    """Without prices of tokens."""
    return {key: value for key, value in entry.items() if not key.endswith("_usd_per_m")}


def billed_otherwise(data: Data, rng: Random) -> Data:
    """The same with prices as they are billed: fees a request, beside prices of tokens or in their place; cache writes;
    other prices of long prompts."""
    if rng.random() < 0.5:
        _cap(data, rng)
    for load in data["workloads"]:
        if rng.random() < 0.3:
            load["cache_write_share"] = rng.choice((0.2, 0.5)) * (1 - load.get("cached_prompt_share", 0.0))
    for offer in data["offers"][:-1]:  # the last takes what has no request size, too
        for model, entry in offer["models"].items():
            price = entry.get("prompt_usd_per_m")
            if price is not None and rng.random() < 0.4:
                entry["cache_write_usd_per_m"] = price * rng.choice((1.25, 2))
            if price is not None and rng.random() < 0.4:
                longer = {"prompt_usd_per_m": 2 * price, "completion_usd_per_m": 1.5 * price}
                longer["cache_write_usd_per_m"] = 3 * price
                kept = rng.sample(sorted(longer), rng.choice((1, 2, 3)))
                entry["long_prompt"] = {"above_tokens": rng.choice((0, 400, 900, 5000))} | {
                    kind: longer[kind] for kind in kept
                }
            if rng.random() < 0.5:
                entry["usd_per_request"] = rng.choice((0, 1e-4, 1e-3, 5e-3))
                if rng.random() < 0.2 and "commitment" not in offer:
                    offer["models"] = offer["models"] | {model: unpriced(entry) | {"long_prompt": None}}
    return data


def _cap(data: Data, rng: Random) -> None:
    """One cap, of an offer, a model or several: a part of what arrives, which is about a million tokens an hour."""
    kind = rng.choice(
        (
            "prompt_tokens_per_minute",
            "uncached_prompt_tokens_per_minute",
            "completion_tokens_per_minute",
            "tokens_per_minute",
            "requests_per_day",
            "tokens_per_day",
            "usd_per_month",
        )
    )
    full = {"minute": 1e6 / 60, "day": 24e6, "month": 730.0}[kind.rpartition("_")[2]]
    quota: Data = {kind: rng.choice((0.1, 0.3, 0.6, 1)) * full / (1000 if "requests" in kind else 1)}
    if rng.random() < 0.3:
        quota["max_utilisation"] = 0.7
    if len(data["offers"]) == 1:
        return  # it takes what the others do not
    offer = rng.choice(data["offers"][:-1])
    way = rng.choice(("offer", "model", "account", "tenant"))
    if way == "offer":
        offer["quota"] = offer.get("quota", {}) | quota
    elif way == "model":
        rng.choice(list(offer["models"].values()))["quota"] = quota
    elif way == "account":
        data["quotas"] = [quota | {"name": "account", "offers": [one["name"] for one in data["offers"][:-1]]}]
    else:
        data["quotas"] = [
            quota | {"name": "tenant", "workloads": [data["workloads"][0]["name"]], "offers": [offer["name"]]}
        ]


class Draw:
    def __init__(self, rng: Random, features: frozenset[str]) -> None:
        self.rng, self.features = rng, features

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def uses(self, feature: str, p: float) -> bool:
        """Whether a feature is used here. The draw is made even where it is left out."""
        return self.chance(p) and feature in self.features

    def lengths(self, periods: int) -> tuple[float, ...]:
        """Hours of a period: short ones, or some that make several billing months, the last one cut."""
        if self.features & {"term", "purchases", "commitment", "fee"} and self.chance(0.4):
            return (730.0, 365.0, 500.0)
        return (1.0, 4.0, 8.0, 24.0) if periods > 1 else (1.0, 24.0, 730.0)

    def model(self) -> Data:
        if not self.uses("needs", 0.3):
            return {}
        return {
            "parameters_b": self.rng.choice((7, 70)),
            "memory_gb": self.rng.choice((16, 140)),
            "open_weights": self.chance(0.7),
            "quality": self.rng.choice((0.5, 0.8)),
            "context_tokens": self.rng.choice((2000, 100_000)),
        }

    def workload(self, name: str, models: list[str], periods: int, period_h: float) -> Data:
        rng = self.rng
        load: Data = {"name": name, "models": models if self.chance(0.7) else [rng.choice(models)]}
        per_hour = rng.choice((0.25e6, 0.5e6, 1e6, 1.5e6, 2.3e6))
        if self.uses("unsized", 0.15):
            load["demand"] = {"tokens_per_hour": per_hour, "completion_share": rng.choice((0.0, 0.25, 1.0))}
        else:
            load |= {
                "prompt_tokens": rng.choice((500, 800, 1000)),
                "completion_tokens": rng.choice((0, 1, 200)),
            }
            tokens = load["prompt_tokens"] + load["completion_tokens"]
            load["demand"] = self.demand(per_hour / tokens, periods, period_h)
            if self.uses("cached", 0.2):
                load["cached_prompt_share"] = rng.choice((0.5, 1.0))
        if self.uses("window", 0.2) and period_h <= 8:
            start = rng.choice((0, 2, 4, 20, 22))
            length = rng.choice((8, 9, 12))
            half = ":30" if self.chance(0.3) and period_h == 1 else ":00"
            load["window"] = {"start": f"{start:02d}{half}", "end": f"{(start + length) % 24:02d}:00"}
        elif self.uses("deferral", 0.2):
            load["deferrable_h"] = period_h * rng.choice((0.5, 1, 2, 2.5))
        if self.uses("unserved", 0.3):
            load["unserved_usd_per_m_tokens"] = rng.choice((0, 1, 4, 50))
        self.routing(load)
        return load

    def demand(self, requests_per_h: float, periods: int, period_h: float) -> Data:
        rng = self.rng
        kind = rng.randrange(5)
        if kind == 0:
            return {"requests_per_s": requests_per_h / 3600}
        if kind == 1:
            return {"requests_per_day": requests_per_h * 24}
        if kind == 2:
            return {"requests_total": requests_per_h * period_h * periods}
        counts = [requests_per_h * period_h * rng.choice((0, 0.5, 1, 1, 1.7, 3)) for _ in range(periods)]
        return {"requests_by_period": counts}

    def routing(self, load: Data) -> None:
        rng, routing = self.rng, {}
        if self.uses("unsplittable", 0.15):
            routing["splittable"] = False
        elif self.uses("shares", 0.15):
            routing["max_share_per_provider"] = rng.choice((0.5, 0.7))
        if self.uses("providers", 0.12) and routing.get("splittable", True):
            routing["min_providers"] = 2
            routing["min_share_per_provider"] = rng.choice((0.05, 0.2, 0.4))
        if self.uses("allow", 0.05):
            routing["deny_offers"] = ["o0"]
        if routing:
            load["routing"] = routing
        if self.uses("needs", 0.1):
            load["needs"] = rng.choice(
                ({"streaming": True}, {"open_weights": True}, {"regions": ["eu"]}, {"min_quality": 0.6})
            )
        if self.uses("slo", 0.15):
            load["slo"] = rng.choice(({"ttft_p90_ms": 500}, {"tpot_p50_ms": 20}, {"ttft_mean_ms": 400}))

    def plain(self, name: str, models: list[str]) -> Data:
        """An API that takes everything, dear enough to leave room for the others."""
        price = self.rng.choice((1.0, 3.0, 7.0))
        entry = {"prompt_usd_per_m": price, "completion_usd_per_m": price, "ttft_mean_ms": 100}
        entry |= {"ttft_p99_ms": 300, "tpot_p99_ms": 10}
        offer: Data = {"name": name, "models": {model: dict(entry) for model in models}}
        return offer | {"limits": {"regions": ["eu"]}, "provider": "market"}

    def offer(self, name: str, models: list[str], period_h: float) -> Data:
        rng = self.rng
        some = models if self.chance(0.7) else [rng.choice(models)]
        offer: Data = {"name": name, "provider": rng.choice(PROVIDERS)}
        counted = self.uses("instances", 0.6)
        one_price = rng.choice(PRICES) if self.chance(0.5) or not counted else None
        contract = None
        if self.uses("commitment", 0.45):
            one_price = one_price or rng.choice(PRICES)
            contract = self.commitment(one_price)
        mixed = contract is None or (
            "overage_usd_per_m" not in contract and not any("tokens" in k for k in contract)
        )
        offer["models"] = {model: self.entry(one_price, counted, mixed) for model in some}
        if contract is not None:
            offer["commitment"] = contract
            if "tiers" in contract:  # which stand in the place of prices
                offer["models"] = {name: unpriced(entry) for name, entry in offer["models"].items()}
        if counted:
            offer["instances"] = self.instances(period_h)
        if self.uses("fee", 0.2):
            offer["fee_usd_per_month"] = rng.choice((0.01, 0.5, 1.0)) * 730
        if self.uses("quota", 0.2):
            unit = rng.choice(("tokens_per_minute", "units_per_minute", "requests_per_minute"))
            offer["quota"] = {unit: rng.choice((0, 5e3, 1e4, 2e4)) / (1000 if "requests" in unit else 1)}
        if self.uses("needs", 0.4):
            offer["limits"] = {
                "max_parameters_b": rng.choice((8, 100)),
                "streaming": self.chance(0.8),
                "regions": ["eu"] if self.chance(0.7) else [],
            }
        return offer

    def entry(self, price: float | None, counted: bool, mixed: bool) -> Data:
        rng = self.rng
        entry: Data = {"ttft_p99_ms": rng.choice((200, 450, 900)), "tpot_p99_ms": rng.choice((5, 30))}
        if price is not None:
            other = price * rng.choice((1, 1, 2)) if mixed else price
            entry |= {"prompt_usd_per_m": price, "completion_usd_per_m": other}
            if mixed and self.uses("cached", 0.5):
                entry["cached_prompt_usd_per_m"] = price / 2
        if self.chance(0.3):
            entry |= {"prompt_burndown": rng.choice((1, 0.5)), "completion_burndown": rng.choice((1, 4))}
        if counted:
            entry |= self.rate()
        return entry

    def rate(self) -> Data:
        """One of the ways of stating what an instance serves, about a million tokens an hour."""
        rng, s = self.rng, 1e6 / 3600
        way = rng.choice(("tokens", "pair", "apart", "requests", "units", "points"))
        if (
            way == "tokens"
            or "rates" not in self.features
            or (way == "points" and not self.uses("points", 1))
        ):
            return {"tokens_per_s": rng.choice((0.5, 1, 2)) * s}
        if way in ("pair", "apart"):
            rates = {
                "prompt_tokens_per_s": rng.choice((1, 2)) * s,
                "completion_tokens_per_s": rng.choice((0.2, 1)) * s,
            }
            return rates | ({"disaggregated": True} if way == "apart" else {})
        if way == "requests":
            return {"requests_per_s": rng.choice((0.5, 1, 2)) * s / 1000}
        if way == "units":
            return {"units_per_s": rng.choice((0.5, 1, 2)) * s}
        sizes = ((500, 1), (800, 200), (1000, 200), (2000, 500))
        return {
            "points": [
                {
                    "prompt_tokens": prompt,
                    "completion_tokens": completion,
                    "requests_per_s": k * s / 1000,
                    "ttft_p99_ms": 300 * k,
                }
                for prompt, completion in sizes
                if self.chance(0.8)
                for k in (0.5, 1, 2)
                if self.chance(0.6)
            ]
            or [{"prompt_tokens": 1000, "completion_tokens": 200, "requests_per_s": s / 1000}]
        }

    def instances(self, period_h: float) -> Data:
        rng = self.rng
        made: Data = {
            "usd_per_h": rng.choice((0.5, 0.9, 1.2, 3.0)),
            "max_utilisation": rng.choice((1.0, 0.8)),
        }
        most = rng.choice((2, 3, 4))
        if self.chance(0.8):
            made["max"] = most
        if self.uses("min_step", 0.3):
            made |= {"min": rng.choice((1, 2)), "step": rng.choice((1, 2))}
        if self.uses("real_counts", 0.15):
            made["integral"] = False
        if self.uses("reserved", 0.2):
            made["reserved"] = rng.choice((1, 2))
            if self.chance(0.5):
                made["reserved_usd_per_h"] = 0.3
        if self.uses("shared", 0.3):
            made["shared_by_models"] = True
        if self.uses("availability", 0.2):
            made["availability"] = rng.choice((0.5, 0.9))
        if self.uses("horizon", 0.25):
            made["resize"] = "horizon"
            if self.chance(0.5):
                made["upfront_usd"] = 2.0
        elif self.uses("purchases", 0.2):
            made["term_months"] = rng.choice((1, 2, 12))
            if self.chance(0.5):
                made["upfront_usd"] = 100.0
        if self.uses("starts", 0.25):
            made["start_usd"] = rng.choice((0.3, 2.0)) * period_h
        if self.uses("boot", 0.2):
            made["start_h"] = period_h * rng.choice((0.25, 0.5, 1, 1.5))
        if self.uses("min_up", 0.2):
            made["min_up_h"] = period_h * rng.choice((1.5, 2, 3))
        if self.uses("power", 0.3):
            made["power_kw"] = rng.choice((1.0, 5.0))
        made["units"] = rng.choice((1, 2, 8))
        return made

    def commitment(self, price: float) -> Data:
        rng, month = self.rng, 730.0
        if self.uses("tiers", 0.35):
            prices = rng.choice(((3, 1), (3, 2, 0.5), (1, 2), (2, 1, 3)))
            edges = (0, 0.5e6 * month, 1e6 * month)
            tiers = [
                {"from_tokens_per_month": a, "usd_per_m": p} for a, p in zip(edges, prices, strict=False)
            ]
            made: Data = {"tiers": tiers, "tier_kind": rng.choice(("incremental", "all_units"))}
        else:
            made = {}
        volume = rng.choice((0, 0.3e6, 0.8e6, 1.2e6)) * month
        if self.chance(0.5) or not price:
            made["min_tokens_per_month"] = volume
            if self.chance(0.4):
                made["max_tokens_per_month"] = volume + 1e6 * month
        else:
            made["min_usd_per_month"] = volume * price / 1e6
            if self.chance(0.5):
                made["max_usd_per_month"] = 2e6 * month * price / 1e6
                if self.chance(0.5):
                    made["step_usd_per_month"] = 0.5e6 * month * price / 1e6
        if self.chance(0.2):
            made["overage"] = "none"
        elif self.chance(0.2) and "tiers" not in made:
            made["overage_usd_per_m"] = price * rng.choice((0.5, 2))
        if self.uses("term", 0.3):
            made["term_months"] = rng.choice((1, 2, 12))
        if self.uses("signed", 0.25):
            made["signed"] = True
        return made

    def as_a_whole(self, made: Data) -> None:
        """Groups, policy, scenarios."""
        rng, policy = self.rng, {}
        counted = [offer["name"] for offer in made["offers"] if "instances" in offer]
        if counted and self.uses("groups", 0.25):
            group: Data = {"name": "cards", "offers": counted, "max_units": rng.choice((2, 8, 16))}
            if self.chance(0.3):
                group["min_units"] = 2
            made["groups"] = [group]
        if self.uses("shares", 0.1):
            policy["max_share_per_provider"] = 0.7
        if self.uses("power", 0.3):
            policy["energy_usd_per_kwh"] = 0.1
            if self.chance(0.3):
                policy["max_power_kw"] = 12
        if self.uses("discount", 0.2):
            policy |= {"discount_rate_per_year": 0.5}
        if self.features & {"term", "purchases"} and self.chance(0.3):
            policy["end_of_horizon"] = "charge_in_full"
        if policy:
            made["policy"] = policy
        if self.uses("scenarios", 0.25):
            made["scenarios"] = [
                {"name": "base", "probability": 0.5},
                {
                    "name": "surge",
                    "probability": 0.25,
                    "demand": {"*": rng.choice((1.5, 2))},
                    "prices": {"o0": 1.2},
                },
                {"name": "loss", "probability": 0.25, "demand": {"*": rng.choice((0, 0.4))}},
            ]
