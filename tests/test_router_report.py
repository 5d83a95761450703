"""Reports of a plan: tables that fit the page, forms that keep every character, and no more said than is proven."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from problem_factory import api as api_offer
from problem_factory import hourly, load
from problem_factory import problem as problem_of

import router
from router import api
from router.cli import run as router_command
from router.loading.catalogue import load_text
from router.plan.document import TABLES, Plan, Verified, VerifiedCheck
from router.plan.rows import Settlement, StandsAt
from router.reports.document import Report, ReportTable, columns
from router.reports.explanation import _least
from router.reports.markdown import to_markdown
from router.reports.page.document import to_html
from router.reports.page.notebook import plan_html
from router.reports.plan import plan_report
from router.reports.table_csv import to_csv
from router.reports.text import to_text

EXAMPLES = Path(router.__file__).parent / "examples"


# ---------------------------------------------------------------- a plan

TEXT = """
schema: router/1
name: two periods
horizon: {periods: 2, period_h: 365}
models: {m: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [1M, 3M]}, prompt_tokens: 900, completion_tokens: 100,
     unserved_usd_per_m_tokens: 50}
offers:
  - {name: small, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, quota: {tokens_per_minute: 45662.1005}}
  - {name: dear, models: {m: {prompt_usd_per_m: 5, completion_usd_per_m: 5}}, quota: {tokens_per_minute: 68493.1507}}
  - {name: own, models: {m: {tokens_per_s: 1000}}, instances: {usd_per_h: 5, max: 0}}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    """365 h are 21,900 minutes: small takes 1,000 M a period, dear 1,500 M; of 3,000 M in the second 500 M stay."""
    return api.solve(load_text(TEXT))


def table(made: Report, title: str) -> ReportTable:
    return next(table for table in made.tables if table.title == title)


def test_shares_are_of_the_tokens_and_ranges_over_the_periods(plan: Plan) -> None:
    """4,000 M in all: small 2,000 M (all of the first, a third of the second), dear 1,500 M, 500 M unserved."""
    rows = {row[1]: row for row in table(plan_report(plan), "Who serves what").rows}
    assert rows["small"][3:] == ("50 %", "33.3–100 %", "2 B")
    assert rows["dear"][3:] == ("37.5 %", "0–50 %", "1.5 B")
    assert rows["left unserved"][3:] == ("12.5 %", "0–16.7 %", "500 M")


def test_costs_stand_with_their_share_and_sum_to_the_total(plan: Plan) -> None:
    """2,000 + 7,500 + 25,000 = 34,500 USD."""
    costs = table(plan_report(plan), "Cost")
    assert costs.rows[0] == ("–", "work left unserved", "25,000", "72.5 %")
    assert costs.total == ("total", "", "34,500", "100 %")


def test_instances_are_counted_over_all_periods() -> None:
    """One server for 1 M requests of 1,000 tokens at 1,000 tok/s needs 277.8 h of 365; three need 833.3 of 1,095."""
    own = (
        TEXT.replace("max: 0", "max: 9")
        .replace("usd_per_h: 5", "usd_per_h: 0.01")
        .replace("small,", "little,")
    )
    rows = table(plan_report(api.solve(load_text(own))), "Instances").rows
    assert rows == (("own", "m", "1", "2", "3", "76.1 %", "76.1 %"),)


def test_a_plan_that_was_not_verified_says_so_first(plan: Plan) -> None:
    broken = replace(plan, verified=Verified(ok=False, checks=(VerifiedCheck(name="demand", ok=False),)))
    assert plan_report(broken).headline[-1] == "NOT VERIFIED: demand"


@pytest.mark.parametrize("name", ["quickstart", "fleet", "mixed", "case-11-hybrid", "eligibility"])
def test_every_example_reports_in_every_form(name: str) -> None:
    made = api.solve(EXAMPLES / f"{name}.yaml")
    for width in (60, 100, 200):
        text = to_text(plan_report(made), width=width)
        assert "\x1b" not in text
        assert not any(line.endswith(" ") for line in text.splitlines())
    assert "## Cost" in to_markdown(plan_report(made))
    for rows in TABLES:
        read = list(csv.reader(StringIO(to_csv(made, rows))))
        assert len(read) == 1 + len(getattr(made, rows) or ())
        assert len({len(row) for row in read}) == 1


def test_csv_keeps_full_precision(plan: Plan) -> None:
    (first, *_) = csv.DictReader(StringIO(to_csv(plan, "routes")))
    assert float(first["share"]) == plan.routes[0].share
    assert first["scenario"] == ""


