"""Contract-sizing problems as data: builders for tests with figures that can be worked out in the head."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from problem_factory import Data, api, gpu, load, monthly, problem

from router.plan.document import Plan
from router.sizing import SizeOptions, size
from solvers import SolveOptions

MONTH = 730.0
M = 1e6
PATIENT_S = 600.0  # questions share one limit: on a busy machine the usual one leaves some of them out


def futures(*stated: tuple[float, float], **rest: Any) -> list[Data]:
    """Scenarios by (probability, multiple of all demand)."""
    return [
        {"name": f"s{i}", "probability": p, "demand": {"*": demand}, **rest}
        for i, (p, demand) in enumerate(stated)
    ]


def contract(name: str, usd_per_m: float, min_m: float, **commitment: Any) -> Data:
    """Take-or-pay by million tokens a month."""
    terms = {"min_tokens_per_month": min_m * M, **commitment}
    return api(name, usd_per_m, commitment=terms)


def sized(data: Data, *, flips: bool = False, **how: Any) -> Plan:
    """The verified plan of `router size`, without what was not asked for; quotes without flips, half of the work."""
    options = {"questions": False, "alternatives": 0, "measures": False, **how}
    with pytest.MonkeyPatch.context() as patch:
        if not flips:
            patch.setattr("router.sizing.sensitivity.STRIDES", ())
        plan = size(load(data), options=SolveOptions(time_limit_s=PATIENT_S), how=SizeOptions(**options))
    assert plan.ok
    return plan


def section(plan: Plan) -> dict[str, Any]:
    """The section as it stands in the document."""
    return dict(plan.to_dict()["sizing"])


def signed(plan: Plan) -> dict[str, float | None]:
    """What is signed, by offer: tokens (in millions) or USD a month, or instances; None for a fee."""
    found: dict[str, float | None] = {}
    for row in section(plan)["sign"]:
        tokens, usd, count = (
            row[name] for name in ("committed_tokens_per_month", "committed_usd_per_month", "count")
        )
        found[row["offer"]] = tokens / M if tokens is not None else usd if usd is not None else count
    return found


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-6, abs=1e-9)


def random_sizing(rng: Random) -> Data:
    """A small problem with several futures: contracts of all kinds, instances bought ahead, an API for the rest."""
    months = rng.choice((1, 1, 2, 3))
    loads = [monthly(rng.choice((2, 5, 8)) * M, f"w{i}") for i in range(rng.choice((1, 1, 2)))]
    offers = [_random_offer(rng, f"o{i}", months) for i in range(rng.choice((1, 2, 2)))]
    offers.append(api("rest", rng.choice((1.0, 1.5, 2.0))))
    count = rng.choice((1, 2, 3))
    weights = [rng.choice((1, 1, 2, 3)) for _ in range(count)]
    scenarios = [
        {
            "name": f"s{i}",
            "probability": weight / sum(weights),
            "demand": {"*": rng.choice((0.25, 0.5, 1.0, 1.5, 3.0))},
            **({"prices": {"rest": rng.choice((0.8, 1.3))}} if rng.random() < 0.2 else {}),
        }
        for i, weight in enumerate(weights)
    ]
    return problem(loads, offers, periods=months, period_h=MONTH, scenarios=scenarios)


def _random_offer(rng: Random, name: str, months: int) -> Data:
    kind = rng.choice(("minimum", "volume", "steps", "tiers", "fee", "ahead", "term", "dollars"))
    usd = rng.choice((0.4, 0.6, 0.75, 0.9))
    if kind == "minimum":
        term = rng.choice((months, 1, 2))
        return contract(name, usd, rng.choice((2, 4, 10)), term_months=term)
    if kind == "volume":
        overage = rng.choice(("none", "contract"))
        return contract(name, usd, rng.choice((0, 1)), max_tokens_per_month=8 * M, overage=overage)
    if kind == "steps":
        steps = {"min_usd_per_month": 1, "max_usd_per_month": 6, "step_usd_per_month": 1}
        return api(name, usd, commitment=steps)
    if kind == "tiers":
        bands = [
            {"from_tokens_per_month": 0, "usd_per_m": 1.2},
            {"from_tokens_per_month": 4e6, "usd_per_m": usd},
        ]
        tiers = {"tiers": bands, "tier_kind": rng.choice(("incremental", "all_units"))}
        return {**contract(name, usd, rng.choice((0, 3)), **tiers), "models": {"m": {}}}
    if kind == "fee":
        return api(name, usd, fee_usd_per_month=rng.choice((0.5, 2.0)))
    if kind == "dollars":
        return api(name, usd, commitment={"min_usd_per_month": rng.choice((1.0, 3.0))})
    ahead: Data = {"resize": "horizon", "min": rng.choice((0, 2)), "step": rng.choice((1, 2))}
    if kind == "term":
        ahead = {"term_months": rng.choice((1, 2)), "upfront_usd": rng.choice((0.0, 0.5))}
    return gpu(name, rng.choice((1.0, 2.0)) / MONTH, 2 / MONTH, **ahead)
