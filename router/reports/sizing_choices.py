"""What else was on the table of a sized plan: alternatives, amounts, quotes, other demands, the buyer's own terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import fsum

from router.plan.document import Plan
from router.plan.sizing import Amount, DemandStep, Flip, Price, Quote, QuotedDiscount, Signature, Sizing
from router.reports.document import ReportTable, columns
from router.reports.words import count, instances, percent, rate, usd

SAME = 1e-8  # relative
MANY = 12  # futures that are shown one by one
VERDICTS = {
    "sign": "sign",
    "walk away": "do not sign",
    "needed": "sign: no plan without it",
    "never": "do not sign, even for nothing",
    "impossible": "cannot be signed",
    "free": "sign at any price",
}


def amount(row: Signature) -> str:
    """`500 M tokens a month`, `2,000.00 USD a month`, `4 instances`, `2 hosts`, `fee`."""
    if (tokens := row.committed_tokens_per_month) is not None:
        return f"{count(tokens)} tokens a month" if tokens else "no minimum"
    if (dollars := row.committed_usd_per_month) is not None:
        return f"{usd(dollars)} USD a month" if dollars else "no minimum"
    if row.count is not None:
        word = "host" if row.kind == "hosts" else "instance"
        return f"{instances(row.count)} {word}{'' if row.count == 1 else 's'}"
    return "fee"


def signs(rows: Sequence[Signature]) -> str:
    """What a variant signs, on one line."""
    if not rows:
        return "nothing"
    parts = []
    amounts_of = {row.offer for row in rows if row.kind != "fee"}
    paid = {row.offer for row in rows if row.kind == "fee"}
    for row in rows:
        late = _late(row)
        if row.kind != "fee":
            fee = " and its fee" if row.offer in paid else ""
            parts.append(f"{row.offer} {amount(row)}{late}{fee}")
        elif row.offer not in amounts_of:
            parts.append(f"{row.offer}")
    return ", ".join(parts)


def failing(names: Sequence[str]) -> str:
    """`flop`, or `flop and 3 more`."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def more(amount_usd: float | None) -> str:
    """`+1,200.00`: above the plan advised."""
    return "–" if amount_usd is None else f"{amount_usd:+,.2f}"


def alternatives(sizing: Sizing) -> ReportTable:
    rows = tuple(
        (
            str(row.what),
            usd(row.expected_usd),
            usd(row.cvar_usd),
            more(row.more_usd),
            usd(fsum(one.least_usd for one in row.signs)),
            usd(fsum(one.beyond_horizon_usd for one in row.signs)),
            signs(row.signs),
        )
        for row in sizing.alternatives or ()
    )
    heads = columns("instead", ">USD expected", ">CVaR", ">more", ">owed at least", ">owed later", "signing")
    return ReportTable("The nearest alternatives", heads, rows)


def _late(row: Signature | Amount) -> str:
    """From when on, of what does not begin with the horizon."""
    if row.start_h is not None:
        return f" from hour {row.start_h:g}"
    return f" from month {row.start_month + 1}" if row.start_month else ""


def amounts(sizing: Sizing) -> ReportTable:
    """Every amount changed; the name stands in the first row of each."""
    rows: list[tuple[str, ...]] = []
    before = None
    for row in sizing.amounts or ():
        what = (row.offer, row.model, row.from_h)
        late = _late(row)
        name = str(row.offer) + (f", {row.model}" if row.model else "") + late
        own = instances(row.amount) if row.kind in ("instances", "hosts") else count(row.amount)
        told = f"fails in {failing(row.fails_in)}" if row.fails_in else ""
        if row.more_usd is not None and abs(row.more_usd) <= SAME * abs(sizing.rp_usd):
            told = "costs the same"
        rows.append(
            (
                "" if what == before else name,
                own,
                percent(row.over_advised),
                usd(row.expected_usd),
                usd(row.cvar_usd),
                more(row.more_usd),
                told,
            )
        )
        before = what
    heads = columns("of", ">amount", ">of what is advised", ">USD expected", ">CVaR", ">more", "")
    return ReportTable("Signing more or less of it", heads, tuple(rows)).without_empty("")


def quotes(sizing: Sizing) -> ReportTable:
    rows = []
    for row in sizing.quotes or ():
        priced = [(_price(price), rate(price.now_usd), rate(price.walk_away_usd)) for price in row.prices]
        needless = all(off.least == 0 for off in row.discounts or ())
        priced += [
            (_discount(off), percent(off.now), "none needed" if needless else _least(off))
            for off in row.discounts or ()
        ]
        for k, price in enumerate(priced or [("–", "–", "–")]):
            rows.append(
                (
                    "" if k else str(row.offer),
                    "" if k else VERDICTS.get(row.verdict, row.verdict),
                    "" if k else usd(row.worth_usd),
                    *price,
                    "" if k else percent(row.expected_use),
                    "" if k else _break_even(row),
                )
            )
    heads = columns(
        "quote",
        "advice",
        ">worth USD",
        "price",
        ">now",
        ">walk away above",
        ">use expected",
        ">break-even use",
    )
    return ReportTable("What each quote is worth", heads, tuple(rows))


