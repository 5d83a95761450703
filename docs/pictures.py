"""The pictures of the docs: `python docs/pictures.py [report] [pipeline] [examples]`, all without a word.

report     the pages of a fleet, of a sized, an infeasible and a backtested case, as Chromium shows them at 1280 px; the
           fleet's also in the dark, and at 400 px
pipeline   how a problem file becomes a plan
examples   of each shipped example who serves what, and what it costs
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from html import escape
from pathlib import Path

import router
from router.errors import RouterError
from router.explaining import explain
from router.explaining.moving import vary
from router.loading.shipped import listed
from router.plan.document import Plan
from router.plan.values import to_json
from router.reports.page.charts import Bar, bars, flows, on_paper, under_each_other
from router.reports.page.companions import Companions, Json
from router.reports.page.document import to_html, to_html_without
from router.reports.page.engineering import largest
from router.reports.words import count, usd
from solvers import SolveOptions

PICTURES = Path(__file__).parent / "pictures"
EXAMPLES = Path(__file__).parents[1] / "router" / "examples"
WIDE, NARROW = (1280, 1000), (400, 1000)
STEPS = (
    ("problem.yaml", "people's units"),
    ("normalise", "units, indices"),
    ("encode", "families of rows"),
    ("solve", "HiGHS, CBC, …"),
    ("decode", "the only rounding"),
    ("verify", "from the file, anew"),
    ("plan.json", "report, exports"),
)


def fleet_page() -> None:
    """With what `explain` says, in the light, in the dark, and narrow."""
    fleet = router.load(EXAMPLES / "fleet.yaml")
    plan = router.solve(fleet)
    moving = vary(fleet, "workloads.writing.demand", 0.5, 2.0)
    asked = _json(replace(explain(fleet), moving=(moving,)).as_dict())
    page = to_html(plan, fleet, Companions(asked))
    _shot(page, "fleet", WIDE)
    _shot(page, "fleet-dark", WIDE, dark=True)
    _shot(page, "fleet-400", NARROW)


def sized_page() -> None:
    """What to sign."""
    sized = EXAMPLES / "sizing-quote.yaml"
    _shot(to_html(router.size(sized), router.load(sized)), "sized", WIDE)


def infeasible_page() -> None:
    """A budget that is too small."""
    hurried = router.load(EXAMPLES / "fleet.yaml").with_({"policy.max_spend_usd": 900.0})
    _shot(to_html_without(_json(explain(hurried).as_dict())), "infeasible", WIDE)


def backtested_page() -> None:
    """Two days replayed after one of history."""
    week = router.load(EXAMPLES / "backtest-servegen.yaml").with_({"horizon.periods": 72})
    replayed = router.backtest(week, forecast="same-hour-yesterday", lookahead=12, warm_up=24)
    page = to_html(router.solve(week), week, Companions(backtest=_json(replayed.to_dict())))
    _shot(page, "backtested", WIDE, at="backtest")


def _json(document: object) -> Json:
    read: Json = json.loads(to_json(document))
    return read


def _shot(page: str, name: str, size: tuple[int, int], *, dark: bool = False, at: str = "") -> None:
    """The first screen of a page, or the one that begins at a section. Narrow ones stand in a frame: Chromium has no
    window of 400 px."""
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed")
    page = page.replace("(prefers-color-scheme:dark)", "all") if dark else page
    with tempfile.TemporaryDirectory() as folder:
        inner, outer = Path(folder) / "page.html", Path(folder) / "frame.html"
        inner.write_text(page, encoding="utf-8")
        source = inner.as_uri() + (f"#{at}" if at else "")
        outer.write_text(
            f'<body style="margin:0"><iframe src="{escape(source)}" width="{size[0]}" height="{size[1]}" '
            'style="border:0;display:block"></iframe>',
            encoding="utf-8",
        )
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        flags += [f"--user-data-dir={folder}/profile", f"--window-size={max(size[0], 500)},{size[1]}"]
        PICTURES.mkdir(exist_ok=True)
        target = PICTURES / f"{name}.png"
        subprocess.run(
            [chromium, *flags, f"--screenshot={target}", outer.as_uri()], check=True, capture_output=True
        )


def pipeline() -> None:
    """Seven boxes; what re-checks the plan reads the problem file again."""
    wide, high, gap = 118, 54, 22
    parts = []
    for k, (name, what) in enumerate(STEPS):
        x = 10 + k * (wide + gap)
        fill = "#e8f1f8" if name not in ("verify",) else "#e5f4ee"
        parts.append(
            f'<rect x="{x}" y="40" width="{wide}" height="{high}" rx="6" fill="{fill}" stroke="#0072b2"/>'
        )
        parts.append(
            f'<text x="{x + wide / 2}" y="63" text-anchor="middle" font-weight="600">{escape(name)}</text>'
        )
        parts.append(
            f'<text x="{x + wide / 2}" y="81" text-anchor="middle" font-size="11" fill="#555">{escape(what)}</text>'
        )
        if k:
            parts.append(f'<path d="M{x - gap + 2},67 L{x - 6},67" stroke="#222" marker-end="url(#to)"/>')
    left, right = 10 + wide / 2, 10 + 5 * (wide + gap) + wide / 2
    parts.append(
        f'<path d="M{left},40 C{left},4 {right},4 {right},36" fill="none" stroke="#009e73" stroke-dasharray="5 3" '
        'marker-end="url(#to)"/>'
    )
    parts.append(
        f'<text x="{(left + right) / 2}" y="24" text-anchor="middle" font-size="11" fill="#00664a">'
        "plain loops that share no code with the planner</text>"
    )
    width = 10 + len(STEPS) * (wide + gap)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 106" role="img" '
        'aria-label="From the problem file to a verified plan" '
        'font-family="system-ui, \'DejaVu Sans\', Helvetica, Arial, sans-serif" font-size="13">\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
        '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#222"/></marker></defs>'
    )
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "pipeline.svg").write_text("\n".join([head, *parts, "</svg>"]) + "\n", encoding="utf-8")


def examples() -> None:
    """Of each that is a problem."""
    folder = PICTURES / "examples"
    folder.mkdir(parents=True, exist_ok=True)
    for example in listed():
        if not example.problem:
            continue
        problem = router.load(EXAMPLES / example.file)
        options = SolveOptions(time_limit_s=20.0)
        try:
            several = not isinstance(problem.scenarios, tuple) or len(problem.scenarios) > 1
            plan = (
                router.size(problem, options=options) if several else router.solve(problem, options=options)
            )
        except RouterError as error:
            sys.stderr.write(f"{example.name}: {error}\n")
            continue
        (folder / f"{example.name}.svg").write_text(_picture(plan), encoding="utf-8")


def _picture(plan: Plan) -> str:
    p = plan.probabilities()
    amounts: dict[tuple[str, str], float] = defaultdict(float)
    for row in plan.routes:
        amounts[row.workload, row.offer] += p[row.scenario] * (row.tokens or row.requests or 0.0)
    kept = largest(amounts)
    costs: dict[str, float] = defaultdict(float)
    for line in plan.cost_lines:
        costs[line.offer or line.kind] += line.usd
    rows = [
        Bar(name, cost, f"{usd(cost)} USD")
        for name, cost in sorted(costs.items(), key=lambda item: -item[1])[:8]
    ]
    flow = flows("Tokens from workloads to offers", kept, {pair: count(kept[pair]) for pair in kept})
    return on_paper(under_each_other(plan.name, [flow, bars("Cost by offer", rows)]))


MAKERS = {
    "fleet": fleet_page,
    "sized": sized_page,
    "infeasible": infeasible_page,
    "backtested": backtested_page,
    "pipeline": pipeline,
    "examples": examples,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or MAKERS:
        MAKERS[chosen]()