def test_where_a_contract_stands_has_a_column_for_each_figure(plan: Plan) -> None:
    """Not the text of an object in Python."""
    bill = Settlement("a", 0.0, 48.0, None, True, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None)
    rows = (bill, replace(bill, so_far=StandsAt(-24.0, 609.0, (1.0, 2.5))))
    first, other = csv.DictReader(StringIO(to_csv(replace(plan, settlements=rows), "settlements")))
    figures = ("so_far_since_h", "so_far_used", "so_far_unused")
    assert [first[name] for name in figures] == ["", "", ""]
    assert [other[name] for name in figures] == ["-24.0", "609.0", "1.0 2.5"]


# ---------------------------------------------------------------- forms

WIDE = Report(
    "wide",
    ("one line",),
    (
        ReportTable(
            "T",
            columns("name", "what it is about", ">figure"),
            (("a-name-of-some-length", "prose " * 30, "1,234,567,890.00"), ("b", "[bold]no markup[/]", "1")),
        ),
    ),
    ("a note",),
)


@pytest.mark.parametrize("width", [50, 60, 80, 100, 300])
def test_figures_are_never_cut_and_prose_wraps(width: int) -> None:
    text = to_text(WIDE, width=width)
    assert "1,234,567,890.00" in text
    assert "[bold]no markup[/]" in " ".join(text.split()) or width < 80
    if width >= 60:
        assert max(map(len, text.splitlines())) <= width


def test_a_page_too_narrow_makes_the_table_wider_rather_than_cut() -> None:
    rows = (("a" * 12, "1,234,567,890.00", "1,234,567,890.00"),)
    made = Report("r", ("",), (ReportTable("T", columns("n", ">x", ">y"), rows),))
    assert to_text(made, width=30).count("1,234,567,890.00") == 2


REFUSING = """
schema: router/1
models: {m: {parameters_b: 70}, n: {}, x: {}}
workloads: [{name: w, models: [m, n], demand: {requests_per_hour: 1}, prompt_tokens: 100, completion_tokens: 1}]
offers:
  - {name: o, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
  - {name: p, models: {x: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, limits: {max_parameters_b: 10}}
  - {name: q, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, limits: {max_parameters_b: 10}}
"""


def test_an_offer_that_lists_a_model_that_will_do_is_not_refused_for_another() -> None:
    """Of m and n either will do: o lists m, p neither, q lists m, which is too large for it."""
    (table,) = [
        table for table in plan_report(api.solve(load_text(REFUSING))).tables if table.title == "Refused"
    ]
    assert table.rows == (("model_too_large", "1", "w", "q"), ("model_not_offered", "2", "w", "p"))
    explained = {(row.offer, row.model): row.reasons for row in router.explain(load_text(REFUSING)).refused}
    assert explained == {("q", "m"): ("model_too_large",)}  # nothing of models that an offer does not list


NAMES = (
    "cerebras-reserved",
    "self-hosted-8x-h100",
    "llama-3.1-70b-instruct-fp8",
    "volume-contract-of-a-year",
)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_on_a_narrow_terminal_names_stand_whole_and_columns_are_left_out(width: int) -> None:
    """No line is wider than the terminal; what is left out is said under its table."""
    heads = columns("offer", "workload", "model", ">USD", ">by period", "note")
    rows = tuple((name, *NAMES[:2], "1,234,567.00", "12–34 %", "prose " * 20) for name in NAMES)
    made = Report("r", ("",), (ReportTable("T", heads, rows, ("total", "", "", "9", "", "")),))
    lines = to_text(made, width=width, whole=False).splitlines()
    assert max(map(len, lines)) <= width
    assert all(any(name in line for line in lines) for name in NAMES)
    (said,) = [line for line in lines if "left out" in line]
    assert f"left out at {width} columns: " in said
    shown = [head.title for head in heads if any(head.title in line for line in lines if line != said)]
    assert set(shown).isdisjoint(said.rpartition(": ")[2].split(", "))
    assert len(shown) + len(said.rpartition(": ")[2].split(", ")) >= len(heads)
    assert "left out" not in to_text(made, width=width)


@pytest.mark.parametrize("width", ["60", "80"])
def test_a_plan_fits_its_terminal(width: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Every offer, workload and model of the shipped fleet stands whole on one line."""
    monkeypatch.setenv("COLUMNS", width)
    assert router_command(["solve", str(EXAMPLES / "fleet.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(width)
    for name in ("writing", "own-h100", "spot-h100", "together-ai", "llama-2-70b"):
        assert any(name in line for line in lines), name


def test_colour_only_where_asked() -> None:
    assert "\x1b" in to_text(WIDE, colour=True)
    assert "\x1b" not in to_text(WIDE)


def test_markdown_keeps_what_has_a_meaning_there() -> None:
    odd = Report("a|b", ("x",), (ReportTable("T", columns("n", ">v"), (("p|q_r*", "1"),), ("sum", "1")),))
    text = to_markdown(odd)
    assert "| p\\|q\\_r\\* | 1 |" in text
    assert "|---|---:|" in text
    assert "| **sum** | **1** |" in text


FORMULAS = """
schema: router/1
models: {m: {}}
workloads:
  - {name: "=cmd|A1", models: [m], demand: {requests_per_day: 1000}, prompt_tokens: 100, completion_tokens: 100}
  - {name: "@sum", models: [m], demand: {requests_per_day: 1000}, prompt_tokens: 100, completion_tokens: 100}
offers:
  - {name: "+a", models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 2}}}
  - {name: "-b", models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2}}}
