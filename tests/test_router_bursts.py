"""What caps by the minute meet inside a period: right to the minute where it is recorded, drawn where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from router import api
from router.explaining import explain
from router.loading.catalogue import load_text
from router.plan.document import Plan
from router.plan.rows import MinuteSource, QuotaRow
from router.reports.explanation import explanation_report
from router.reports.plan import plan_report
from router.reports.simulation import simulation_report
from router.reports.table_csv import to_csv
from router.reports.text import to_text
from router.schema import Problem
from router.simulation import simulate
from router.sizing import size
from router.verification import verify

SOLVERS = ("highs", "pulp:COIN_CMD")
RECORD = Path(__file__).parent / "data" / "bursts.csv"
"""An hour of 550 requests: 20 minutes of 20, 30 of 5, 10 of none."""

TEXT = """
schema: router/1
horizon: {{periods: 1, period_h: 1{start}}}
models: {{gpt-4: {{}}}}
workloads:
  - {{name: app, models: [gpt-4], demand: {{{demand}}}, prompt_tokens: 5500, completion_tokens: 500{more}}}
offers:
  - {{name: east-us, provider: azure, models: {{gpt-4: {{prompt_usd_per_m: 30, completion_usd_per_m: 60}}}},
     quota: {{tokens_per_minute: 60K{part}}}}}
  - {{name: sweden, provider: azure, models: {{gpt-4: {{prompt_usd_per_m: 33, completion_usd_per_m: 66}}}},
     quota: {{tokens_per_minute: 60K{part}}}}}
"""


def app(demand: str = "requests_per_hour: 550", more: str = "", part: str = "", start: str = "") -> Problem:
    return load_text(TEXT.format(demand=demand, more=more, part=part, start=start))


def recorded(part: str = "") -> Problem:
    return app(f'trace: {{file: "{RECORD}"}}', part=part, start=', start: "2027-01-04T09:00:00"')


def rows(plan: Plan) -> dict[str, QuotaRow]:
    return {row.quota: row for row in plan.quotas or ()}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_recorded_hour(solver: str):
    """20 of 60 minutes are above ten requests, by ten each: 200 of 550 requests are refused."""
    plan = api.solve(recorded(), solver=solver)
    row = rows(plan)["east-us"]
    assert plan.cost_usd == pytest.approx(550 * 0.195)
    assert (row.kind, row.period, row.utilisation) == ("tokens", 0, pytest.approx(55 / 60))
    assert row.minutes_above == pytest.approx(20 / 60)
    assert row.refused == pytest.approx(200 / 550)
    assert plan.minutes == MinuteSource(0, 60, ("app",))
    assert any("36.4% of what is sent would be refused" in note for note in plan.notes)


@pytest.mark.parametrize("solver", SOLVERS)
def test_headroom_is_planned_on_and_the_cap_stays_the_providers(solver: str):
    """42 K a minute are planned: 420 requests an hour to the cheap one, of whose minutes X = 420 / 550 · D."""
    plan = api.solve(recorded(", max_utilisation: 0.7"), solver=solver)
    row = rows(plan)["east-us"]
    assert plan.cost_usd == pytest.approx(420 * 0.195 + 130 * 0.2145)
    assert (row.utilisation, row.minutes_above) == (pytest.approx(0.7), pytest.approx(20 / 60))
    assert row.refused == pytest.approx(20 * (20 * 420 / 550 - 10) / 420)


@pytest.mark.parametrize(("cv", "above", "refused"), [(1, 0.314, 0.092), (2, 0.41, 0.20)])
def test_arrivals_where_nothing_is_recorded(cv: int, above: float, refused: float):
    row = rows(plan := api.solve(app(more=f", arrival_cv: {cv}")))["east-us"]
    assert row.minutes_above == pytest.approx(above, abs=0.05 * cv)
    assert row.refused == pytest.approx(refused, abs=0.02 * cv)
    assert plan.minutes == MinuteSource(0, 1000, ())
    assert rows(api.solve(app(more=f", arrival_cv: {cv}"))) == rows(plan)


def test_even_arrivals_are_never_above():
    plan = api.solve(app("requests_per_hour: 600", more=", arrival_cv: 0"))
    assert (rows(plan)["east-us"].minutes_above, rows(plan)["east-us"].refused) == (0, 0)
    assert not any("refused" in note for note in plan.notes)


def test_work_that_moves_is_even():
    assert rows(api.solve(app(more=", deferrable_h: 1, arrival_cv: 8")))["east-us"].refused == 0


KINDS = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {}, n: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [600, 12_000]}, prompt_tokens: 100, completion_tokens: 10,
     cached_prompt_share: 0.5, arrival_cv: 3}
  - {name: batch, models: [n], demand: {tokens_per_hour: 600_000, completion_share: 0.1}, arrival_cv: 2}
  - {name: night, models: [n], demand: {requests_per_hour: 60}, prompt_tokens: 50, completion_tokens: 5,
     deferrable_h: 1}
  - {name: abroad, models: [m], demand: {requests_per_hour: 300}, prompt_tokens: 40, completion_tokens: 4,
     origin: {eu: 0.75, us: 0.25}}
offers:
  - name: api
    provider: a
    models:
      m: {prompt_usd_per_m: 1, completion_usd_per_m: 2, cached_prompt_burndown: 0.1, completion_burndown: 5,
          quota: {uncached_prompt_tokens_per_minute: 15_000, completion_tokens_per_minute: 2500}}
      n: {prompt_usd_per_m: 1, completion_usd_per_m: 2}
    quota: {tokens_per_minute: 40_000, units_per_minute: 50_000}
    schedule: [{daily: {start: "01:00", end: "02:00"}, set: {quota: {tokens_per_minute: 80_000}}}]
quotas:
  - {name: account, workloads: [chat, abroad], requests_per_minute: 250, prompt_tokens_per_minute: 30_000}
scenarios:
  - {name: base, probability: 0.5}
  - {name: less, probability: 0.5, demand: {chat: 0.3}}
"""


