"""Random problems with what the market sells: to a random problem of `strategies` a few fields are added that it lacks.

Each addition is drawn by itself; one that the problem as it stands does not take (`router` says so as it loads it) is
left out, so that every problem drawn is a problem.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Iterable
from random import Random

from problem_factory import Data, load
from strategies import EVERYTHING, billed_otherwise, random_problem

from router.errors import InputError

START = dt.datetime(2026, 12, 1)
_NAMES = """several_models unsized cached unserved deferral quota fee instances min_step shared horizon availability
    rates groups power"""
PLAIN = frozenset(_NAMES.split())
"""Features of `strategies` that the third reading knows."""


def market_problem(seed: int, features: Iterable[str] = EVERYTHING - {"scenarios", "slo"}) -> Data:
    """A problem with up to five additions."""
    rng = Random(seed)
    data = random_problem(rng, features, periods=rng.choice((1, 2, 2, 3, 4)))
    data["horizon"]["start"] = START.isoformat()
    for offer in data["offers"]:
        if "instances" in offer:
            offer["instances"].setdefault("max", 4)
    if rng.random() < 0.4:
        data = billed_otherwise(data, rng)
    for add in rng.sample(ADDITIONS, rng.choice((1, 2, 2, 3, 5))):
        made = copy.deepcopy(data)
        try:
            add(made, rng)
            load(made)
        except (InputError, LookupError, ValueError):
            continue
        data = made
    return data


def _moment(data: Data, rng: Random) -> str:
    horizon = data["horizon"]
    t = rng.randrange(horizon["periods"] + 1)
    return (START + dt.timedelta(hours=t * horizon["period_h"])).isoformat()


def _price(rng: Random) -> float:
    return rng.choice((0.2, 0.5, 1.0, 2.0))


def schedule(data: Data, rng: Random) -> None:
    offer = rng.choice(data["offers"])
    rules = offer.setdefault("schedule", [])
    for _ in range(rng.choice((1, 2))):
        rule: Data = {}
        if rng.random() < 0.7:
            rule["from"] = _moment(data, rng)
        if rng.random() < 0.4:
            rule["until"] = _moment(data, rng)
        if rng.random() < 0.4:
            rule["daily"] = {
                "start": rng.choice(("00:00", "09:00", "22:00")),
                "end": rng.choice(("06:00", "12:00")),
            }
        way = rng.random()
        if way < 0.5:
            rule["prices"] = rng.choice((0.5, 0.8, 2.0))
        elif way < 0.65 and "daily" not in rule and "from" in rule:
            rule["available"] = False
        elif "instances" in offer:
            terms: Data = {"usd_per_h": rng.choice((0.3, 0.8, 2.5))}
            halves = "roles" in offer["instances"]
            rule["set"] = {
                "instances": {"roles": {rng.choice(("prefill", "decode")): terms}} if halves else terms
            }
        else:
            rule["set"] = {"models": {rng.choice(list(offer["models"])): {"prompt_usd_per_m": _price(rng)}}}
        if "until" in rule and rule["until"] <= rule.get("from", ""):
            del rule["until"]
        rules.append(rule)


def _amounts(data: Data, rng: Random, settled: str) -> Data:
    """Commitments about as large as what is used: a million tokens an hour."""
    hours = {"hour": 1, "day": 24, "month": 730, "quarter": 2190, "year": 8760}.get(
        settled, data["horizon"]["periods"] * data["horizon"]["period_h"]
    )
    terms: Data = {"min_usd": rng.choice((0, 0.2, 0.5, 1.0)) * hours}
    if rng.random() < 0.6 or not terms["min_usd"]:
        terms["max_usd"] = rng.choice((1.0, 3.0)) * hours
        if rng.random() < 0.3:
            terms["step_usd"] = 0.25 * hours
    return terms


def span(data: Data, rng: Random) -> None:
    """An offer's own contract, settled by some span."""
    offer = rng.choice([o for o in data["offers"] if "commitment" not in o and "instances" not in o])
    settled = rng.choice(("hour", "day", "month", "quarter", "year", "term"))
    terms: Data = {"settled": settled} | _amounts(data, rng, settled)
    way = rng.random()
    hours = terms.get("max_usd", terms["min_usd"]) or 1.0
    if way < 0.2:
        terms = {"settled": settled}
        terms["levels"] = [{"usd": 0.1 * hours, "discount": 0.1}, {"usd": 0.5 * hours, "discount": 0.3}]
    elif way < 0.3:
        terms = {"settled": settled, "ramp": [{"from_month": 1, "min_usd": 0.2 * hours}]}
        terms["ramp"].append({"from_month": 2, "min_usd": 0.5 * hours})
    elif way < 0.45:
        terms["rollover_spans"] = rng.choice((1, 2))
    elif way < 0.55:
        bands = [{"from_usd": 0, "discount": 0}, {"from_usd": 0.3 * hours, "discount": 0.2}]
        terms |= {"discount_tiers": bands, "tier_kind": rng.choice(("incremental", "all_units"))}
    elif way < 0.65:
        terms["term_months"] = rng.choice((1, 2, 12))
    if rng.random() < 0.2:
        terms["overage"] = "none"
    offer["commitment"] = terms


