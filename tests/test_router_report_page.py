"""`router report PLAN -o report.html`: every section of the page, its figures, and names that would be markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from problem_factory import api, gpu, hourly, load
from problem_factory import problem as problem_of

import router
from router.cli import cli
from router.errors import InputError
from router.explaining import explain
from router.explaining.moving import vary
from router.plan.document import Plan
from router.plan.values import to_json
from router.reports.page.charts import axis
from router.reports.page.companions import Companions, companions
from router.reports.page.document import to_html, to_html_without
from router.reports.page.money import by_month, by_workload
from router.reports.page.time import Calendar
from router.reports.words import usd

EXAMPLES = Path(__file__).parents[1] / "router" / "examples"


@cache
def sized_quote() -> Plan:
    """The plan of the example, sized once."""
    return router.size(EXAMPLES / "sizing-quote.yaml")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"

SECTIONS = {
    "cost-by-offer": "Cost by offer",
    "cost-by-workload": "Cost by workload",
    "cash-by-month": "Cash by month",
    "signed": "What is signed, owed at least, and owed later",
    "distribution": "Cost over futures",
    "break-even": "Break-even and frontier",
    "walk-away": "Walk-away prices",
    "instances": "Instances over time",
    "utilisation": "Utilisation",
    "routes": "Who serves what",
    "latency": "Latency, promised and simulated",
    "binds": "What binds",
    "refused": "What was refused",
    "alternatives": "Alternatives",
    "backtest": "Backtest",
    "proof": "Proof",
    "sources": "Sources of prices",
    "notes": "Assumptions and notes",
}


SIMULATION = {
    "promises": [
        {"workload": "chat", "period": 0, "promise": "ttft_p95", "limit_ms": 400.0, "achieved_ms": 321.0,
         "verdict": "kept"}
    ],
    "pools": [], "verdicts": {"kept": 1, "broken": 0, "undecided": 0}, "notes": ["seed 7"],
}  # fmt: skip
BACKTEST = {
    "replay": {}, "regret_share": 0.25, "cost_usd": 125.0, "hindsight_usd": 100.0,
    "regret_usd": 25.0, "period_h": 1.0, "series": {"cost_usd": [1.0, 2.0]}, "notes": [],
}  # fmt: skip


class Page(HTMLParser):
    """Tags, figures by name, text by section, and whatever is loaded or linked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.figures: dict[str, str] = {}
        self.sections: dict[str, str] = {}
        self.targets: list[str] = []
        self.handlers: list[str] = []
        self._figure: str | None = None
        self._section: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.targets += [known[name] or "" for name in ("src", "href", "action", "data") if name in known]
        self.handlers += [name for name in known if name.startswith("on")]
        self._figure = known.get("data-figure", self._figure)
        if tag == "section":
            self._section = known["id"] or ""
            self.sections[self._section] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "b":
            self._figure = None
        if tag == "section":
            self._section = None

    def handle_data(self, data: str) -> None:
        if self._figure is not None:
            self.figures[self._figure] = self.figures.get(self._figure, "") + data
        if self._section is not None:
            self.sections[self._section] += data


@pytest.fixture(scope="module")
def fleet() -> tuple[router.Problem, Plan]:
    problem = router.load(EXAMPLES / "fleet.yaml")
    return problem, router.solve(problem)


def test_every_section_stands_on_the_page(fleet):
    problem, plan = fleet
    page = Page(to_html(plan, problem))
    assert list(page.sections) == list(SECTIONS)
    for name, heading in SECTIONS.items():
        assert page.sections[name].strip().startswith(heading), name
    assert usd(plan.cost_usd) in page.sections["cost-by-offer"]
    assert page.figures["bound"] == f"{usd(plan.bound_usd)} USD"
    assert "not stated" in page.sections["sources"] or "coreweave" in page.sections["sources"]


def test_what_was_not_computed_names_its_command(fleet):
    page = Page(to_html(fleet[1]))
    for section, command in (
        ("distribution", "router size FILE"),
        ("break-even", "router explain FILE --vary"),
        ("walk-away", "router explain FILE"),
        ("latency", "router simulate PLAN --problem FILE"),
        ("binds", "router explain FILE"),
        ("alternatives", "router compare FILE"),
        ("backtest", "router backtest FILE"),
        ("sources", "router report PLAN --problem FILE"),
    ):
        assert command in page.sections[section], section


def test_what_other_commands_computed_stands_on_it(tmp_path):
    problem = load(problem_of([hourly(1e6)], [api("cheap", 1.0), api("dear", 2.0)]))
    explanation = explain(problem)
    (tmp_path / "explain.json").write_text(to_json(explanation.as_dict()))
    (tmp_path / "s.json").write_text(json.dumps(SIMULATION))
    (tmp_path / "b.json").write_text(json.dumps(BACKTEST))
    beside = companions([tmp_path / name for name in ("explain.json", "s.json", "b.json")])
    page = Page(to_html(router.solve(problem), problem, beside))
    assert "dear enters below" in page.sections["walk-away"] and "0.5 ×" in page.sections["walk-away"]
    assert "321" in page.sections["latency"] and "seed 7" in page.sections["latency"]
    assert page.figures["backtest-regret"] == "25.00 USD"
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="is not what explain"):
        companions([tmp_path / "other.json"])
    with pytest.raises(InputError, match="a second simulation"):
        companions([tmp_path / "s.json", tmp_path / "s.json"])


