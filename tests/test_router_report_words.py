"""Figures and sentences of reports, as people read them."""

from __future__ import annotations

import pytest

from router.reports import words


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (630_000, "630,000"),
        (1_860, "1,860.00"),
        (9_999.994, "9,999.99"),
        (9_999.996, "10,000"),
        (0.5, "0.50"),
        (0, "0.00"),
        (0.00128, "0.00128"),
        (-12.3, "-12.30"),
        (1e-15, "0.00"),
        (None, "–"),
    ],
)
def test_money_has_separators_and_cents_where_they_matter(amount: float | None, text: str) -> None:
    assert words.usd(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.6, "0.60"),
        (1.75817, "1.758"),
        (0.00128, "0.00128"),
        (15.5, "15.50"),
        (0, "0.00"),
        (1234.5, "1,234.50"),
    ],
)
def test_a_rate_has_four_digits_at_least(amount: float, text: str) -> None:
    assert words.rate(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (1.05e12, "1.05 T"),
        (10e6, "10 M"),
        (10e6 + 1e-9, "10 M"),
        (350, "350"),
        (999_999.9, "1 M"),
        (1500, "1.5 K"),
    ],
)
def test_counts_have_a_suffix(amount: float, text: str) -> None:
    assert words.count(amount) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1, "100 %"),
        (0.99999, "> 99.9 %"),
        (0.382, "38.2 %"),
        (0.0005, "0.05 %"),
        (0.00001, "< 0.01 %"),
        (0, "0 %"),
        (10.64, "1064 %"),
        (120.0, "120 ×"),
    ],
)
def test_percentages_do_not_flatter(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("gap", "stop", "kind", "text"),
    [
        (0.0, "optimal", "own", "proven optimal: no plan costs less"),
        (8.2e-7, "optimal", "own", "proven optimal: no plan costs less"),
        (
            0.0151,
            "time_limit",
            "own",
            "proven: no plan costs over 1.6 % less; stopped by the time limit of 60 s",
        ),
        (0.0, "optimal", "two_searches", "two searches found no cheaper plan; not proven"),
        (0.0, "optimal", "solver", "highs states that no plan costs less; not re-checked"),
        (8.2e-5, "optimal", "solver", "highs states that no plan costs over 0.0082 % less; not re-checked"),
        (None, "interrupted", "solver", "how much better a plan could be is not known; interrupted"),
        (
            float("inf"),
            "node_limit",
            "own",
            "how much better a plan could be is not known; stopped by the limit on nodes",
        ),
    ],
)
def test_the_proof_is_rounded_up_and_says_whose_word_it_is_and_what_ended_it(
    gap: float | None, stop: str, kind: str, text: str
) -> None:
    assert words.proof(gap, stop, 60.0, kind=kind, solver="highs") == text


@pytest.mark.parametrize(
    ("gap", "usd", "kind", "text"),
    [
        (1.0, 1.095e-6, "own", "proven: no plan costs 0.01 USD less"),
        (0.4, 0.0099, "solver", "highs states that no plan costs 0.01 USD less; not re-checked"),
        (0.4, 0.0099, "two_searches", "two searches found no plan that costs 0.01 USD less; not proven"),
        (0.0, 1.095e-6, "own", "proven optimal: no plan costs less"),
        (0.4, 0.01, "own", "proven: no plan costs over 40 % less"),
        (1.0, 0.01, "own", "how much better a plan could be is not known"),
    ],
)
def test_a_gap_to_nothing_is_not_read(gap: float, usd: float, kind: str, text: str) -> None:
    """No plan costs less than 0 USD: of one that costs under a cent none costs a cent less, whatever is proven."""
    assert words.proof(gap, "optimal", kind=kind, solver="highs", usd=usd).startswith(text)


def test_hours_become_days() -> None:
    assert words.hours(720) == "720 h (30 days)"
    assert words.hours(8) == "8 h"
    assert words.duration(1e9 / 5_000 / 3_600) == "2.31 days"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (628_337.7, "628,337"),
        (12.349, "12.34"),
        (12.34, "12.34"),
        (0.004, "0.004"),
        (0.0, "0.00"),
        (10_000.0, "10,000"),
    ],
)
def test_a_bound_is_rounded_down(amount: float, text: str) -> None:
    assert words.bound(amount, 2 * amount + 1) == text


def test_a_bound_that_the_plan_reaches_is_its_cost() -> None:
    assert words.bound(628_337.7, 628_337.8) == words.usd(628_337.8) == "628,338"
