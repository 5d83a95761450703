"""Figures as people read them: thousands separated, cents where they matter, percentages that do not flatter."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

CENTS_BELOW_USD = 10_000.0
_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))

STOP = {
    "optimal": "",
    "time_limit": "stopped by the time limit",
    "iteration_limit": "stopped by the limit on iterations",
    "node_limit": "stopped by the limit on nodes",
    "solution_limit": "stopped by the solver's limit on nodes or solutions",
    "exhausted": "the search ended before its time limit",
    "memory_limit": "stopped by the limit on memory",
    "objective_limit": "stopped by the limit on the objective",
    "interrupted": "interrupted",
    "unknown": "the search could not tell more",
}


def or_dash(show: Callable[[float], str]) -> Callable[[float | None], str]:
    """Also for what is not known: `–`."""

    @wraps(show)
    def shown(figure: float | None) -> str:
        return "–" if figure is None else show(figure)

    return shown


@or_dash
def usd(amount: float) -> str:
    """`630,000`, `1,860.00`, `0.00128`; cents below 10,000, and what is smaller than a cent in full."""
    if abs(amount) >= CENTS_BELOW_USD - 0.005:
        return f"{amount:,.0f}"
    if amount != 0 and abs(amount) < 0.01:
        return "0.00" if abs(amount) < 1e-9 else f"{amount:.3g}"
    return f"{amount:,.2f}"


@or_dash
def rate(amount: float) -> str:
    """A price per M tokens: as money, but with four digits at least."""
    digits = 2 if amount == 0 or abs(amount) >= 100 else max(2, 3 - math.floor(math.log10(abs(amount))))
    whole, _, cents = f"{amount:,.{digits}f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


@or_dash
def count(amount: float) -> str:
    """`1.05 T`, `10 M`, `350`: four significant digits."""
    for size, suffix in _SUFFIXES:
        if abs(amount) >= size * (1 - 5e-5):
            return f"{_plain(amount / size)} {suffix}"
    return _plain(amount)


@or_dash
def instances(amount: float) -> str:
    """Whole counts in full, fractions with two digits."""
    return f"{amount:,.0f}" if abs(amount - round(amount)) < 1e-9 else f"{amount:,.2f}"


@or_dash
def hours(amount: float) -> str:
    """`8 h`, or `55.6 h (2.31 days)` from a day and a half on."""
    text = f"{amount:,.0f} h" if amount >= 1000 or amount == round(amount) else f"{_significant(amount, 3)} h"
    return text if amount < 36 else f"{text} ({_significant(amount / 24, 3)} days)"


@or_dash
def duration(amount_h: float) -> str:
    """`8 h`, and from a day and a half on `2.31 days`."""
    return hours(amount_h) if amount_h < 36 else f"{_significant(amount_h / 24, 3)} days"


@or_dash
def percent(share: float) -> str:
    """`100 %`, `38.2 %`, `0.05 %`, `< 0.01 %`, `120 ×`; less than all is never shown as 100 %."""
    if share >= 20:
        return f"{share:,.0f} ×"
    if 0 < share < 1e-4:
        return "< 0.01 %"
    if 0.9995 <= share < 1 - 1e-9:
        return "> 99.9 %"
    text = f"{share * 100:.1f}" if abs(share) >= 0.01 else f"{share * 100:.2f}"
    return text.removesuffix(".0").removesuffix(".00") + " %"


def span(low: float, high: float) -> str:
    """`40 %` where both ends read the same, `20–60 %` otherwise."""
    first, last = percent(low), percent(high)
    return first if first == last else f"{first.removesuffix(' %')}–{last}"


OPTIMAL = 1e-6
"""Gap up to which no plan is said to cost less: what promises about capacity are kept to."""

A_CENT = 0.01
"""USD: of a plan that costs less, a gap is a part of nothing."""


def proof(
    gap: float | None,
    stop: str,
    time_limit_s: float | None = None,
    *,
    kind: str = "solver",
    solver: str = "the solver",
    usd: float = math.inf,
) -> str:
    """How good the plan is known to be, by whose word, and what ended the search. `kind` as in a plan's `proof`.

    usd   what the plan costs: a part of less than a cent says nothing to anybody
    """
    tiny = gap is not None and gap > OPTIMAL and 0.0 <= usd < A_CENT
    if not tiny and (gap is None or not gap < 1):
        known = "how much better a plan could be is not known"
    else:
        assert gap is not None  # tiny, or below 1
        less = "costs less" if gap <= OPTIMAL else f"costs over {_rounded_up(gap * 100)} % less"
        less = f"costs {A_CENT:g} USD less" if tiny else less
        if kind == "own":
            known = f"proven{' optimal' if gap <= OPTIMAL else ''}: no plan {less}"
        elif kind == "two_searches":
            cheaper = "cheaper plan" if gap <= OPTIMAL else f"plan that {less}"
            known = f"two searches found no {cheaper}; not proven"
        else:
            known = f"{solver} states that no plan {less}; not re-checked"
    why = STOP.get(stop, stop.replace("_", " "))
    if stop == "time_limit" and time_limit_s is not None:
        why = f"stopped by the time limit of {time_limit_s:g} s"
    return f"{known}; {why}" if why else known


def far(gap: float) -> str:
    """A gap as it may be stated: `0.27 %` of 0.264 %, never less than it is."""
    return f"{_rounded_up(gap * 100)} %" if gap > OPTIMAL else "0 %"


def bound(amount: float, cost: float) -> str:
    """What no plan costs less than: as `usd` where the plan's cost reaches it, else never more than it is."""
    step = 1.0 if abs(amount) >= CENTS_BELOW_USD - 0.005 else 0.01
    if amount < step or cost - amount <= OPTIMAL * abs(cost):
        return usd(amount)
    return usd(math.floor(amount / step + 1e-9) * step)


def as_sentence(text: str, name: str) -> str:
    """With a capital, but where it begins with a name."""
    return text if text.startswith(name) else text[:1].upper() + text[1:]


def _rounded_up(value: float) -> str:
    """Two significant digits, never less than the value: `1.5`, `0.000082`."""
    decimals = max(0, 1 - math.floor(math.log10(value)))
    text = f"{math.ceil(value * 10**decimals - 1e-6) / 10**decimals:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: float) -> str:
    text = f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _significant(value: float, digits: int) -> str:
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
