"""Fields one by one: numbers as people write them, strict types, defaults, the generated schema."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from schema_texts import DROP, changed, problem

from router.schema import Host, Problem, field_table, json_schema, numbers
from router.schema.describe import known_fields
from router.schema.issues import issues_of
from router.schema.numbers import parse_flag, parse_number, parse_whole

O = "offers.0"


def field_issue(changes: dict[str, object]):
    """The one issue of a problem with a wrong field."""
    with pytest.raises(ValidationError) as caught:
        Problem.model_validate(changed(changes))
    issues = issues_of(caught.value)
    assert len(issues) == 1, issues
    return issues[0]


# Numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("35e9", 35e9),
        ("35E+9", 35e9),
        ("35_000_000_000", 35e9),
        ("500M", 5e8),
        ("1.5 B", 1.5e9),
        ("2K", 2000),
        ("2k", 2000),
        ("1T", 1e12),
        ("1.1M", 1100000),
        (".5", 0.5),
        ("5.", 5),
        ("-3", -3),
        ("0.1", 0.1),
        (" 7 ", 7),
        (7, 7),
        (0.30000000000000004, 0.30000000000000004),
        ("0.30000000000000004", 0.30000000000000004),
    ],
)
def test_numbers_as_people_write_them(text: object, number: float):
    """Suffixes K, M, B, T; the text is rounded to a double once ("1.1M" is 1100000 exactly)."""
    assert parse_number(text) == number


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nan", "finite"),
        (".nan", "finite"),
        ("-.inf", "finite"),
        ("Infinity", "finite"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        (10**400, "finite"),
        ("1e999", "finite"),
        ("1e-999", "small"),
        (True, "true or false"),
        (None, "number"),
        ([], "number"),
        ("", "number"),
        ("many", "number"),
        ("1_000_", "number"),
        ("1__0", "number"),
        ("0x10", "number"),
        ("1:30", "number"),
        ("5m", "5M"),
        ("5G", "5B"),
        ("1,000,000", "1_000_000"),
        ("5%", "share"),
        ("$5", "currency"),
        ("1e9999999999999", "number"),
        ("9" * 1000, "number"),
        ("٣", "number"),
    ],
)
def test_what_is_no_number(text: object, word: str):
    """NaN and infinity, booleans, doubtful suffixes: refused, with the way out where there is one."""
    with pytest.raises(ValueError, match=word):
        parse_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_survive_being_written(number: float):
    """Full double precision through text, subnormal numbers included."""
    assert parse_number(repr(number)) == number
    assert re.search(numbers.PATTERN, repr(number))


def test_whole_numbers_and_flags():
    """1e3 is whole, 1.5 is not; yes, on and TRUE are true only where a flag is wanted."""
    assert parse_whole("1e3") == 1000
    assert parse_whole("2K") == 2000
    assert [parse_flag(word) for word in ("yes", "on", "TRUE", "No", "off", False)] == [True] * 3 + [
        False
    ] * 3
    for bad in ("1.5", True, 1e300):
        with pytest.raises(ValueError):
            parse_whole(bad)
    for bad in ("y", 1, None, "maybe"):
        with pytest.raises(ValueError):
            parse_flag(bad)


# Fields


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("schema", "router/2", "must be 'router/1'"),
        ("name", "", "must be a name"),
        ("name", "a\x1bb", "must be a name"),
        ("workloads", [], "must not be empty"),
        ("workloads.0.models", [], "must not be empty"),
        ("workloads.0.models", "m", "must be a list"),
        ("workloads.0.name", "*", "must be a name"),
        ("workloads.0.demand", 5, "must be a mapping of fields"),
        ("workloads.0.demand.requests_per_day", -1, "must be at least 0"),
        ("workloads.0.demand.requests_per_day", True, "must be a number, not true or false"),
        ("workloads.0.prompt_tokens", "nan", "must be a finite number"),
        ("workloads.0.cached_prompt_share", 1.1, "must be at most 1"),
        ("workloads.0.slo", None, "has no value: it must be a mapping of fields"),
        ("workloads.0.slo.ttft_p99_ms", 0, "must be greater than 0"),
        ("workloads.0.needs.streaming", "maybe", "must be true or false"),
        ("workloads.0.routing.min_providers", 0, "must be at least 1"),
        ("workloads.0.routing.max_share_per_provider", 0, "must be greater than 0"),
        ("offers.0.models", {}, "must not be empty"),
        ("offers.0.models.m.prompt_usd_per_m", "-0.6", "must be at least 0"),
        ("offers.0.fee_usd_per_month", None, "has no value: it must be a number"),
        ("offers.0.quota.tokens_per_minute", -1, "must be at least 0"),
        ("offers.1.models.m.tokens_per_s", 0, "must be greater than 0"),
        ("offers.1.instances.usd_per_h", -2, "must be at least 0"),
        ("offers.1.instances.max", -1, "must be at least 0"),
        ("offers.1.instances.step", 0, "must be greater than 0"),
        ("offers.1.instances.availability", 1.01, "must be at most 1"),
        ("offers.1.instances.max_utilisation", 0, "must be greater than 0"),
        ("offers.1.instances.resize", "hour", "must be 'period' or 'horizon'"),
        ("offers.1.instances.term_months", 1.5, "must be a whole number"),
        ("horizon.periods", 0, "must be at least 1"),
        ("horizon.periods", "1B", "must be at most 105408"),
        ("horizon.period_h", 0, "must be at least 0.0001"),
        ("horizon.start", "soon", "must be a date and time"),
        ("horizon.start", 20261201, "must be a date and time"),
        ("horizon.timezone", "Europe/Berln", 'is not a known time zone; did you mean "Europe/Berlin"?'),
        ("policy.p99_over_mean", 0.9, "must be at least 1"),
        ("policy.end_of_horizon", "free", "must be 'prorate' or 'charge_in_full'"),
        ("policy.survive_loss_of", "both", "must be 'none', 'provider' or 'offer'"),
        ("policy.discount_rate_per_year", -0.1, "must be at least 0"),
        ("risk.cvar_level", 1, "must be less than 1"),
        ("risk.cvar_weight", 2, "must be at most 1"),
        ("reoptimise.max_moved_share", 2, "must be at most 1"),
        ("models.m.as_of", "20th of May", "must be a date"),
        ("models.m.quality", -1, "must be at least 0"),
    ],
)
def test_a_wrong_field_is_refused_by_its_rule(path: str, value: object, rule: str):
    """Path and rule are named, whatever the type."""
    issue = field_issue({path: value})
    assert issue.rule.startswith(rule)
    assert issue.path == re.sub(r"\.(\d+)", r"[\1]", path)


def test_window_times():
    """A window is stated in local clock times."""
    night = {"workloads.0.window": {"start": "22:00", "end": "6:00"}, "horizon.period_h": 1}
    assert problem(night).workloads[0].window.end == "06:00"
    for bad in ("25:00", "22", "10pm", 1320):
        assert field_issue({**night, "workloads.0.window.start": bad}).path == "workloads[0].window.start"


def test_a_missing_field_is_named():
    """Required fields have no default."""
    assert field_issue({"schema": DROP}).path == "schema"
    assert field_issue({"offers.1.instances.usd_per_h": DROP}).rule == "is required"


def test_an_unknown_field_names_the_nearest_known_one():
    """At every depth, lists and mappings by name included."""
    for path, name in (
        ("horizonn", "horizon"),
        ("workloads.0.demand.request_per_day", "requests_per_day"),
        ("offers.0.models.m.promt_usd_per_m", "prompt_usd_per_m"),
        ("offers.1.instances.usd_per_hour", "usd_per_h"),
        ("offers.0.models.m.request_usd", "usd_per_request"),
    ):
        issue = field_issue({path: 1})
        assert issue.rule == "unknown field"
        assert issue.hint == f'did you mean "{name}"?'
    scenario = {"name": "a", "probability": 1, "demnd": {}}
    issue = field_issue({"scenarios": [scenario]})
    assert (issue.path, issue.hint) == ("scenarios[0].demnd", 'did you mean "demand"?')
    issue = field_issue({"scenarios": {"generate": {"count": 1, "spred": 1}}})
    assert (issue.path, issue.hint) == ("scenarios.generate.spred", 'did you mean "spread"?')


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("offers.0.window", {"start": "18:00", "end": "09:00"}, "schedule"),
        ("offers.1.commitment", {"min_usd_per_month": [50e3, 80e3]}, "ramp"),
        ("offers.1.instances.term_months", 0.25, "term_h"),
    ],
)
def test_a_figure_in_the_wrong_form_names_the_field_that_takes_it(path, value, field):
    """What the market sells by hours, by month of the term or by the week has fields of its own."""
    assert field in field_issue({path: value}).hint


def test_defaults_are_those_of_the_design():
    """One period of 730 h, UTC, prorated terms; min_share_per_provider 0.05; cvar_level 0.95."""
    made = problem()
    assert (made.horizon.periods, made.horizon.period_h, made.horizon.timezone) == (1, 730, "UTC")
    assert made.workloads[0].routing.min_share_per_provider == 0.05
    assert made.policy.end_of_horizon == "prorate"
    assert made.risk.cvar_level == 0.95
    assert made.offers[1].instances.step == 1
    assert made.offers[1].instances.max_utilisation is None


def test_nothing_changes_after_loading():
    """Models are frozen and lists are tuples."""
    made = problem()
    with pytest.raises(ValidationError):
        made.offers[0].name = "other"
    assert isinstance(made.offers, tuple)


# What is generated from it


def test_every_field_is_described():
    """Name, type, default and one line; units where the name carries one."""
    rows = {row.path: row for row in field_table()}
    assert all(row.description and "\n" not in row.description for row in rows.values())
    price = rows["offers[].models.<name>.prompt_usd_per_m"]
    assert (price.type, price.unit, price.default) == ("number", "USD per M tokens", "null")
    assert rows["offers[].instances.usd_per_h"].default == "required"
    assert rows["workloads[].slo.ttft_p99_ms"].unit == "ms"
    assert rows["scenarios[].demand"].type == "mapping of number"
    units = {
        row.unit
        for row in rows.values()
        if re.search(r"_(usd|ms|h|gb|kw|per_(s|h|hour|day|month|minute|m|m_tokens|kwh))$", row.path)
    }
    assert "" not in units


def test_json_schema_is_complete_and_takes_suffix_numbers():
    """Every model forbids other fields; numbers may be text of the pattern."""
    schema = json_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["required"] == ["schema"]  # files that are included have no workloads
    definitions = schema["$defs"]
    for name, definition in definitions.items():
        assert definition["additionalProperties"] is False, name
        assert all("description" in field for field in definition["properties"].values()), name
    assert "provider" not in definitions["Offer"]["required"]
    number, text = definitions["Tier"]["properties"]["usd_per_m"]["anyOf"]
    assert number == {"type": "number", "minimum": 0, "maximum": 1e18}
    for good in ("35e9", "500M", "1.5 B", "1_000", "2k"):
        assert re.search(text["pattern"], good)
    for bad in ("", "many", "5m", "nan", "1__0", "1 000"):
        assert not re.search(text["pattern"], bad)
    assert set(schema["properties"]) == set(known_fields(()))


ROOT = Path(__file__).parents[1]
FILES = sorted(
    [*(ROOT / "router" / "examples").glob("*.yaml"), *(ROOT / "tests" / "instances").glob("*.yaml")]
)


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def faults(text: str) -> list[str]:
    return [error.message for error in validator().iter_errors(yaml.safe_load(text))]


def test_json_schema_takes_what_the_program_takes():
    """Every shipped file and every instance, catalogues to be included too."""
    assert len(FILES) >= 50
    assert [path.name for path in FILES if faults(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("value", "taken"),
    [("7", True), ("chat", True), ("1.5", True), ("[7, chat]", True), ("[[7]]", False), ("{a: 1}", False)],
)
def test_a_filter_is_a_value_or_a_list_of_them(value, taken):
    """As the loader takes it; a field misspelt is still an error."""
    trace = f"{{trace: {{file: d.csv, filter: {{client: {value}}}}}}}"
    workloads = f"workloads: [{{name: w, models: [m], demand: {trace}}}]"
    text = f"schema: router/1\nmodels: {{m: {{}}}}\n{workloads}\noffers: []\n"
    assert (faults(text) == []) is taken
    assert faults(text.replace("filter", "filtre"))
    assert faults(text.replace("workloads:", "workload:"))
    if taken:
        wanted = Problem.model_validate(yaml.safe_load(text)).workloads[0].demand.trace.filter["client"]
        assert all(isinstance(item, str) for item in wanted)


def test_a_changed_copy_does_not_keep_what_was_worked_out_before() -> None:
    """A host is a seller with its maximum as instances: of the copy it is the copy's."""
    host = Host(name="node", units=8, usd_per_h=10, max=1, offers=("a",))
    assert host.rented.instances is not None and host.rented.instances.max == 1
    more = host.model_copy(update={"max": 2.0}).rented
    assert more.instances is not None and more.instances.max == 2
