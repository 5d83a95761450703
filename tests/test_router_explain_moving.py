"""`router explain --vary`: breakpoints by hand, to a thousandth of their value, and the picture of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from router.cli import cli
from router.errors import InputError
from router.explaining.moving import vary
from router.loading.catalogue import load_text
from router.reports.page.charts import Bar, Curve, bars, flows, lines
from solvers import SolveOptions

SERVER_OR_API = """
schema: router/1
name: server or api
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_month: 1e9, completion_share: 0.5}}]
offers:
  - {name: own, models: {m: {tokens_per_s: 1000}}, instances: {usd_per_h: 1, max: 1}}
  - {name: api, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
"""


def test_breakpoints_of_demand():
    """A server costs 730 USD and carries 2.628 B tokens; the api takes 1 USD per M. Below 0.73 B the api carries all,
    from there to 2.628 B the server, and beyond it both."""
    moving = vary(load_text(SERVER_OR_API), "workloads.w.demand", 0.2, 4.0)
    assert [(p.before.carriers, p.after.carriers) for p in moving.breakpoints] == [
        (("api",), ("own",)),
        (("own",), ("api", "own")),
    ]
    first, second = moving.breakpoints
    for point, value in ((first, 0.73), (second, 2.628)):
        assert point.low <= value * (1 + 1e-6) and point.high >= value * (1 - 1e-6)
        assert point.high - point.low <= 1e-3 * point.high
    assert moving.untried == ()
    by_value = {point.value: point.cost_usd for point in moving.points}
    assert by_value[4.0] == pytest.approx(730 + 4000 - 2628)


def test_breakpoint_of_a_field_and_of_all_prices():
    """The server is worth its hour up to 1,000 / 730 USD; so are all its prices up to that factor."""
    problem = load_text(SERVER_OR_API)
    for path in ("offers.own.instances.usd_per_h", "offers.own.prices", "offers[0].instances.usd_per_h"):
        (point,) = vary(problem, path, 0.5, 2.0).breakpoints
        assert point.low <= 1000 / 730 <= point.high


def test_where_there_is_no_plan_is_a_breakpoint_too():
    text = SERVER_OR_API.replace(
        "  - {name: api, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}\n", ""
    )
    (point,) = vary(load_text(text), "workloads.w.demand", 1, 4).breakpoints
    assert not point.after.feasible and point.low <= 2.628 * (1 + 1e-6) <= point.high * (1 + 2e-6)


def test_what_the_limit_leaves_open_is_said():
    moving = vary(
        load_text(SERVER_OR_API), "offers.own.prices", 0.5, 2.0, options=SolveOptions(time_limit_s=1e-9)
    )
    assert moving.breakpoints == () and moving.points == () and len(moving.untried) == 13


def test_the_command_prints_writes_and_draws_them(tmp_path):
    file, picture, output = tmp_path / "p.yaml", tmp_path / "p.svg", tmp_path / "p.json"
    file.write_text(SERVER_OR_API)
    files = ["--picture", str(picture), "-o", str(output)]
    arguments = ["explain", str(file), "--vary", "offers.own.prices=0.5:2", *files]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert result.return_value == 0
    assert "As offers.own.prices moves" in result.stdout and "1.37×" in result.stdout
    root = ET.fromstring(picture.read_text())
    assert root.tag.endswith("svg") and "1.37" in "".join(root.itertext())
    assert len(json.loads(output.read_text())["moving"][0]["breakpoints"]) == 1


@pytest.mark.parametrize(
    "text", ["offers.own.prices", "=1:2", "offers.own.prices=2:1", "offers.own.prices=a:b"]
)
def test_wrong_ranges_are_refused(tmp_path, text):
    file = tmp_path / "p.yaml"
    file.write_text(SERVER_OR_API)
    with pytest.raises(InputError):
        CliRunner().invoke(
            cli, ["explain", str(file), "--vary", text], standalone_mode=False, catch_exceptions=False
        )


def test_a_field_without_a_number_cannot_move():
    with pytest.raises(InputError, match="holds no number that could move"):
        vary(load_text(SERVER_OR_API), "workloads.w.models", 0, 1)


NAMES = st.text(st.characters(categories=["L", "N", "P", "S", "Z"]), min_size=1, max_size=60)


@given(NAMES, NAMES)
def test_charts_are_well_formed_whatever_the_names(a, b):
    """Names are text in a chart, never markup."""
    for svg in (
        lines(
            a,
            [Curve(b, [(0, 1), (1, 3)]), Curve(a, [(0, 0), (1, 0)], step=True)],
            marks=[(0.5, b)],
            x_title=a,
        ),
        bars(a, [Bar(b, 2.0, a), Bar(a, 0.0, b)]),
        flows(b, {(a, b): 1.0, ("x", b): 2.0}, {(a, b): a, ("x", b): "2"}),
    ):
        assert not {each.tag.rpartition("}")[2] for each in ET.fromstring(svg).iter()} & {
            "script",
            "a",
            "image",
        }
