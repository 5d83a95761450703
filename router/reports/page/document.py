"""The whole page: one file, its style inside, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from router.loading.catalogue import load
from router.plan.document import Plan
from router.plan.file import read_plan
from router.reports.page.companions import Companions, Json, companions
from router.reports.page.elements import PageSection, listed, paragraph
from router.reports.page.engineering import engineering
from router.reports.page.finance import finance
from router.reports.page.history import history
from router.reports.page.infeasible import without_a_plan
from router.reports.page.why import rests_on, why
from router.reports.sizing import report_of
from router.reports.words import hours, proof, usd
from router.schema import Problem

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report(
    plan: Plan | str | Path,
    problem: Problem | str | Path | None = None,
    *,
    beside: Sequence[str | Path] = (),
) -> str:
    """A plan as one HTML page that opens offline.

    plan        a `Plan`, or the path of its file
    problem     a `Problem`, or the path of its file: for sources and dates of prices
    beside      files of JSON that `explain`, `simulate` or `backtest` wrote

    Gives the page as text; what was not computed names the command that computes it. Raises InputError.
    """
    stated = None if problem is None else load(problem)
    document = plan if isinstance(plan, Plan) else read_plan(plan, stated)
    return to_html(document, stated, companions(beside))


def to_html(plan: Plan, problem: Problem | None = None, beside: Companions | None = None) -> str:
    """The page of a plan; `problem` gives sources of prices, `beside` what other commands computed."""
    given = beside or Companions()
    report = report_of(plan)
    tables = {table.title: table for table in report.tables}
    parts = (
        ("What finance defends", finance(plan, tables, given)),
        ("What engineering runs", engineering(plan, tables, given)),
        ("Why this plan", why(plan, tables, given)),
        ("In time", history(plan, tables, given)),
        ("What it rests on", rests_on(plan, problem)),
    )
    body = [_head(plan, report.headline, [section for _, sections in parts for section in sections])]
    for title, sections in parts:
        body += [f"<h2>{escape(title)}</h2>", *(section.html for section in sections)]
    return _file(plan.name, "\n".join(body))


def to_html_without(explanation: Json) -> str:
    """The page of a problem that has no plan, of what `explain` found."""
    sentences, sections = without_a_plan(explanation)
    name = explanation["name"] or "problem"
    body = [_header(name, sentences, (), sections), *(section.html for section in sections)]
    return _file(name, "\n".join(body))


def _head(plan: Plan, headline: Sequence[str], sections: Sequence[PageSection]) -> str:
    further = [line for line in headline if not line.startswith(usd(plan.cost_usd))]
    return _header(plan.name, decision(plan), further, sections)


def _header(
    name: str, sentences: Sequence[str], headline: Sequence[str], sections: Sequence[PageSection]
) -> str:
    links = "".join(f'<a href="#{section.id}">{escape(section.heading)}</a>' for section in sections)
    return "\n".join(
        (
            '<a class="skip" href="#main">Skip to the figures</a>',
            f"<header><h1>{escape(name)}</h1>",
            *(paragraph(sentence, "decision") for sentence in sentences),
            listed(list(headline), "headline"),
            f'<nav aria-label="Sections">{links}</nav></header>',
            '<main id="main">',
        )
    )


def decision(plan: Plan) -> tuple[str, str]:
    """What to do, and what it costs, in two sentences."""
    offers: dict[str, float] = {}
    for line in plan.cost_lines:
        if line.offer is not None:
            offers[line.offer] = offers.get(line.offer, 0.0) + line.usd
    carriers = dict.fromkeys(row.offer for row in plan.routes)
    ranked = sorted(carriers, key=lambda name: -offers.get(name, 0.0))
    signed = dict.fromkeys(row.seller for row in plan.contracts if row.signed_by == "plan")
    what = f"Run on {_and(ranked)}" if ranked else "Run nothing"
    what += f" and sign {_and(list(signed))}." if signed else "; nothing new is signed."
    kind = "solver" if plan.proof is None else plan.proof.kind
    limit_s, by = plan.solver.options.time_limit_s, plan.solver.name
    good = proof(plan.gap, plan.stop, limit_s, kind=kind, solver=by, usd=plan.objective_usd)
    futures = len(plan.scenarios)
    expected = f", expected over {futures} futures" if futures > 1 else ""
    return what, f"That costs {usd(plan.cost_usd)} USD over {hours(plan.horizon_h)}{expected}; {good}."


def _and(names: list[str]) -> str:
    shown = names if len(names) <= 5 else [*names[:4], f"{len(names) - 4} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _file(title: str, body: str) -> str:
    style = files("router.reports.page").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</main>\n</body>\n</html>\n"
    )