def test_every_kind_of_cap_in_time_over_offers_and_in_scenarios():
    """Of offer, model and account: the check reckons each again, in every period and future."""
    problem = load_text(KINDS.replace("horizon: {", "horizon: {start: 2027-01-01, "))
    plan = api.solve(problem, scenario="less")
    found = {(row.quota, row.kind, row.period) for row in plan.quotas or ()}
    kinds = {("api", "tokens"), ("api", "units"), ("account", "requests"), ("account", "prompt_tokens")}
    kinds |= {("api,m", "uncached_prompt_tokens"), ("api,m", "completion_tokens")}
    assert found == {(*kind, t) for kind in kinds for t in (0, 1)}
    sized = size(problem)
    assert {row.scenario for row in sized.quotas or ()} == {"base", "less"}
    assert len(sized.quotas or ()) == 2 * len(found)
    means = [row.utilisation for row in plan.quotas or () if (row.quota, row.kind) == ("api", "tokens")]
    own = 10_000 + 55 + 5 * 44  # batch, night and abroad a minute
    assert means == pytest.approx([(3 * 110 + own) / 40_000, (60 * 110 + own) / 80_000])


CASCADE = """
schema: router/1
horizon: {periods: 1, period_h: 1}
models: {small: {quality: 0.7}, big: {quality: 0.9}}
workloads:
  - name: app
    models: [big]
    demand: {requests_per_hour: 1200}
    prompt_tokens: 1000
    completion_tokens: 100
    cached_prompt_share: 0.5
    arrival_cv: 2
    origin: {eu: 0.4, us: 0.6}
    recipes:
      - {name: cascade, quality: 0.88, steps: [{models: [small], requests: 1},
         {models: [big], requests: 0.3, prompt_tokens: 1300, cached_prompt_share: 0.2}]}
offers:
  - name: a
    provider: a
    models:
      small: {prompt_usd_per_m: 0.1, completion_usd_per_m: 0.2}
      big: {prompt_usd_per_m: 3, completion_usd_per_m: 6, cached_prompt_burndown: 0.1}
    quota: {uncached_prompt_tokens_per_minute: 40K, units_per_minute: 1M, requests_per_minute: 60}
"""


def test_steps_of_a_recipe_come_with_the_requests_that_they_answer():
    """20 requests a minute: 20 and 6 go out, of 500 and 1,040 uncached prompt tokens."""
    plan = api.solve(load_text(CASCADE))
    means = {row.kind: row.utilisation for row in plan.quotas or ()}
    assert means["requests"] == pytest.approx(26 / 60)
    assert means["uncached_prompt_tokens"] == pytest.approx((20 * 500 + 6 * 1040) / 40_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quotas": ()},
        {"minutes": None},
        {"minutes": MinuteSource(1, 60, ("app",))},
        {"minutes": MinuteSource(0, 60, ())},
        {"minutes": MinuteSource(0, 1000, ("app",))},
    ],
)
def test_a_plan_that_says_otherwise_fails_its_check(wrong: dict[str, object]):
    problem = recorded()
    plan = api.solve(problem)
    assert verify(problem, plan).ok
    assert verify(problem, replace(plan, **wrong)).failed() == ("bursts",)


@pytest.mark.parametrize("figure", ["utilisation", "minutes_above", "refused"])
def test_a_figure_that_is_wrong_fails_the_check(figure: str):
    problem = recorded()
    plan = api.solve(problem)
    row = rows(plan)["east-us"]
    off = replace(row, **{figure: getattr(row, figure) * 1.0001})
    assert verify(problem, replace(plan, quotas=(off,))).failed() == ("bursts",)
    assert verify(problem, replace(plan, quotas=(row, row))).failed() == ("bursts",)


def test_simulation_says_the_same_of_a_cap():
    """Its own arrivals of the same law, over many more minutes."""
    problem = app(more=", arrival_cv: 1")
    plan = api.solve(problem)
    met = simulate(problem, plan, requests=60_000).quotas
    assert [(row.quota, row.kind, row.period) for row in met] == [("east-us", "tokens", 0)]
    assert met[0].minutes > 5000
    assert met[0].minutes_above == pytest.approx(0.314, abs=0.025)
    assert met[0].refused == pytest.approx(0.092, abs=0.01)
    assert met[0].planned_refused == rows(plan)["east-us"].refused


def test_what_is_refused_stands_in_report_explanation_and_simulation():
    problem = recorded()
    plan = api.solve(problem)
    explained = to_text(explanation_report(explain(problem)))
    for text in (to_text(plan_report(plan)), explained):
        assert "Limits by the minute" in text
        assert "36.4 %" in text
    assert "Limits by the minute" in to_text(simulation_report(simulate(problem, plan)))
    assert to_csv(plan, "quotas").splitlines()[0].startswith("quota,kind,period,scenario,utilisation")
