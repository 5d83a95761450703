"""`router.verification` on a plan priced by hand, and on the same plan with each promise broken in turn."""

from __future__ import annotations

import ast
import copy
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaign import times
from hypothesis import given, settings
from hypothesis import strategies as st
from test_router_verify_plans import SHOP, line, plan_for, shop_plan, shop_rows, verify

import router.verification
from router.errors import InputError
from router.loading.catalogue import load_text

PROBLEM = load_text(SHOP)

Plan = dict[str, Any]
Edit = Callable[[Plan], None]


def test_a_right_plan_passes_every_check():
    """730 h. Chat: 73,000 requests of 1,000 + 500 tokens; batch: 36,500 of 1,000 + 0.

    a    0.25 of chat: 18.25 M prompt · 2 + 9.125 M completion · 4             73.00   fee 73.00
    b    0.75 of chat: 82.125 M tokens · 1, above its minimum of 60 M          82.125
    box  0.8 of batch: 2 instances · 2.00 $/h · 730 h                       2,920.00
         energy 0.10 · 1 kW · 2 · 730 h                                       146.00
    left 0.2 of batch: 7.3 M tokens · 2                                        14.60
    sum                                                                     3,308.725
    """
    problem = load_text(SHOP)
    verdict = verify(problem, shop_plan(problem))
    assert verdict.failed() == ()
    assert verdict.ok
    assert verdict.cost_usd == pytest.approx(3308.725, abs=1e-9)
    assert all(0 <= check.worst < 1e-6 for check in verdict.checks)


def less_batch(plan: Plan) -> None:
    """0.7 of the batch runs and 0.2 is left: 0.1 of it is nowhere. Own instances: no cost changes."""
    row = plan["routes"][2]
    row.update(share=0.7, requests=25_550.0, prompt_tokens=25.55e6)
    plan["instances"][0]["utilisation"] *= 7 / 8


def moved_within_the_sum(plan: Plan) -> None:
    plan["cost_lines"][0]["usd"] += 1.0
    plan["cost_lines"][1]["usd"] -= 1.0


def eleven_months(plan: Plan) -> None:
    """A term of 12 that ends after 11, with what it would then owe beyond the horizon."""
    plan["contracts"][0]["until_h"] = 11 * 730.0
    plan["settlements"][0]["beyond_horizon_usd"] = 600.0


def to(path: str, value: object) -> Edit:
    """Sets `routes.0.share` and the like."""

    def edit(plan: Plan) -> None:
        *parents, last = path.split(".")
        at: Any = plan
        for key in parents:
            at = at[int(key)] if key.isdigit() else at[key]
        at[last] = value

    return edit


def drop(path: str) -> Edit:
    def edit(plan: Plan) -> None:
        key, index = path.split(".")
        del plan[key][int(index)]

    return edit


PLAN_MUTATIONS: list[tuple[str, Edit]] = [
    ("fields", lambda plan: plan["cost_lines"].append({"offer": "nobody", "kind": "fee", "usd": 0.0})),
    ("problem", to("problem_sha256", "0" * 64)),
    ("problem", to("name", "another shop")),
    ("problem", to("horizon_h", 731.0)),
    ("demand", less_batch),
    ("quantities", to("routes.0.requests", 18_251.0)),
    ("quantities", to("routes.1.prompt_tokens", 1.0)),
    ("quantities", to("unserved.0.usd", 14.0)),
    ("allowances", to("routes.2.free_share", 0.0)),  # of an offer that gives nothing away
    ("refused", drop("refused.0")),
    ("refused", to("refused.0.reasons", ["denied"])),
    (
        "refused",
        lambda plan: plan["refused"].append(
            {"workload": "chat", "offer": "a", "model": "big", "reasons": ["denied"]}
        ),
    ),
    ("utilisation", to("instances.0.utilisation", 0.5)),
    ("starts", lambda plan: plan["instances"][0].update(started=1.0)),
    ("contracts", drop("contracts.0")),
    ("contracts", eleven_months),
    ("contracts", to("contracts.0.signed_by", "before")),
    ("settlements", to("settlements.0.billed_usd", 80.0)),
    ("settlements", to("settlements.0.used_tokens", 82e6)),
    ("settlements", to("settlements.0.utilisation", 1.0)),
    ("settlements", to("settlements.0.beyond_horizon_usd", 0.0)),
    ("settlements", drop("settlements.0")),
    ("cost_lines", moved_within_the_sum),
    ("cost", to("cost_usd_per_month", 3308.0)),
    ("bound", to("bound_usd", 3309.0)),
    ("bound", to("gap", 0.5)),
    ("bound", to("objective_usd", 3300.0)),
]


