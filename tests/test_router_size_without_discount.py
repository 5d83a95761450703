"""`router size`: agreements that are worth signing without any discount, and what else counts in others. By hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from problem_factory import MONTH, SOLVERS, Data, api, by_period, gpu, load, problem
from pytest import approx
from sizing_factory import PATIENT_S

import router
from router.plan.document import Plan
from router.plan.sizing import Quote, Sizing
from router.reports.sizing_choices import quotes
from router.sizing import SizeOptions, size
from solvers import SolveOptions

M = 1e6
INNER: Data = {"name": "plan", "offers": ["a"], "settled": "hour"}
LISTED = api("a", 2.0)
OTHER = api("other", 9.0, ("n",))  # what the signed agreements are of: nothing uses it


def signed(due_usd: float, share: float, name: str = "all", counted: str = "plan") -> Data:
    """Signed: so much is due an hour, less the share of what is billed under `counted`."""
    terms = {"name": name, "offers": ["other"], "settled": "hour", "overage": "contract", "signed": True}
    return {**terms, "min_usd": due_usd, "counts": {counted: share}}


def quoted(data: Data, solver: str = "highs", name: str = "plan") -> tuple[Plan, Quote]:
    how = SizeOptions(questions=True, alternatives=0, measures=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("router.sizing.sensitivity.STRIDES", ())
        plan = size(load(data), solver=solver, options=SolveOptions(time_limit_s=PATIENT_S), how=how)
    assert plan.ok
    assert router.verify(load(data), plan).ok
    assert plan.sizing is not None
    (quote,) = [row for row in plan.sizing.quotes or () if row.offer == name]
    return plan, quote


def least(quote: Quote) -> list[float | None]:
    return [off.least for off in quote.discounts or ()]


def of_use(*usd: float, agreements: list[Data], **more: Any) -> Data:
    """Hours that use so much of `a`, at its price of 2."""
    use = by_period([each / 2 * M for each in usd])
    return problem(use, [LISTED, OTHER], periods=len(usd), commitments=agreements, **more)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("discount", [0.0, 0.5])
def test_a_bill_that_counts_is_worth_signing_without_a_discount(solver: str, discount: float) -> None:
    """2 of use, and 12 due: 14. Under the plan 2 are billed, and 10 due, at any discount: 12."""
    inner = {**INNER, "min_usd": 2, "discount": discount}
    plan, quote = quoted(of_use(2, agreements=[inner, signed(12, 1.0)]), solver)
    assert plan.cost_usd == approx(12)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("sign", approx(2), [0.0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_where_too_little_counts_a_discount_is_needed_all_the_same(solver: str) -> None:
    """Use of 2 and of 6, 4 an hour committed, of which an eighth counts: 4 + 4 + (6 − 4 / (1 − d)) − 1 + 24 due.

    That is 37 − 4 / (1 − d), and without it 32: from 20 % on. At 40 % all 6 are covered: 31.
    """
    inner = {**INNER, "min_usd": 4, "discount": 0.4}
    _, quote = quoted(of_use(2, 6, agreements=[inner, signed(12, 0.125)]), solver)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("sign", approx(1), [approx(0.2, abs=1e-4)])


def test_levels_without_a_discount_count_too() -> None:
    """2 of use and 12 due; a level of 1.5 covers so much and counts: 1.5 + 0.5 + 10.5."""
    inner = {**INNER, "levels": [{"usd": 1.5, "discount": 0.0}]}
    plan, quote = quoted(of_use(2, agreements=[inner, signed(12, 1.0)]))
    assert plan.cost_usd == approx(12.5)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("sign", approx(1.5), [0.0, 0.0])


def test_a_discount_of_0_beside_a_level_s_is_not_said_to_be_needless() -> None:
    """Use of 2 and of 6, a level of 4 at 40 % of which an eighth counts: signed from 20 % on."""
    inner = {**INNER, "levels": [{"usd": 4, "discount": 0.4}]}
    plan, quote = quoted(of_use(2, 6, agreements=[inner, signed(12, 0.125)]))
    assert (quote.verdict, least(quote)) == ("sign", [0.0, approx(0.2, abs=1e-4)])
    assert plan.sizing is not None
    assert "none needed" not in str(quotes(plan.sizing))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("discount", "min_usd", "worth"), [(0.0, 2, 3.0), (0.5, 1, 4.0)])
def test_what_is_covered_escapes_the_price_of_overage(
    solver: str, discount: float, min_usd: float, worth: float
) -> None:
    """A million at 2 is due, a second above it costs 5: 7. Covered, the second costs 2, or 1.

    Without its discount the 1 covers half a million all the same: 2 + 1 + 2.5.
    """
    own = {"settled": "hour", "signed": True, "min_tokens": M, "overage_usd_per_m": 5.0}
    inner = {**INNER, "discount": discount, "min_usd": min_usd}
    data = problem(by_period([2 * M]), [api("a", 2.0, commitment=own)], commitments=[inner])
    _, quote = quoted(data, solver)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("sign", approx(worth), [0.0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_least_discount_is_stated_of_a_bill_that_counts_for_more_than_it_costs(solver: str) -> None:
    """Use of 2 and of 6, 4 an hour committed; three quarters of it count in two agreements, of which 0.25 each are due.

    These come to nothing, 1 in all: 14 − 4 / (1 − d) beside 8 + 1; at 40 % 8, worth 1.
    """
    agreements = [
        {**INNER, "min_usd": 4, "discount": 0.4},
        *(signed(0.25, 0.75, name) for name in ("x", "y")),
    ]
    _, quote = quoted(of_use(2, 6, agreements=agreements), solver)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("sign", approx(1), [None])


def test_no_least_discount_is_stated_of_bands_of_all_units_that_credits_pay() -> None:
    """2,000 of use a month, 20 % off and 10 % more: 1,440; a gift pays 100 with it or without."""
    bands = [{"from_usd": 0, "discount": 0.1}, {"from_usd": 5000, "discount": 0.3}]
    terms = {"discount": 0.2, "discount_tiers": bands, "tier_kind": "all_units", "min_usd": 1000}
    inner = {**INNER, **terms, "settled": "month", "overage": "contract"}
    gift = {"name": "gift", "offers": ["a"], "usd": 100}
    data = problem(by_period([1e9]), [LISTED], period_h=MONTH, commitments=[inner], credits=[gift])
    plan, quote = quoted(data)
    assert plan.cost_usd == approx(1340)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("sign", approx(560), [None] * 3)


def test_what_has_no_least_discount_is_not_called_never() -> None:
    """2,000 and 6,000 of use, 3,000 due a month: 3,000 + 6,000 · 0.9 · 0.94 is 76 above 8,000; more would save."""
    bands = [{"from_usd": 0, "discount": 0.05}, {"from_usd": 5000, "discount": 0.06}]
    terms = {"discount": 0.1, "discount_tiers": bands, "tier_kind": "all_units", "min_usd": 3000}
    inner = {**INNER, **terms, "settled": "month", "overage": "contract"}
    gift = {"name": "gift", "offers": ["a"], "usd": 100}
    data = problem(
        by_period([1e9, 3e9]), [LISTED], periods=2, period_h=MONTH, commitments=[inner], credits=[gift]
    )
    _, quote = quoted(data)
    assert (quote.verdict, quote.worth_usd, least(quote)) == ("walk away", approx(-76), [None] * 3)


@pytest.mark.parametrize(("due_usd", "share", "multiple"), [(30, 0.5, 20 / 7), (3000, 1.0, 430)])
def test_units_that_count_elsewhere_have_their_own_highest_price(
    due_usd: float, share: float, multiple: float
) -> None:
    """A machine at 10, or a unit at 7 λ that counts: 7 λ + max(due − 7 λ · share, 0) beside due + 10.

    At a half 3.5 λ = 10. Whole it costs nothing until all 3,000 count, and is dearer where 7 λ > 3,010.
    """
    units = {
        "name": "ptu",
        "offers": ["g"],
        "in": "units",
        "usd_per_unit_h": 7,
        "min_units": 1,
        "max_units": 1,
    }
    agreements = [units, signed(due_usd, share, counted="ptu")]
    _, quote = quoted(problem(by_period([M]), [gpu("g", 10, 1), OTHER], commitments=agreements), name="ptu")
    assert (quote.verdict, quote.walk_away_multiple) == ("sign", approx(multiple, rel=2e-3))


def test_the_report_says_that_no_discount_is_needed_and_the_check_knows_a_lie() -> None:
    """As above, at half price: what is stated of the least discount is 0, of all or of none."""
    inner = {**INNER, "min_usd": 2, "discount": 0.0}
    data = of_use(2, agreements=[inner, signed(12, 1.0)])
    plan, quote = quoted(data)
    section = plan.sizing
    assert isinstance(section, Sizing)
    assert "none needed" in str(quotes(section))
    (off,) = quote.discounts or ()
    for lie in (None, 0.1, -0.1):
        row = replace(quote, discounts=(replace(off, least=lie),))
        assert not router.verify(load(data), replace(plan, sizing=replace(section, quotes=(row,)))).ok
