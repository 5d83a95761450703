"""Prefill and decode, whole nodes, regions, a cascade: shipped examples answer what their pages say, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import router
from router.exporters import tables, tfvars
from router.loading.catalogue import load_text
from router.plan.document import Plan
from router.reports.page.document import to_html
from router.reports.page.money import by_month
from router.reports.plan import plan_report

EXAMPLES = Path(router.__file__).parent / "examples"
PAGE = (EXAMPLES / "README.md").read_text(encoding="utf-8")
API = 3600 * (8200 * 0.10 + 256 * 0.50) / 1e6
"""USD an hour for a request a second at the API of prefill-decode."""


@pytest.fixture(scope="module")
def nodes() -> Plan:
    return router.solve(EXAMPLES / "nodes.yaml")


def counts(plan: Plan) -> dict[tuple[str, int], float]:
    return {(row.role or row.offer, row.period): row.count for row in plan.instances}


@pytest.mark.parametrize(
    ("name", "usd", "shown"),
    [
        (
            "prefill-decode",
            8 * ((2 * 3 + 12) + (4 * 3 + 12 + 4 * API) + (7 * 3 + 2 * 12)),
            "805.21 USD a day",
        ),
        ("cascade", 1e6 * (0.003 + 0.3 * 0.017), "8,100 USD a month"),
        ("nodes", 8 * (88 + (2 * 88 + 1200 * (3000 * 3 + 500 * 12) / 1e6) + 2 * 88), "3,664 USD a day"),
        (
            "regions",
            730 * (3 * 4 + 4 * 3) + 730 * 3600 * 700 * 4 / 1e9 * (1 * 0.09 + 2.5 * 0.12),
            "17,523 USD a month",
        ),
    ],
)
def test_an_example_costs_what_its_page_says(name: str, usd: float, shown: str) -> None:
    assert router.solve(EXAMPLES / f"{name}.yaml").cost_usd == pytest.approx(usd)
    assert f"`router solve {name}.yaml` answers {shown}" in PAGE
    assert f"{usd:,.2f}".removesuffix(".00") == shown.split()[0] or f"{usd:,.0f}" == shown.split()[0]


def test_workers_are_counted_by_half_and_a_bundle_is_dearer() -> None:
    """2 and 1 by night, 4 and 1 by day, 7 and 2 in the evening; 1, 1 and 2 bundles of 24 USD, and the API by day."""
    problem = router.load(EXAMPLES / "prefill-decode.yaml")
    plan = router.solve(problem)
    both = [[counts(plan)[role, t] for t in range(3)] for role in ("prefill", "decode")]
    assert both == [[2, 4, 7], [1, 1, 2]]
    text = (EXAMPLES / "prefill-decode.yaml").read_text(encoding="utf-8")
    head, rest = text.split("    models: {m: {prompt_tokens_per_s")
    bundle = (
        "    models: {m: {prompt_tokens_per_s: 164000, completion_tokens_per_s: 5120, disaggregated: true}}\n"
        "    instances: {usd_per_h: 24, units: 8}\n"
    )
    whole = router.solve(load_text(head + bundle + rest[rest.index("  - name: api") :])).cost_usd
    assert whole == pytest.approx(8 * (24 * 4 + 4 * API))
    assert f"cost {whole:,.2f} USD" in PAGE


def test_longer_answers_need_decode_workers_alone() -> None:
    """Half the requests for a decode worker: 2 + 1, 5 + 3 and 7 + 4 workers, 18 + 51 + 69 USD an hour."""
    problem = router.load(EXAMPLES / "prefill-decode.yaml").with_({"workloads.chat.completion_tokens": 512})
    plan = router.solve(problem)
    assert plan.cost_usd == pytest.approx(8 * (18 + 51 + 69))
    assert f"{plan.cost_usd:,.0f} USD, 5 and 3 workers by day, 7 and 4 in the evening" in PAGE.replace(
        "\n  ", " "
    )


def test_the_table_of_hosts_says_what_lives_in_them(nodes: Plan) -> None:
    """One by night and two in the evening are filled alike; by day four large replicas, one small one beside them."""
    table = next(table for table in plan_report(nodes).tables if table.title == "Hosts")
    assert table.rows == (
        ("node", "all of them", "1", "1.67", "2"),
        ("", "2 × large-replica + 2 × small-replica", "0", "1", "2"),
        ("", "2 × large-replica", "0", "0.33", "1"),
        ("", "2 × large-replica + 1 × small-replica", "0", "0.33", "1"),
    )
    assert "2 × large-replica + 2 × small-replica" in to_html(nodes)


def test_where_an_api_is_dear_a_third_node_is_bought_by_day() -> None:
    """16 GPUs of replicas, 5 · 3 + 1, do not fit in two nodes of 8."""
    dear = router.load(EXAMPLES / "nodes.yaml").with_({"offers.large-api.prices": "x10"})
    plan = router.solve(dear)
    assert plan.cost_usd == pytest.approx(8 * 88 * (1 + 3 + 2))
    assert f"`: {plan.cost_usd:,.0f} USD, with the third node" in PAGE


def test_nodes_are_exported_by_the_hour_and_by_what_lives_in_them(nodes: Plan) -> None:
    assert json.loads(tfvars(nodes).text)["router_hosts"] == {"node": {"max": 2, "by_period": [1, 2, 2]}}
    made = tables(nodes)
    assert made["hosts.csv"].splitlines() == [
        "host,period,scenario,count",
        "node,0,,1.0",
        "node,1,,2.0",
        "node,2,,2.0",
    ]
    lines = made["hosts_patterns.csv"].splitlines()
    assert lines[0] == "host,period,scenario,pattern,hosts,units,free,offer,model,role,count"
    assert lines[1:3] == [
        "node,0,,0,1.0,8.0,false,large-replica,large,,2",
        "node,0,,0,1.0,8.0,false,small-replica,small,,2",
    ]
    assert lines[-1] == "node,2,,0,2.0,8.0,false,small-replica,small,,2"


def test_hosts_are_paid_in_the_months_in_which_they_run() -> None:
    """A month with one node and a month with two: 730 · 88 USD, and twice that."""
    text = (EXAMPLES / "nodes.yaml").read_text(encoding="utf-8")
    text = text.replace("periods: 3, period_h: 8", "periods: 2, period_h: 730")
    text = text.replace("[112K, 240K, 224K]", "[9M, 20M]").replace("[560K, 240K, 1120K]", "[0, 0]")
    assert by_month(router.solve(load_text(text))) == pytest.approx({0: 730 * 88, 1: 730 * 2 * 88})


def test_each_model_in_nodes_of_its_own_is_dearer() -> None:
    """Two nodes by night, three by day beside the API, three in the evening."""
    text = (EXAMPLES / "nodes.yaml").read_text(encoding="utf-8")
    kinds = "".join(
        f"  - {{name: {size}-node, usd_per_h: 88, units: 8, offers: [{size}-replica]}}\n"
        for size in ("large", "small")
    )
    apart = router.solve(load_text(text[: text.index("  - {name: node,")] + kinds))
    assert apart.cost_usd == pytest.approx(8 * (88 * (2 + 3 + 3) + 18))
    assert f"3 of them, and the API by day: {apart.cost_usd:,.0f} USD" in PAGE


def test_users_stay_where_they_are_but_for_the_room_elsewhere() -> None:
    """Of 12.5 a second: eu 6 at home and 1 to us, us 3 at home, ap 2.5 to us."""
    plan = router.solve(EXAMPLES / "regions.yaml")
    shares = {(row.origin, row.offer): row.share for row in plan.routes}
    assert shares == pytest.approx(
        {("eu", "eu-pool"): 0.48, ("eu", "us-pool"): 0.08, ("us", "us-pool"): 0.24, ("ap", "us-pool"): 0.2}
    )
    whole = router.load(EXAMPLES / "regions.yaml").with_({"offers.us-pool.instances.max": 7})
    egress = 730 * 3600 * 700 * 4 / 1e9 * (7 * 0.09 + 2.5 * 0.12)
    assert router.solve(whole).cost_usd == pytest.approx(730 * 21 + egress)
    assert f"States, {730 * 21 + egress:,.0f} USD" in PAGE


def test_a_cascade_pays_up_to_its_break_even() -> None:
    """0.012 USD saved on each request, 0.017 for each escalated: 70.6 %."""
    problem = router.load(EXAMPLES / "cascade.yaml")
    escalated = "workloads.chat.recipes.cascade.steps[1].requests"
    assert router.solve(problem.with_({escalated: 0.70})).cost_usd == pytest.approx(3000 + 0.7 * 17_000)
    assert router.solve(problem.with_({escalated: 0.71})).cost_usd == pytest.approx(15_000)
    assert f"{escalated}=0.75`: 15,000 USD, the frontier alone" in PAGE