@pytest.mark.parametrize(("name", "edit"), PLAN_MUTATIONS)
def test_a_broken_promise_fails_its_own_check(name: str, edit: Edit):
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    edit(plan)
    failed = verify(problem, plan).failed()
    if name == "contracts" and not any(row["signed_by"] == "plan" for row in plan["contracts"]):
        assert failed == ("contracts", "settlements")  # its month is settled without a contract in force
    else:
        assert failed == (name,)


TIGHTENED: list[tuple[str, str, str]] = [
    ("admissibility", "deny_offers: []", "deny_offers: [box]"),
    ("throughput", "max_utilisation: 0.8", "max_utilisation: 0.55"),
    ("counts", "min: 2, step: 2, max: 6", "min: 1, step: 2, max: 6"),
    ("counts", "min: 2, step: 2, max: 6", "min: 3, step: 1, max: 6"),
    ("counts", "min: 2, step: 2, max: 6", "min: 1, step: 1, max: 1"),
    ("quota", "tokens_per_minute: 625", "tokens_per_minute: 624.9"),
    ("quota", "tokens_per_minute: 625", "requests_per_minute: 0.41"),
    ("quota", "tokens_per_minute: 625", "units_per_minute: 624"),
    ("groups", "max_units: 16, min_units: 16", "max_units: 15"),
    ("groups", "max_units: 16, min_units: 16", "min_units: 17"),
    ("power", "max_power_kw: 2", "max_power_kw: 1.9"),
    ("provider_shares", "max_share_per_provider: 0.75", "max_share_per_provider: 0.7"),
    ("provider_shares", "max_share_per_provider: 0.9", "max_share_per_provider: 0.5"),
    (
        "shares",
        "max_share_per_provider: 0.75",
        "max_share_per_provider: 0.75, shares: {offers: {a: {max: 0.24}}}",
    ),
    (
        "shares",
        "max_share_per_provider: 0.75",
        "max_share_per_provider: 0.75, shares: {providers: {a: {min: 0.76}}}",
    ),
    ("min_providers", "min_share_per_provider: 0.25", "min_share_per_provider: 0.26"),
    ("min_providers", "min_providers: 2", "min_providers: 3"),
    ("overage", "overage: contract", "overage: none"),
    ("budgets", "max_spend_usd: 3308.725", "max_spend_usd: 3308.70"),
    ("budgets", "max_committed_usd: 133", "max_committed_usd: 132.99"),
    ("demand", "    unserved_usd_per_m_tokens: 2\n", ""),
    ("survival", "energy_usd_per_kwh", "survive_loss_of: provider, energy_usd_per_kwh"),
    ("survival", "energy_usd_per_kwh", "survive_loss_of: offer, energy_usd_per_kwh"),
]


@pytest.mark.parametrize(("name", "old", "new"), TIGHTENED)
def test_the_same_plan_breaks_a_tighter_problem(name: str, old: str, new: str):
    """Where the promise is a limit, the limit is moved under the plan."""
    assert old in SHOP
    problem = load_text(SHOP.replace(old, new))
    plan = shop_plan(problem)
    allowed = {
        "admissibility": ("admissibility", "refused"),
        "demand": ("quantities", "demand", "budgets", "cost_lines", "cost", "bound"),
    }.get(name, (name,))
    if name == "admissibility":
        plan = shop_plan(problem, refused=shop_plan(load_text(SHOP))["refused"])
    failed = verify(problem, plan).failed()
    assert name in failed
    assert set(failed) <= set(allowed)


def test_a_route_to_a_refused_offer_fails_though_the_refusal_is_listed():
    problem = load_text(SHOP.replace("deny_offers: []", "deny_offers: [box]"))
    assert verify(problem, shop_plan(problem)).failed() == ("admissibility",)


