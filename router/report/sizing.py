"""A sized plan as a buyer reads it: what to sign, what it is expected to cost, and what else was on the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

from router.plan import Plan
from router.report.document import Report, Table, columns
from router.report.plan import plan_report
from router.report.words import count, hours, instances, percent, proof, rate, usd

Row = Mapping[str, Any]
VERDICTS = {
    "sign": "sign",
    "walk away": "do not sign",
    "needed": "sign: no plan without it",
    "never": "do not sign, even for nothing",
    "impossible": "cannot be signed",
    "free": "sign at any price",
}


def report_of(plan: Plan) -> Report:
    """A plan's report, whichever command made it."""
    return sizing_report(plan) if "sizing" in plan.extra else plan_report(plan)


def sizing_report(plan: Plan) -> Report:
    """The recommendation first, then what it rests on, then the plan's own tables."""
    sizing: Row = plan.extra["sizing"]
    whole = plan_report(plan)
    tables = (
        _sign(sizing),
        _measures(sizing),
        _alternatives(sizing),
        _quotes(sizing),
        _flips(sizing),
        _evaluated(plan, sizing),
        _frontier(sizing),
        _worst(sizing),
        _fresh(sizing),
        *(table for table in whole.tables if table.title != "Futures" or len(plan.scenarios) <= 12),
    )
    notes = (*_left_out(sizing), *plan.notes)
    return Report(plan.name, _headline(plan, sizing), tuple(table for table in tables if table.rows), notes)


def _headline(plan: Plan, sizing: Row) -> tuple[str, ...]:
    signed = list(dict.fromkeys(str(row["offer"]) for row in sizing["sign"]))
    first = f"sign {', '.join(signed)}" if signed else "sign nothing"
    money = f"{usd(plan.cost_usd)} USD expected over {hours(plan.horizon_h)}"
    if len(plan.scenarios) > 1:
        tail = percent(1.0 - sizing["cvar_level"])
        money += f"; {usd(sizing['cvar_usd'])} USD in the worst {tail} of {len(plan.scenarios)} futures"
    limit = plan.solver.get("options", {}).get("time_limit_s")
    good = proof(plan.gap, plan.stop, limit)
    checks = plan.verified.get("checks", ())
    failed = [str(check["name"]) for check in checks if not check["ok"]]
    verdict = f"Verified: {len(checks)} independent checks passed"
    if not plan.ok:
        verdict = f"NOT VERIFIED: {', '.join(failed) or 'no check was made'}"
    return first, money, good[:1].upper() + good[1:], verdict


def _sign(sizing: Row) -> Table:
    rows = tuple(
        (
            str(row["offer"]) + (f", {row['model']}" if row["model"] else ""),
            amount(row),
            _months(row),
            usd(row["expected_usd"]),
            usd(row["least_usd"]),
            percent(row["expected_use"]),
            usd(row["beyond_horizon_usd"]),
        )
        for row in sizing["sign"]
    )
    heads = columns(
        "offer", ">how much", "months", ">USD expected", ">owed at least", ">used of it", ">owed later"
    )
    total = (
        "total",
        "",
        "",
        _sum(sizing, "expected_usd"),
        _sum(sizing, "least_usd"),
        "",
        _sum(sizing, "beyond_horizon_usd"),
    )
    return Table("What to sign", heads, rows, total if len(rows) > 1 else None)


def _sum(sizing: Row, name: str) -> str:
    return usd(fsum(row[name] for row in sizing["sign"]))


def amount(row: Row) -> str:
    """`500 M tokens a month`, `2,000.00 USD a month`, `4 instances`, `fee`."""
    if row["committed_tokens_per_month"] is not None:
        return f"{count(row['committed_tokens_per_month'])} tokens a month"
    if row["committed_usd_per_month"] is not None:
        return f"{usd(row['committed_usd_per_month'])} USD a month"
    if row["count"] is not None:
        return f"{instances(row['count'])} instance{'' if row['count'] == 1 else 's'}"
    return "fee"


def _months(row: Row) -> str:
    start, end = row["start_month"], row["end_month"]
    return "–" if start is None else f"{start + 1}–{end}"


def signs(rows: Sequence[Row]) -> str:
    """What a variant signs, on one line."""
    if not rows:
        return "nothing"
    parts = []
    for row in rows:
        late = f" from month {row['start_month'] + 1}" if row["start_month"] else ""
        what = "" if amount(row) == "fee" else f" {amount(row)}"
        parts.append(f"{row['offer']}{what}{late}")
    return ", ".join(parts)


def _measures(sizing: Row) -> Table:
    if "ws_usd" not in sizing:
        return Table("What the figures rest on", columns("", ">USD", ""), ())
    fails = sizing["eev_fails_in"]
    why = "EEV − RP: signing for the mean future instead" if not fails else _fails(fails)
    rows = (
        ("this plan", usd(sizing["rp_usd"]), "RP: the best that can be signed now"),
        ("knowing the future", usd(sizing["ws_usd"]), "WS: each future at its own best"),
        ("worth of knowing it", usd(sizing["evpi_usd"]), "EVPI = RP − WS"),
        ("the mean future", usd(sizing["ev_usd"]), "EV: if nothing were uncertain"),
        ("signing for that", usd(sizing["eev_usd"]), "EEV: and meeting all futures with it"),
        ("worth of scenarios", usd(sizing["vss_usd"]), f"VSS = {why}" if not fails else why),
        ("dearest futures", usd(sizing["cvar_usd"]), f"CVaR at {percent(sizing['cvar_level'])}"),
    )
    shown = rows if len(sizing.get("regret_usd", {})) > 1 else ()
    return Table("What planning with scenarios is worth", columns("", ">USD", "which is"), shown)