"""


def test_csv_holds_no_text_that_a_spreadsheet_runs() -> None:
    """An apostrophe before = + - @, a tab or a return; figures never get one, negative ones neither."""
    made = api.solve(load_text(FORMULAS))
    rows = list(csv.DictReader(StringIO(to_csv(made, "routes"))))
    assert {row["workload"] for row in rows} == {"'=cmd|A1", "'@sum"}
    assert {row["offer"] for row in rows} == {"'+a"}
    line = replace(made.cost_lines[0], usd=-1.5)
    assert to_csv(replace(made, cost_lines=(line,))).splitlines()[1] == "'+a,tokens,-1.5"
    for name in ("\tx", "\rx"):  # in plans of other hands: our own names are printable
        text = to_csv(replace(made, cost_lines=(replace(line, offer=name),)))
        assert text.split("\n")[1].startswith(f"'{name}")


def test_terms_that_add_up_share_their_bills() -> None:
    """Three terms of two hours at half off, use of 2, 4, 6: each is billed what it commits to, and all that is owed."""
    hours = "horizon: {periods: 3, period_h: 1}\nmodels: {m: {}}\n"
    size = "prompt_tokens: 1000, completion_tokens: 0"
    work = f"{{name: w, models: [m], demand: {{requests_by_period: [1000, 2000, 3000]}}, {size}}}"
    sold = "{name: a, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2}}}"
    terms = "settled: hour, discount: 0.5, min_usd: 0, max_usd: 9, term_h: 2, stackable: true"
    text = f"schema: router/1\n{hours}workloads: [{work}]\noffers: [{sold}]\n"
    plan = api.solve(load_text(f"{text}commitments: [{{name: plan, provider: v, offers: [a], {terms}}}]\n"))
    (table,) = (table for table in plan_report(plan).tables if table.title == "Contracts")
    titles = [column.title for column in table.columns]
    billed, later = titles.index("billed USD"), titles.index("owed later USD")
    assert len(table.rows) > 1
    assert sum(float(row[billed]) for row in table.rows) == pytest.approx(plan.cost_usd, abs=0.01)
    assert sum(float(row[later]) for row in table.rows) == pytest.approx(
        plan.settlements[-1].beyond_horizon_usd, abs=0.01
    )


def test_what_is_owed_after_the_horizon_stands_in_the_third_line():
    """A week under a contract of twelve months of 5,000 USD: 12 · 5,000 less 5,000 · 168 / 730 are 58,849.32."""
    data = problem_of(
        [hourly(40e6)],
        [
            api_offer("list", 2.0),
            api_offer("reserved", 0.3, commitment={"min_usd_per_month": 5000, "term_months": 12}),
        ],
        periods=168,
    )
    plan = router.solve(load(data))
    third = plan_report(plan).headline[2]
    assert third == "Owed after the horizon: 58,849 USD (reserved, months 1–12)"
    assert max(row.beyond_horizon_usd for row in plan.settlements) == pytest.approx(58_849.32, abs=0.005)


@pytest.mark.parametrize(
    ("gap", "kind", "text", "label"),
    [
        (0.0, "own", "proven optimal: no plan costs less", "no plan costs less, proven"),
        (
            0.0,
            "solver",
            "highs states that no plan costs less; not re-checked",
            "as highs states it, not re-checked",
        ),
        (0.0, "two_searches", "two searches found no cheaper plan; not proven", "two searches found none"),
        (0.00264, "own", "proven: no plan costs over 0.27 % less", "0.27 %"),
    ],
)
def test_page_notebook_and_explanation_say_no_more_than_is_proven(
    gap: float, kind: Any, text: str, label: str
) -> None:
    """Each has its sentence from the same words, and a bound that is not reached is rounded down: 630,000 · 0.99736."""
    best = router.solve(EXAMPLES / "quickstart.yaml")
    assert best.proof is not None
    proof = replace(best.proof, kind=kind)
    plan = replace(best, gap=gap, bound_usd=best.objective_usd * (1 - gap) + 0.9 * (gap > 0), proof=proof)
    page = to_html(plan)
    assert f"; {text}." in page
    assert label in page
    assert text in plan_html(plan)
    assert text in _least(plan)
    assert ("optimal" in repr(plan)) == (text.startswith("proven optimal"))
    if gap:
        assert "628,337 USD" in page
        assert "628,338" not in page