def test_a_sized_plan_has_its_distribution_and_walk_away_prices():
    plan = sized_quote()
    page = Page(to_html(plan))
    assert plan.sizing is not None
    costs = sorted((row.cost_usd, row.probability) for row in plan.scenarios)
    assert page.figures["p90"] == f"{usd(costs[-1][0])} USD"  # the dearest has 20 %
    assert page.figures["p10"] == f"{usd(costs[0][0])} USD"
    assert page.figures["owed-least"] == f"{usd(sum(row.least_usd for row in plan.sizing.sign))} USD"
    quoted = [quote for quote in plan.sizing.quotes or () if quote.walk_away_multiple is not None]
    assert quoted
    for quote in quoted:
        assert f"{quote.walk_away_multiple:.4g} ×" in page.sections["walk-away"]
    assert page.figures["expected"] == f"{usd(plan.sizing.expected_usd)} USD"


def test_hostile_names_are_text():
    """A name that is markup, in every place that a name has: no script, no image, no handler comes of it."""
    data = problem_of(
        [hourly(1e6, HOSTILE, unserved_usd_per_m_tokens=9)], [api("a", 1.0), gpu("b", 1000, 9.0)]
    )
    data["name"] = data["offers"][0]["name"] = HOSTILE
    data["offers"][0]["source"] = data["offers"][0]["note"] = f"javascript:{HOSTILE}"
    problem = load(data)
    plan = replace(router.solve(problem), notes=(HOSTILE,))
    html = to_html(plan, problem, Companions(explanation=explain(problem).as_dict()))
    page = Page(html)
    assert not {"script", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert not page.handlers
    assert HOSTILE in page.sections["notes"] and HOSTILE in page.sections["routes"]


def test_nothing_is_loaded_from_elsewhere(fleet):
    page = Page(html := to_html(*reversed(fleet)))
    assert all(target.startswith("#") or target == "data:," for target in page.targets)
    assert "default-src 'none'" in html and "@import" not in html and "url(" not in html
    links = {target[1:] for target in page.targets if target.startswith("#")}
    assert links - {"main"} == set(page.sections)


def test_costs_laid_to_workloads_and_months_sum_to_the_plan():
    """Three billing months of a server and an api, for two workloads."""
    data = problem_of(
        [hourly(3e6, "x"), hourly(1e6, "y")],
        [api("a", 2.0), gpu("g", 800, 1.0, max=1)],
        periods=3,
        period_h=730,
    )
    plan = router.solve(load(data))
    assert sum(by_workload(plan).values()) == pytest.approx(plan.cost_usd)
    months = by_month(plan)
    assert list(months) == [0, 1, 2]
    assert sum(months.values()) == pytest.approx(plan.cost_usd)
    for month in months.values():
        assert month == pytest.approx(plan.cost_usd / 3)


def test_hours_are_dates_where_the_plan_has_a_start(fleet):
    plan = replace(fleet[1], start="2026-11-30T00:00:00")
    assert Calendar.of(plan).label(6.0) == "30 Nov 06:00"
    assert Calendar.of(replace(plan, horizon_h=168.0)).label(24.0) == "1 Dec"
    assert Calendar.of(plan).label(30.0, full=True) == "2026-12-01 06:00"
    assert Calendar.of(replace(plan, start=None)).label(6.0) == "hour 6"
    assert "30 Nov 06:00" in to_html(plan)
    for hours in (0.5, 24.0, 168.0, 730.0, 8760.0, 26280.0):
        assert 2 <= len(Calendar.of(replace(plan, horizon_h=hours)).ticks()) <= 9


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (0, 1e-9), (3, 3), (0, 1261.6), (-2, 5), (0.58, 1.5), (0, 1e18)]
)
def test_axes_hold_what_is_drawn(low, high):
    start, ticks = axis(low, high)
    assert start <= low and ticks[-1] >= high and 2 <= len(ticks) <= 8


def test_the_command(tmp_path, fleet):
    problem, plan = fleet
    file, page = tmp_path / "plan.json", tmp_path / "report.html"
    file.write_text(plan.to_json())

    def run(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["report", str(file), *arguments], catch_exceptions=False).output

    run("--problem", str(EXAMPLES / "fleet.yaml"), "-o", str(page))
    assert page.read_text() == to_html(plan, problem)
    assert run("--format", "html").startswith("<!doctype html>")
    run("-o", str(tmp_path / "r.md"))
    assert (tmp_path / "r.md").read_text().startswith("# a fleet over one day")
    run("-o", str(tmp_path / "r.csv"))
    assert (tmp_path / "r.csv").read_text().startswith("offer,kind,usd")
    assert "go with the page" in run("--with", "x.json")
    with pytest.raises(InputError, match="is not the problem that the plan was made from"):
        CliRunner().invoke(
            cli,
            ["report", str(file), "--problem", str(EXAMPLES / "quickstart.yaml"), "-o", str(page)],
            standalone_mode=False,
            catch_exceptions=False,
        )