def test_a_split_of_an_unsplittable_workload():
    """Half of the 0.8 of batch runs on the twin of the box, which costs nothing and has room for it."""
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    half = plan["routes"][2]
    half.update(share=0.4, requests=14_600.0, prompt_tokens=14.6e6)
    plan["instances"][0]["utilisation"] /= 2
    plan["routes"].append({**half, "offer": "twin"})
    assert verify(problem, plan).failed() == ("unsplittable",)


def test_a_share_below_zero_is_seen_even_if_the_sum_is_right():
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    row = plan["routes"][2]
    plan["routes"].append(
        {**row, "offer": "twin", "share": -0.1, "requests": -3650.0, "prompt_tokens": -3.65e6}
    )
    row.update(share=0.9, requests=32_850.0, prompt_tokens=32.85e6)
    plan["instances"][0]["utilisation"] *= 9 / 8
    assert "demand" in verify(problem, plan).failed()


def test_reserved_instances_are_handed_out_once():
    """Of the box 1 is held: 2 counted, 1 of them held, 1 paid at 2.00; the held one costs 0.50 an hour.

    instances 730 · (2.00 · 1 + 0.50 · 1) = 1,825 instead of 2,920; energy as before, for both.
    First-stage money grows by the held one's 365 USD.
    """
    text = SHOP.replace("power_kw: 1,", "power_kw: 1, reserved: 1, reserved_usd_per_h: 0.5,")
    problem = load_text(text.replace("max_committed_usd: 133", "max_committed_usd: 498"))

    def rows() -> Plan:
        parts = copy.deepcopy(shop_rows())
        parts["instances"][0].update(reserved_count=1.0, paid_count=1.0, started=1.0)
        parts["cost_lines"][3]["usd"] = 1825.0
        return parts

    plan = plan_for(problem, **rows())
    verdict = verify(problem, plan)
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(2213.725)
    for field, value, name in (("reserved_count", 0.5, "reserved"), ("paid_count", 2.0, "reserved")):
        parts = rows()
        parts["instances"][0][field] = value
        assert name in verify(problem, plan_for(problem, **parts)).failed()
    parts = rows()
    parts["instances"][0].update(reserved_count=2.0, paid_count=0.0)
    assert "reserved" in verify(problem, plan_for(problem, **parts)).failed()


def test_an_agreement_covers_no_more_than_is_used():
    """Half off a, of which 73.00 is used; 50 USD are committed, and owed for up to 100 at a's own prices.

    covered    73.00 · 0.5 = 36.50 of the 50; a has nothing left to bill          3,308.725 − 73 + 50 = 3,285.725
    too much   80.00 · 0.5 = 40.00 of the 50; a would pay back 7.00, which adds up in every other check
    """
    agreement = "commitments: [{name: saver, provider: v, offers: [a], discount: 0.5, min_usd_per_month: 50}]"
    text = SHOP.replace("max_committed_usd: 133", "max_committed_usd: 183")
    problem = load_text(text + agreement)

    def covering(list_usd: float) -> Plan:
        rows = copy.deepcopy(shop_rows())
        saver = {"offer": None, "agreement": "saver"}
        amounts = {"committed_tokens_per_month": None, "committed_usd_per_month": 50.0}
        rows["contracts"].append(saver | amounts | {"from_h": 0.0, "until_h": 730.0, "signed_by": "plan"})
        rows["settlements"].append(
            rows["settlements"][0]
            | saver
            | amounts
            | {"used_tokens": 0.0, "used_usd": list_usd / 2, "billed_usd": 50.0, "beyond_horizon_usd": 0.0}
            | {"utilisation": list_usd / 2 / 50, "covered_usd": list_usd}
        )
        rows["cost_lines"][0]["usd"] -= list_usd
        rows["cost_lines"].append(line("saver", "commitment", 50.0))
        covered = {"agreement": "saver", "offer": "a", "kind": "tokens", "period": 0, "scenario": None}
        rows["coverage"] = [covered | {"list_usd": list_usd, "covered_usd": list_usd / 2}]
        return plan_for(problem, **rows)

    verdict = verify(problem, covering(73.0))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(3285.725)
    assert verify(problem, covering(80.0)).failed() == ("coverage",)