def _fails(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"none: the plan for the mean fails in {names[0]}{more}"


def _alternatives(sizing: Row) -> Table:
    rows = tuple(
        (
            str(row["what"]),
            usd(row["expected_usd"]),
            usd(row["cvar_usd"]),
            f"{row['more_usd']:+,.2f}",
            usd(fsum(one["least_usd"] for one in row["signs"])),
            usd(fsum(one["beyond_horizon_usd"] for one in row["signs"])),
            signs(row["signs"]),
        )
        for row in sizing.get("alternatives", ())
    )
    heads = columns("instead", ">USD expected", ">CVaR", ">more", ">owed at least", ">owed later", "signing")
    return Table("The nearest alternatives", heads, rows)


def _quotes(sizing: Row) -> Table:
    rows = []
    for row in sizing.get("quotes", ()):
        prices = row["prices"] or ({"what": "–", "model": None, "now_usd": None, "walk_away_usd": None},)
        for k, price in enumerate(prices):
            rows.append(
                (
                    "" if k else str(row["offer"]),
                    "" if k else VERDICTS.get(row["verdict"], row["verdict"]),
                    "" if k else usd(row["worth_usd"]),
                    str(price["what"]) + (f", {price['model']}" if price["model"] else ""),
                    rate(price["now_usd"]),
                    rate(price["walk_away_usd"]),
                    "" if k else percent(row["expected_use"]),
                    "" if k else percent(row["break_even_use"]),
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
    return Table("What each quote is worth", heads, tuple(rows))


def _flips(sizing: Row) -> Table:
    rows = []
    for row in sizing.get("flips", ()):
        way = "falls" if row["direction"] == "down" else "grows"
        if row["at"] is None:
            limit = "a tenth" if row["direction"] == "down" else "tenfold"
            rows.append((f"{way} to {limit}", "the advice stands"))
        elif not row["feasible"]:
            rows.append((f"{way} to {percent(row['at'])}", "no plan keeps every promise"))
        else:
            rows.append((f"{way} to {percent(row['at'])}", f"sign {signs(row['signs'])}"))
    return Table("When the advice flips", columns("if all demand", "then"), tuple(rows))


def _evaluated(plan: Plan, sizing: Row) -> Table:
    given = sizing.get("evaluated")
    if given is None:
        return Table("", (), ())
    best = ("advised", usd(plan.cost_usd), usd(sizing["cvar_usd"]), "", signs(sizing["sign"]))
    more = given["more_usd"]
    told = _fails(given["fails_in"]) if given["fails_in"] else signs(given["signs"])
    mine = (
        "as given",
        usd(given["expected_usd"]),
        usd(given["cvar_usd"]),
        "–" if more is None else f"{more:+,.2f}",
        told,
    )
    heads = columns("commitment", ">USD expected", ">CVaR", ">more", "signing")
    return Table("The commitment given, beside the best", heads, (best, mine))


def _frontier(sizing: Row) -> Table:
    rows = tuple(
        (
            f"{row['cvar_weight']:.2f}",
            usd(row["expected_usd"]),
            usd(row["cvar_usd"]),
            signs(row["signs"]),
        )
        for row in sizing.get("frontier", ())
    )
    heads = columns(">weight of risk", ">USD expected", ">CVaR", "signing")
    return Table("Expected cost against risk", heads, rows)


def _worst(sizing: Row) -> Table:
    rows = tuple(
        (
            str(row["scenario"]),
            percent(row["probability"]),
            percent(row["demand_over_mean"]),
            usd(row["cost_usd"]),
            usd(row["over_expected_usd"]),
            usd(row["regret_usd"]),
        )
        for row in sizing.get("worst", ())
    )
    heads = columns(
        "future", ">probability", ">demand of the mean", ">USD", ">above expected", ">regret of the signing"
    )
    return Table("The worst futures", heads, rows)


def _fresh(sizing: Row) -> Table:
    found = sizing.get("out_of_sample")
    if found is None:
        return Table("", (), ())
    low, high = found["ci95_usd"]
    inside = "inside" if found["rp_inside_ci"] else "outside"
    rows = (
        ("mean", usd(found["mean_usd"]), f"95 % confidence: {usd(low)} to {usd(high)}"),
        ("CVaR", usd(found["cvar_usd"]), f"at {percent(found['cvar_level'])}"),
        ("expected by the plan", usd(sizing["expected_usd"]), f"{inside} that interval"),
        ("not served", str(found["failed"]), f"of {found['count']} futures"),
    )
    return Table(f"In {found['count']} futures drawn afresh", columns("", ">USD", ""), rows)


def _left_out(sizing: Row) -> tuple[str, ...]:
    if "quotes" in sizing:
        return ()
    return ("large problem: --quotes and --alternatives N look into these, with some forty more searches",)