def agreement(data: Data, rng: Random) -> None:
    names = [offer["name"] for offer in data["offers"]]
    if rng.random() < 0.7:
        names = [offer["name"] for offer in data["offers"] if "commitment" not in offer]
    settled = rng.choice(("hour", "day", "month", "term"))
    offers = sorted(rng.sample(names, rng.randint(1, len(names))))
    off = rng.choice((0.1, 0.3, {name: rng.choice((0.0, 0.2, 0.4)) for name in offers}))
    terms: Data = {"name": f"agreement-{len(data.get('commitments', []))}", "offers": offers, "discount": off}
    terms |= {"settled": settled, "overage": rng.choice(("list", "list", "contract"))}
    terms |= _amounts(data, rng, settled)
    if rng.random() < 0.2:
        terms["term_months"] = rng.choice((1, 2, 12))
        terms["stackable"] = rng.random() < 0.5
    data.setdefault("commitments", []).append(terms)


def units(data: Data, rng: Random) -> None:
    rented = [
        offer for offer in data["offers"] if "instances" in offer and "term_h" not in offer["instances"]
    ]
    names = [offer["name"] for offer in rented]
    for roles in (offer["instances"]["roles"] for offer in rented if "roles" in offer["instances"]):
        roles["decode"]["usd_per_h"] = roles["prefill"]["usd_per_h"] * roles["decode"]["units"]
    terms: Data = {
        "name": "units",
        "offers": names,
        "in": "units",
        "usd_per_unit_h": rng.choice((0.05, 0.2, 0.6)),
    }
    terms |= rng.choice(
        ({"min_units": 2}, {"min_units": 2, "max_units": 8, "step_units": 2}, {"max_units": 4})
    )
    data.setdefault("commitments", []).append(terms)


def credit(data: Data, rng: Random) -> None:
    names = [offer["name"] for offer in data["offers"]]
    made: Data = {"name": f"credit-{len(data.get('credits', []))}"}
    made |= {
        "offers": sorted(rng.sample(names, rng.randint(1, len(names)))),
        "usd": rng.choice((0.3, 5.0, 400.0)),
    }
    if rng.random() < 0.4:
        made["from"] = _moment(data, rng)
    if rng.random() < 0.4:
        made["until"] = _moment(data, rng)
    data.setdefault("credits", []).append(made)


def free(data: Data, rng: Random) -> None:
    rng.choice(data["offers"])["free"] = {
        key: value * rng.choice((0.1, 0.5))
        for key, value in (
            ("tokens_per_month", 730e6),
            ("requests_per_month", 730e3),
            ("usd_per_month", 700.0),
        )
        if rng.random() < 0.5
    } or {"tokens_per_month": 1e8}


def roles(data: Data, rng: Random) -> None:
    offer = rng.choice([o for o in data["offers"] if "instances" in o and "commitment" not in o])
    kept = {"max_utilisation": 0.8}
    way = rng.random()
    if way < 0.25:
        kept["resize"] = "horizon"
    elif way < 0.5:
        kept["term_h"] = rng.choice((1, 2, 3)) * data["horizon"]["period_h"]
    if way < 0.5 and rng.random() < 0.5:
        kept["upfront_usd"] = 0.5
    offer["instances"] = kept | {
        "roles": {
            "prefill": {"usd_per_h": _price(rng), "max": 4, "units": 1, "step": rng.choice((1, 2))},
            "decode": {
                "usd_per_h": _price(rng),
                "max": 6,
                "units": rng.choice((1, 2, 4)),
                "min": rng.choice((0, 2)),
            },
        }
    }
    for model, entry in offer["models"].items():
        prices = {key: value for key, value in entry.items() if "usd" in key or "ms" in key}
        rates = {"prompt_tokens_per_s": rng.choice((150.0, 300.0)), "completion_tokens_per_s": 60.0}
        offer["models"][model] = prices | rates


def hosts(data: Data, rng: Random) -> None:
    inside = [offer["name"] for offer in data["offers"] if "instances" in offer]
    if not inside:
        raise LookupError
    for offer in data["offers"]:
        if "instances" in offer and rng.random() < 0.5:
            offer["instances"].pop("usd_per_h", None)
    made: Data = {"name": "node", "units": rng.choice((8, 5)), "usd_per_h": rng.choice((1.0, 3.0)), "max": 4}
    made["offers"] = inside
    if rng.random() < 0.3:
        made["free_units"] = [1, 4]
    if rng.random() < 0.3:
        made["resize"] = "horizon"
    data["hosts"] = [made]