UNKNOWN: list[Edit] = [
    to("periods", 2),
    to("routes.0.workload", "talk"),
    to("routes.0.period", 1),
    to("routes.0.period", -1),
    to("routes.0.scenario", "surge"),
    to("routes.0.occurrence", 4),
    to("instances.0.model", None),
    to("instances.0.offer", "a"),
    to("contracts.0.offer", "nobody"),
    to("contracts.0.from_h", -730.0),
    to("settlements.0.from_h", 7 * 730.0),
    to("refused.0.offer", "nobody"),
    lambda plan: plan["routes"].append(copy.deepcopy(plan["routes"][0])),
    lambda plan: plan["instances"].append(copy.deepcopy(plan["instances"][0])),
]


@pytest.mark.parametrize("edit", UNKNOWN)
def test_a_row_of_what_the_problem_does_not_have_is_left_out_and_said(edit: Edit):
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    edit(plan)
    assert "fields" in verify(problem, plan).failed()


def test_a_fault_names_its_path():
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    plan["routes"][1]["period"] = 7
    fields = verify(problem, plan).checks[0]
    assert fields.name == "fields"
    assert "routes[1].period: 7 is not a period of the horizon" in fields.detail


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (to("contracts.0.offer", "a"), "contracts"),
        (to("contracts.0.until_h", 8761.0), "contracts"),
        (to("contracts.0.from_h", 1.0), "contracts"),
        (to("settlements.0.from_h", 1.0), "settlements"),
        (to("settlements.0.until_h", 731.0), "settlements"),
        (
            to(
                "purchases",
                [{"offer": "box", "model": "small", "from_h": 0.0, "until_h": 730.0, "count": 1.0}],
            ),
            "purchases",
        ),
    ],
)
def test_hours_and_terms_are_those_of_the_problem(edit: Edit, check: str):
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    edit(plan)
    assert check in verify(problem, plan).failed()


MALFORMED: list[tuple[str, Edit]] = [
    ("colour", to("colour", "blue")),
    ("routes[0].colour", lambda plan: plan["routes"][0].update(colour="blue")),
    ("schema", to("schema", "router-plan/3")),
    (
        "prices.rows[0].usd_per_unit",
        to("prices.rows", [{"family": "f", "row": "r", "usd_per_unit": math.nan}]),
    ),
    ("routes", to("routes", None)),
    ("routes", to("routes", "none")),
    ("routes[1]", to("routes", [None, 3, "x", []])),
    ("routes[0].share", to("routes.0.share", "0.25")),
    ("routes[0].share", to("routes.0.share", float("inf"))),
    ("routes[0].share", to("routes.0.share", 1e61)),
    ("routes[0].share", to("routes.0.share", 10**400)),
    ("routes[0].share", to("routes.0.share", True)),
    ("routes[0].share", to("routes.0.share", None)),
    ("routes[0].workload", to("routes.0.workload", ["chat"])),
    ("routes[0].period", to("routes.0.period", 0.0)),
    ("routes[0].period", to("routes.0.period", True)),
    ("routes[0].scenario", to("routes.0.scenario", {"a": 1})),
    ("cost_usd", to("cost_usd", "cheap")),
    ("cost_lines", to("cost_lines", {})),
    ("refused[0].reasons", to("refused.0.reasons", "denied")),
    ("refused[0].reasons[0]", to("refused.0.reasons", [1])),
    ("scenarios[0].name", to("scenarios", [{"name": ["x"], "probability": 1.0, "cost_usd": 1.0}])),
    ("contracts[0].from_h", to("contracts.0.from_h", None)),
    ("contracts[0].signed_by", to("contracts.0.signed_by", "nobody")),
    ("settlements[0].signed", to("settlements.0.signed", 1)),
    ("running", to("running", "junk")),
    ("sizing", to("sizing", [1])),
    ("horizon_h", to("horizon_h", 0)),
]


@pytest.mark.parametrize(("path", "edit"), MALFORMED)
def test_what_is_not_as_in_a_plan_is_refused_with_its_path(path: str, edit: Edit):
    problem = load_text(SHOP)
    plan = shop_plan(problem)
    edit(plan)
    with pytest.raises(InputError) as caught:
        verify(problem, plan)
    assert path in {issue.path for issue in caught.value.issues}


