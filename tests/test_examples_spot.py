"""examples/spot.yaml: its record is what its generator makes, and a plan bought from it costs what its hours say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from spot_record import rows

import router
from router import api
from router.loading.catalogue import load

EXAMPLES = Path(router.__file__).parent / "examples"


def test_the_record_is_generated_as_it_says():
    assert (EXAMPLES / "spot-30-days.csv").read_text(encoding="utf-8").splitlines() == list(rows())


def test_six_hours_of_spot_alone_cost_what_the_record_says():
    """Without documents: each hour's requests on nodes of which so many serve, at the hour's price; 8 nodes do."""
    problem = load(EXAMPLES / "spot.yaml")
    chat = problem.workloads[0]
    problem = problem.model_copy(
        update={
            "workloads": (chat,),
            "offers": tuple(offer for offer in problem.offers if offer.name == "spot"),
            "commitments": (),
            "horizon": problem.horizon.model_copy(update={"periods": 6}),
        }
    )
    with (EXAMPLES / "spot-30-days.csv").open(encoding="utf-8") as file:
        hours = list(csv.DictReader(file))[:6]
    usd = sum(float(h["requests"]) / 7200 / float(h["available"]) * float(h["usd_per_h"]) for h in hours)
    assert api.solve(problem).cost_usd == pytest.approx(usd, rel=1e-6)