def _discount(off: QuotedDiscount) -> str:
    """Of an offer, or from an amount on."""
    return f"discount, {off.offer or f'{usd(off.from_usd_per_month)} a month'}"


def _least(off: QuotedDiscount) -> str:
    """Below which discount it is not signed; the words for next to nothing say "below" themselves.

    Of none stated there is no less, whatever the others of the agreement are cut to.
    """
    words = percent(off.least) if off.least else "–"
    return words if not off.least or words.startswith("<") else f"< {words}"


def _price(price: Price) -> str:
    what, start = price.what, price.from_tokens_per_month
    above = f" from {count(start)} a month" if start else ""
    model = f", {price.model}" if price.model else ""
    return f"{_label(what)}{above}{model}"


def _label(what: str) -> str:
    """`prompt per M` of prompt_usd_per_m: a price in the words of its field, without what all of them are in."""
    label = " ".join(word for word in re.split("[_.]", what) if word != "usd")
    return re.sub(r" m$", " M", label)


def _break_even(row: Quote) -> str:
    """A share of what is committed; for a fee a volume."""
    share, volume = row.break_even_use, row.break_even_tokens_per_month
    if share is not None:
        return percent(share) if share <= 1 else "> 100 %"
    return "–" if volume is None else f"{count(volume)} a month"


def flips(sizing: Sizing) -> ReportTable:
    """What is signed at other demands, from the least to the most; where the advice changes is said."""
    rows: list[tuple[float, tuple[str, str, str]]] = []
    found = sizing.flips or ()
    for row in found:
        steps = [step for step in row.steps if step.at != row.at]
        rows += [(step.at, (percent(step.at), _then(step), "")) for step in steps]
        if row.at is not None:
            holds = f"the advice holds {'down' if row.direction == 'down' else 'up'} to here"
            rows.append((row.at, (percent(row.at), _then(row), holds)))
    if rows:
        ever = all(row.at is None for row in found)
        holds = ", and at every demand shown" if ever and len(found) > 1 else ""
        rows.append((1.0, ("100 %", signs(sizing.sign), f"as advised{holds}")))
    rows.sort(key=lambda row: row[0])
    heads = columns(">of all demand", "what to sign", "")
    return ReportTable("When the advice flips", heads, tuple(row for _, row in rows))


def _then(row: Flip | DemandStep) -> str:
    return signs(row.signs) if row.feasible else "no plan keeps every promise"


def evaluated(plan: Plan, sizing: Sizing) -> tuple[ReportTable, ...]:
    """The buyer's own commitment beside the best, and future by future where there are few."""
    given = sizing.evaluated
    if given is None:
        return ()
    fails = given.fails_in
    told = f"{signs(given.signs)}: no plan in {failing(fails)}. {given.why}" if fails else signs(given.signs)
    rows = (
        ("advised", usd(plan.cost_usd), usd(sizing.cvar_usd), "", signs(sizing.sign)),
        ("as given", usd(given.expected_usd), usd(given.cvar_usd), more(given.more_usd), told),
    )
    heads = columns("commitment", ">USD expected", ">CVaR", ">more", "signing")
    table = ReportTable("The commitment given, beside the best", heads, rows)
    mine = given.by_scenario_usd
    if mine is None or not 1 < len(plan.scenarios) <= MANY:
        return (table,)
    each = tuple(
        (
            row.name,
            percent(row.probability),
            usd(row.cost_usd),
            usd(mine[row.name]),
            more(mine[row.name] - row.cost_usd),
        )
        for row in plan.scenarios
    )
    heads = columns("future", ">probability", ">advised USD", ">as given USD", ">more")
    return table, ReportTable("Future by future", heads, each)


def frontier(sizing: Sizing) -> ReportTable:
    """Weights of one plan are one row."""
    merged: list[tuple[list[float], tuple[str, str, str]]] = []
    for row in sizing.frontier or ():
        told = (usd(row.expected_usd), usd(row.cvar_usd), signs(row.signs))
        if merged and merged[-1][1] == told:
            merged[-1][0].append(row.cvar_weight)
        else:
            merged.append(([row.cvar_weight], told))
    rows = tuple(
        (f"{weights[0]:.2f}" + (f"–{weights[-1]:.2f}" if len(weights) > 1 else ""), *told)
        for weights, told in merged
    )
    heads = columns(">weight of risk", ">USD expected", ">CVaR", "signing")
    return ReportTable("Expected cost against risk", heads, rows)
