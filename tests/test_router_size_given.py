"""`--evaluate`: the buyer's own commitment, priced beside the best one, and what is not sold so."""

from __future__ import annotations

from pathlib import Path

import pytest
from problem_factory import api, gpu, hourly, monthly, problem
from sizing_factory import MONTH, M, contract, futures, near, section, sized

from router.errors import InputError
from router.sizing import orders_of


@pytest.mark.parametrize(
    ("given", "usd"),
    [
        ("volume=6M", 5.70),
        ("volume=4M", 0.7 * 4 + 1.5 * 2.1),
        ("volume=10M", 7.0),
    ],
)
def test_the_buyers_own_commitment(given: str, usd: float) -> None:
    """Demand 1 … 10 M alike, 0.70 against 1.50: 0.7 · v + 1.5 · E[(D − v)⁺]; E = 2.1 at 4, 1 at 6, 0 at 10."""
    volume = contract("volume", 0.7, 0, max_tokens_per_month=12 * M, overage="none")
    stated = [(0.1, float(d)) for d in range(1, 11)]
    data = problem(monthly(M), [volume, api("rest", 1.5)], period_h=MONTH, scenarios=futures(*stated))
    told = section(sized(data, evaluate=orders_of([given])))["evaluated"]
    assert told["expected_usd"] == near(usd)
    assert told["more_usd"] == pytest.approx(usd - 5.70, abs=1e-6)
    assert told["signs"][0]["offer"] == "volume"


def test_a_plan_is_a_commitment_to_evaluate(tmp_path: Path) -> None:
    """The plan of one future, priced in two: instances, a contract and a fee are read from it."""
    offers = [
        gpu("own", 1.0 / MONTH, 1.0 / MONTH, resize="horizon"),
        contract("reserved", 0.6, 2),
        api("club", 0.5, fee_usd_per_month=0.1),
    ]
    plain = problem(monthly(4 * M), offers, period_h=MONTH)
    first = sized(plain)
    path = tmp_path / "plan.json"
    path.write_text(first.to_json(), encoding="utf-8")
    two = {**plain, "scenarios": futures((0.5, 1.0), (0.5, 1.0))}
    told = section(sized(two, evaluate=orders_of([str(path)])))["evaluated"]
    assert told["expected_usd"] == near(first.cost_usd)
    assert told["more_usd"] == pytest.approx(0.0, abs=1e-9)


def test_a_commitment_that_fails_says_where() -> None:
    data = problem(
        hourly(M), [gpu("own", 1.0, 1.0, resize="horizon")], scenarios=futures((0.5, 1.0), (0.5, 3.0))
    )
    told = section(sized(data, evaluate=orders_of(["own=1"])))["evaluated"]
    assert (told.get("expected_usd"), told["fails_in"]) == (None, ["s1"])
    assert "leaves too little to serve demand" in told["why"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("nobody=1", "is not an offer"),
        ("reserved=5M", "no more and no less"),
        ("reserved@2=yes", "cannot be signed from month 2"),
        ("reserved@0=yes", "months count from 1"),
        ("volume=9M", "between"),
        ("spend=3", "multiples of"),
        ("own=3", "in steps of 2"),
        ("own:other=5", "does not run other"),
        ("own=-2", "in steps of 2"),
        ("own=12", "at most 10"),
        ("reserved@3=yes", "the horizon has 2"),
        ("year@2=2.5", "whole instances"),
        ("units=12", "is sold from 15 in steps of 5; 12 would run in month 1"),
        ("units@2=17", "17 would run in month 2"),
        ("quarter@1=yes quarter@2=yes", "would run twice from month 2 on"),
        ("year@5=1", "the horizon has 2"),
        ("year=7", "at most 6"),
        ("held=3", "at most 2 beside the 4 reserved"),
        ("club=3", "club=yes"),
        ("rest=1M", "sells nothing ahead"),
        ("reserved=some", "OFFER=AMOUNT"),
        ("no-such-file.json", "cannot be read"),
    ],
)
def test_commitments_that_are_not_sold(text: str, rule: str) -> None:
    offers = [
        contract("reserved", 0.6, 10),
        contract("volume", 0.7, 2, max_tokens_per_month=8 * M),
        api(
            "spend", 0.7, commitment={"min_usd_per_month": 2, "max_usd_per_month": 8, "step_usd_per_month": 2}
        ),
        gpu("own", 1.0, 1.0, resize="horizon", min=2, step=2, max=10),
        gpu("year", 1.0, 1.0, term_months=1, max=6),
        gpu("held", 1.0, 1.0, resize="horizon", reserved=4, max=6),
        gpu("units", 1.0, 1.0, term_months=1, min=15, step=5),
        contract("quarter", 0.6, 10, term_months=3, start="any"),
        api("club", 0.5, fee_usd_per_month=3),
        api("rest", 1.5),
    ]
    with pytest.raises(InputError, match=rule):
        sized(problem(monthly(M), offers, periods=2, period_h=MONTH), evaluate=orders_of(text.split()))


def test_terms_add_up_to_what_is_sold() -> None:
    """15 at least, in steps of 5: 12 for both months and 8 more for the second are 12, not sold, and 20."""
    offers = [gpu("units", 1.0, 1.0, term_months=2, min=15, step=5), api("rest", 1.5)]
    data = problem(monthly(M), offers, periods=2, period_h=MONTH)
    with pytest.raises(InputError, match="12 would run in month 1"):
        sized(data, evaluate=orders_of(["units=12", "units@2=8"]))
    told = section(sized(data, evaluate=orders_of(["units=15", "units@2=5"])))["evaluated"]
    assert [row["count"] for row in told["signs"]] == [15, 5]


def test_commitments_that_are_not_said_clearly(tmp_path: Path) -> None:
    data = problem(monthly(M), [contract("volume", 0.7, 2, max_tokens_per_month=8 * M), api("rest", 1.5)])
    with pytest.raises(InputError, match="given twice"):
        sized(data, evaluate=orders_of(["volume=3M", "volume=4M"]))
    path = tmp_path / "not-a-plan.yaml"
    path.write_text("offers: []", encoding="utf-8")
    with pytest.raises(InputError, match="none of contracts, purchases and instances"):
        orders_of([str(path)])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[" * 5000 + "]" * 5000, "is nested more than 50 deep"),
        ("contracts: [5]", "contracts must be a list of mappings"),
        ("purchases: all", "purchases must be a list"),
        ("instances: [{offer: own}]", "has a row without 'count'"),
        ("instances: [{offer: own, count: nan}]", "must be a finite number"),
        ("contracts: [{offer: own, start_month: x}]", "has a row that is not as in a plan"),
        ("other: 1", "has none of contracts, purchases and instances"),
        ("contracts: *a", "an alias has no anchor"),
        ("", "is empty"),
    ],
)
def test_a_file_that_holds_no_rows_of_a_plan_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    """It is read as a problem is: whatever is in it ends in an error that names it."""
    path = tmp_path / "orders.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        orders_of([str(path)])
    assert rule in str(caught.value)