@pytest.mark.parametrize("name", list(shop_plan(PROBLEM)))
def test_no_field_of_a_plan_may_be_missing(name: str):
    plan = shop_plan(PROBLEM)
    del plan[name]
    with pytest.raises(InputError) as caught:
        verify(PROBLEM, plan)
    assert {issue.path for issue in caught.value.issues} == {name}


@pytest.mark.parametrize("plan", [None, [], 3, "plan", {}])
def test_no_plan_at_all_is_refused(plan: Any):
    with pytest.raises(InputError, match="is not a plan file"):
        verify(load_text(SHOP), plan)


def test_every_check_has_a_mutation_that_trips_it():
    """Here, in a line of an instance (test_instances.py), or in another test file: those are listed by hand."""
    elsewhere = {
        "windows",
        "horizon_counts",
        "purchases",
        "scenarios",
        "traces",
        "waiting",
        "churn",
        "sizing",
        "proof",
    }
    tripped = {name for name, _ in PLAN_MUTATIONS} | {name for name, _, _ in TIGHTENED} | elsewhere
    tripped |= {
        "unsplittable",
        "kinds",
        "reserved",
        "coverage",
        "recipes",
        "bursts",
        "spilling",
    }
    instances = (Path(__file__).parent / "instances").glob("*.yaml")
    tripped |= {
        check
        for file in instances
        for check in re.findall(r"^# breaks (\w+): ", file.read_text(encoding="utf-8"), re.M)
    }
    problem = load_text(SHOP)
    assert {check.name for check in verify(problem, shop_plan(problem)).checks} == tripped


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-3, 0, 1, 2, 7, 10**30, 10**400]),
    st.floats(),
    st.sampled_from([1e308, -1e308, 1e59]),
    st.text(max_size=3),
    st.sampled_from(["chat", "batch", "a", "b", "box", "twin", "big", "small", "plan", "before"]),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


def places(value: object) -> list[tuple[Any, Any]]:
    """Every (container, key) of a plan."""
    if isinstance(value, dict):
        return [(value, key) for key in value] + [place for part in value.values() for place in places(part)]
    if isinstance(value, list):
        return [(value, i) for i in range(len(value))] + [place for part in value for place in places(part)]
    return []


@settings(max_examples=times(60), deadline=None)
@given(data=st.data())
def test_junk_anywhere_in_a_plan_is_refused_or_judged(data: st.DataObject):
    """One to three values replaced by anything: no plan, or a verdict with a cost that is a number."""
    plan = shop_plan(PROBLEM)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(plan)))
        container[key] = data.draw(JUNK)
    try:
        verdict = verify(PROBLEM, plan)
    except InputError:
        return
    assert math.isfinite(verdict.cost_usd)
    assert all(math.isfinite(check.worst) for check in verdict.checks)


#: What survives a loss is a flow problem, and a tree has thousands of leaves.
NUMERICS = {
    "least_short.py": {"scipy.optimize", "scipy.sparse"},
    "duality.py": {"numpy"},
    "kinds.py": {"numpy"},
    "minutes.py": {"numpy", "numpy.typing"},
    "payable.py": {"scipy.optimize", "scipy.sparse"},
    "spilling.py": {"numpy", "scipy.optimize", "scipy.sparse"},
}


def test_it_imports_neither_the_model_nor_the_solvers_and_numpy_where_it_must():
    """Scipy's linear programming, numpy's sums and numpy's draws in a module each.

    Generated futures are what the generator draws, so it is called again: part of what a problem file means.
    """
    folder = Path(router.verification.__file__).parent
    imported = set()
    for file in folder.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        imported |= names - NUMERICS.get(file.name, set())
    assert not {name for name in imported if name.split(".")[0] in ("problems", "solvers", "numpy", "scipy")}
    ours = {
        name for name in imported if name.startswith("router") and not name.startswith("router.verification")
    }
    assert ours == {
        "router.plan.across",
        "router.plan.document",
        "router.plan.file",
        "router.plan.proof",
        "router.plan.rows",
        "router.plan.running",
        "router.plan.sizing",
        "router.plan.start",
        "router.plan.tables",
        "router.plan.values",
        "router.schema",
        "router.schema.trace_columns",
        "router.loading.fingerprint",
        "router.errors",
        "router.scenarios",
        "router.workers",
    }