SHOWN = {
    "fleet": {
        "cost-by-offer": ("Cost by offer", "1,054.72"),
        "cost-by-workload": ("Cost by workload", "1,261.60"),
        "cash-by-month": ("Cash by month", "1,261.60"),
        "instances": ("Instances over time", "own-h100, llama-2-70b: instances and load"),
        "utilisation": ("Utilisation", "82.2 %"),
        "routes": ("Who serves what", "583.9 M"),
        "sources": ("Sources of prices", "together-ai"),
        "proof": ("Proof", "1,261.60 USD"),
        "notes": ("Assumptions and notes", HOSTILE),
    },
    "sized": {
        "signed": ("What is signed, owed at least, and owed later", "72.00 USD"),
        "distribution": ("Cost over futures", "115.20 USD"),
        "break-even": ("Break-even and frontier", "74.1 %"),
        "walk-away": ("Walk-away prices", "1.25 ×"),
        "alternatives": ("Alternatives", "100.80"),
        "sized": ("What knowing more would be worth", "80.64 USD"),
    },
    "others": {
        "break-even": ("Break-even and frontier", "on cheap"),
        "walk-away": ("Walk-away prices", "0.5 ×"),
        "latency": ("Latency, promised and simulated", "321"),
        "binds": ("What binds, and what a change would save", "No limit is reached."),
        "backtest": ("Backtest", "25.00 USD"),
        "reoptimised": ("Before and after", "yes"),
    },
    "infeasible": {
        "repairs": ("What would make a plan possible", "workloads.chat.slo.ttft_p95_ms: 600 (is 400)"),
        "conflict": ("What contradicts", "workloads.chat.demand"),
        "refused": ("What was refused", "slo.ttft_p95_ms: 600 (is 400)"),
    },
}
"""Every section that the page can have, on the page of an example that has it: its heading and one figure."""


def test_every_section_is_on_a_page_of_the_table():
    assert {name for sections in SHOWN.values() for name in sections} >= set(SECTIONS)


@pytest.fixture(scope="module")
def pages(fleet, tmp_path_factory) -> dict[str, str]:
    """By name in the table."""
    problem = load(problem_of([hourly(1e6)], [api("cheap", 1.0), api("dear", 2.0)]))
    slow = {"m": {"prompt_usd_per_m": 1.0, "completion_usd_per_m": 1.0, "ttft_p95_ms": 600}}
    late = problem_of([hourly(1e6, slo={"ttft_p95_ms": 400})], [{"name": "a", "models": slow}])
    store = f"sqlite:///{tmp_path_factory.mktemp('store')}/plans.db"
    router.reoptimise(problem, store)
    again = router.reoptimise(problem.with_({"offers.dear.prices": "x0.25"}), store).plan
    moving = vary(problem, "workloads.chat.demand", 0.5, 2.0)
    explanation = replace(explain(problem), moving=(moving,)).as_dict()
    return {
        "fleet": to_html(replace(fleet[1], notes=(HOSTILE,)), fleet[0]),
        "sized": to_html(sized_quote()),
        "others": to_html(again, None, Companions(json.loads(to_json(explanation)), SIMULATION, BACKTEST)),
        "infeasible": to_html_without(json.loads(to_json(explain(load(late)).as_dict()))),
    }


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; .ci/run installs it")
@pytest.mark.parametrize("name", SHOWN)
def test_what_the_table_says_is_shown_in_chromium_without_a_word_on_the_console(tmp_path, pages, name):
    file = tmp_path / "report.html"
    file.write_text(pages[name])
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [str(CHROMIUM), *flags, "--enable-logging=stderr", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert not [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    page = Page(done.stdout)
    for section, (heading, figure) in SHOWN[name].items():
        assert page.sections[section].strip().startswith(heading), section
        assert figure in page.sections[section], section
    assert "script" not in page.tags


def test_no_cell_of_a_csv_is_json(tmp_path):
    """Prices of quotes, steps of flips and what they sign have tables of their own, a figure a cell."""
    file = tmp_path / "sized.json"
    file.write_text(sized_quote().to_json())
    CliRunner().invoke(cli, ["export", "csv", str(file), "-o", str(tmp_path / "csv")], catch_exceptions=False)
    tables = {path.stem: path.read_text().splitlines() for path in (tmp_path / "csv").iterdir()}
    for name, lines in tables.items():
        assert not re.search(r'(^|,)"?[\[{]', "\n".join(lines), re.MULTILINE), name
    heads = "quotes_offer,what,model,from_tokens_per_month,now_usd,walk_away_usd"
    assert tables["quotes_prices"][0] == heads
    assert tables["quotes_prices"][1] == "cerebras-reserved,usd_per_m,,,0.6,0.75"
    assert tables["flips_steps"][0].startswith("flips_direction,flips_at,at,feasible,expected_usd")
    assert {"flips_steps_signs", "flips_signs", "alternatives_signs"} <= tables.keys()
