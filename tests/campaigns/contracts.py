"""Contracts read twice: `python tests/campaigns/contracts.py --problems 5000 --seed 1`.

Random problems with signed dates, reserved instances, boot and up times, terms and billing months that the horizon
cuts anywhere. Where planner and verifier read one of them differently the plan is lost (exit 6). Every run ends with 0
or 2; with 3 only where a second solver agrees, and with 4 (not known in time) on none of under 200 whole columns.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns import corners
from campaigns.figures import Figures, arguments
from problem_factory import Data
from strategies import random_problem

from problems.core.encode import encode
from router.normalise import normalise
from router.schema import Problem

_NAMES = """several_models cached commitment tiers term signed fee instances min_step reserved shared horizon purchases
    starts boot min_up availability rates discount deferral"""
FEATURES = frozenset(_NAMES.split())
SMALL = 200  # whole columns
STARTS = ("2026-12-01T00:00", "2026-12-15T06:00", "2026-02-01T00:00", "2028-02-10T12:00", "2026-03-20T00:00")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York")
DAYS = (0.5, 1, 29, 30, 31, 59, 90, 365, 400)  # from the start of the horizon to the end of what is signed


def drawn(seed: int) -> Data:
    """A random problem with a calendar; half of its contracts are signed until some day, within it or after."""
    rng = Random(seed)
    made = random_problem(rng, FEATURES, periods=rng.choice((1, 2, 3, 5)))
    start = datetime.fromisoformat(rng.choice(STARTS))
    made["horizon"] |= {"start": start.isoformat(), "timezone": rng.choice(ZONES)}
    for offer in made["offers"]:
        contract, counted = offer.get("commitment"), offer.get("instances")
        if contract is not None and rng.random() < 0.5:
            end = start + timedelta(days=rng.choice(DAYS))
            contract |= {"signed": True, "signed_until": f"{end:%Y-%m-%d}"}
            if rng.random() < 0.5:
                contract.pop("term_months", None)
        if counted is not None and rng.random() < 0.3:
            counted |= {"reserved": rng.choice((1, 2, 3)), "reserved_usd_per_h": 0.3}
    if rng.random() < 0.3:
        made.setdefault("policy", {})["end_of_horizon"] = rng.choice(("charge_in_full", "prorate"))
    return made


def small(problem: Problem) -> bool:
    return int(encode(normalise(problem, None)).program.integer.sum()) < SMALL


def campaign(count: int, first: int) -> Figures:
    """Solve each under a limit."""
    return corners.campaign(count, first, drawn, small)


if __name__ == "__main__":
    asked = arguments(__doc__, 5000)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