def recipes(data: Data, rng: Random) -> None:
    work = rng.choice([w for w in data["workloads"] if "prompt_tokens" in w])
    models = list(data["models"])
    work["recipes"] = [
        {
            "name": f"recipe-{i}",
            "quality": rng.choice((0.6, 0.9)),
            "steps": [
                {
                    "models": rng.sample(models, rng.randint(1, len(models))),
                    "requests": rng.choice((0.25, 0.5, 1, 2)),
                }
                | rng.choice(({}, {"prompt_tokens": 200}, {"prompt_tokens": 2000, "completion_tokens": 50}))
                for _ in range(rng.choice((1, 2, 3)))
            ],
        }
        for i in range(rng.choice((1, 2)))
    ]


def shares(data: Data, rng: Random) -> None:
    work = rng.choice(data["workloads"])
    limits = work.setdefault("routing", {}).setdefault("shares", {})
    kind = rng.choice(("models", "offers", "providers"))
    offer = rng.choice(data["offers"])
    name = {"models": rng.choice(work["models"]), "offers": offer["name"]}.get(kind, offer.get("provider"))
    limits[kind] = {name: rng.choice(({"max": 0.3}, {"max": 0.7}, {"min": 0.1}, {"min": 0.2, "max": 0.6}))}


def providers(data: Data, rng: Random) -> None:
    work = rng.choice(data["workloads"])
    work.setdefault("routing", {}).update(min_providers=2, min_share_per_provider=rng.choice((0.1, 0.4)))


def mean_quality(data: Data, rng: Random) -> None:
    for model in data["models"].values():
        model.setdefault("quality", rng.choice((0.5, 0.8, 0.9)))
    work = rng.choice(data["workloads"])
    work.setdefault("needs", {})["min_mean_quality"] = rng.choice((0.6, 0.75, 0.85))


def origins(data: Data, rng: Random) -> None:
    work = rng.choice(data["workloads"])
    work["origin"] = rng.choice(({"eu": 0.7, "us": 0.3}, {"us": 1.0}, {"eu": 0.5, "asia": 0.5}))
    for offer in data["offers"]:
        offer.setdefault("limits", {})["regions"] = rng.choice((["eu"], ["us"], ["eu", "us"]))
    data["network"] = [
        {
            "from": a,
            "to": b,
            "rtt_ms": rng.choice((0, 50, 120)),
            "egress_usd_per_gb": rng.choice((0, 20, 500)),
        }
        for a, b in (("us", "eu"), ("asia", "us"), ("eu", "eu"))
    ]


def adapters(data: Data, rng: Random) -> None:
    for work in data["workloads"]:
        work["adapters"] = rng.choice((0, 4, 12))
    for offer in data["offers"]:
        if "instances" in offer and rng.random() < 0.7:
            offer["instances"]["adapter_slots"] = rng.choice((4, 8))


def grid(data: Data, rng: Random) -> None:
    offer = rng.choice([o for o in data["offers"] if "instances" in o])
    offer["instances"].pop("shared_by_models", None)
    for entry in offer["models"].values():
        entry |= {"min": rng.choice((1, 2)), "step": rng.choice((1, 2))}


def turnaround(data: Data, rng: Random) -> None:
    sold = [offer for offer in data["offers"] if "instances" not in offer]
    for offer in rng.sample(sold, min(rng.choice((1, 2)), len(sold))):
        offer["turnaround_h"] = rng.choice((0.5, 1, 2)) * data["horizon"]["period_h"]
        for name, entry in offer["models"].items():
            offer["models"][name] = {key: value for key, value in entry.items() if "ttft" not in key}


def weights(data: Data, rng: Random) -> None:
    names = [offer["name"] for offer in data["offers"] if "instances" in offer]
    if not names:
        raise LookupError
    group: Data = {"name": "rack", "offers": names, "limits": {"cards": 8, "nics": rng.choice((2, 4))}}
    group["weights"] = {name: {"cards": rng.choice((1, 4)), "nics": 1} for name in names}
    data["groups"] = [*data.get("groups", []), group]


def loss(data: Data, rng: Random) -> None:
    data.setdefault("policy", {})["survive_loss_of"] = rng.choice(("offer", "provider"))


def spend(data: Data, rng: Random) -> None:
    hours = data["horizon"]["periods"] * data["horizon"]["period_h"]
    data.setdefault("policy", {})["max_committed_usd"] = rng.choice((0.1, 0.5, 1.0)) * hours


ADDITIONS: tuple[Callable[[Data, Random], None], ...] = (
    schedule,
    span,
    span,
    agreement,
    agreement,
    units,
    credit,
    free,
    roles,
    hosts,
    recipes,
    shares,
    providers,
    mean_quality,
    origins,
    adapters,
    grid,
    turnaround,
    weights,
    loss,
    spend,
)
