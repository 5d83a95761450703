"""From file to problem: positions, includes, and hostile files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.errors import InputError, Issue
from router.loading import yaml_source
from router.loading.catalogue import input_issue, load, load_text

MODELS = "schema: router/1\nmodels: {m: {}}\n"
WORKLOADS = """workloads:
  - name: w
    models: [m]
    demand: {requests_per_day: 100e6}
    prompt_tokens: 300
    completion_tokens: 50
"""
OFFERS = """offers:
  - name: api
    models:
      m:
        prompt_usd_per_m: 0.60
        completion_usd_per_m: 0.60
"""
PROBLEM = MODELS + WORKLOADS + OFFERS


def issues_in(text: str, file: str = "p.yaml") -> list[Issue]:
    with pytest.raises(InputError) as caught:
        load_text(text, file)
    return list(caught.value.issues)


def only_issue(text: str, file: str = "p.yaml") -> Issue:
    issues = issues_in(text, file)
    assert len(issues) == 1, issues
    return issues[0]


def write(directory: Path, **files: str) -> Path:
    """Files named by keyword (p is p.yaml); returns the first."""
    paths = []
    for name, text in files.items():
        paths.append(directory / f"{name}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    return paths[0]


# Positions


def test_an_error_names_file_line_path_value_rule_and_way_out():
    """A typo, a negative price and a NaN are reported together, in file order."""
    text = PROBLEM.replace("completion_tokens: 50", "completion_tokens: .nan")
    text = text.replace("prompt_usd_per_m: 0.60", "promt_usd_per_m: 0.60", 1)
    text = text.replace("completion_usd_per_m: 0.60", "completion_usd_per_m: -0.60")
    nan, typo, negative = issues_in(text)
    assert (nan.file, nan.line, nan.path) == ("p.yaml", 8, "workloads[0].completion_tokens")
    assert nan.rule == "must be a finite number"
    assert (typo.line, typo.path) == (13, "offers[0].models.m.promt_usd_per_m")
    assert typo.hint == 'did you mean "prompt_usd_per_m"?'
    assert (negative.line, negative.value, negative.rule) == (14, "-0.60", "must be at least 0")


def test_rules_over_fields_have_positions_too():
    """An unknown model stands where it is written."""
    issue = only_issue(PROBLEM.replace("models: [m]", "models: [M]"))
    assert (issue.line, issue.path, issue.hint) == (5, "workloads[0].models[0]", 'did you mean "m"?')


def test_later_layers_place_their_errors():
    """`input_issue` finds file and line of any path, of the nearest known part at least."""
    problem = load_text(PROBLEM, "p.yaml")
    issue = input_issue(problem, ("offers", 0, "models", "m", "tokens_per_s"), None, "is not yet planned for")
    assert str(issue) == "p.yaml, line 12: offers[0].models.m.tokens_per_s: is not yet planned for"
    assert input_issue(problem, ("policy",), None, "no").line is None


def test_a_missing_field_is_placed_at_its_parent():
    """The line of the workload that lacks it."""
    issue = only_issue(PROBLEM.replace("  - name: w\n    models", "  - models"))
    assert (issue.line, issue.path, issue.rule) == (4, "workloads[0].name", "is required")


# YAML as people write it


def test_text_means_what_the_schema_says():
    """35e9 is a number, 22:00 a time, NO a region and yes a flag, none of which YAML 1.1 knows."""
    text = PROBLEM.replace(
        "    prompt_tokens: 300",
        "    prompt_tokens: 3_0e1\n    needs: {regions: [NO], streaming: yes}\n"
        "    window: {start: 22:00, end: 06:00}",
    ).replace("schema: router/1", "schema: router/1\nhorizon: {period_h: 1}\nname: 4.10")
    problem = load_text(text)
    workload = problem.workloads[0]
    assert workload.demand.requests_per_day == 100e6
    assert workload.prompt_tokens == 300
    assert workload.needs.regions == ("NO",)
    assert workload.needs.streaming is True
    assert workload.window.start == "22:00"
    assert problem.name == "4.10"


def test_anchors_and_merge_keys_work():
    """Shared defaults: own keys win over merged ones."""
    text = PROBLEM.replace("- name: w", "- &base\n    name: w").replace(
        OFFERS, "  - {<<: *base, name: v, prompt_tokens: 7}\n  - {<<: [*base], name: u}\n" + OFFERS
    )
    _, v, u = load_text(text).workloads
    assert (v.name, v.prompt_tokens, v.completion_tokens) == ("v", 7, 50)
    assert u.prompt_tokens == 300


def test_json_files_load_with_positions():
    """The same problem as JSON, tabs and escapes included."""
    data = {
        "schema": "router/1",
        "name": "caf\u00e9 \U0001f600 a/b",
        "models": {"m": {}},
        "workloads": [{"name": "w", "models": ["m"], "demand": {"tokens_total": 1, "completion_share": 0.5}}],
    }
    text = json.dumps(data, indent="\t").replace("a/b", "a\\/b")
    assert load_text(text, "p.json").name == data["name"]
    issue = only_issue(text.replace("0.5", "true"), "p.json")
    assert (issue.line, issue.path) == (15, "workloads[0].demand.completion_share")
    broken = only_issue('{\n "schema": }', "p.json")
    assert broken.line == 2 and broken.rule.startswith("is not JSON")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "is empty"),
        ("# only a comment\n", None, "is empty"),
        ("- a\n- b\n", None, "must be a mapping"),
        ("just text", None, "must be a mapping"),
        ("schema: router/1\nname: a\nname: b\n", 3, "is given twice, first in line 2"),
        ("schema: router/1\nhorizon:\n\tperiods: 3\n", 3, "is not YAML"),
        ("schema: router/1\nmodels: {m: [}\n", 2, "is not YAML"),
        ("schema: *nothing\n", 1, "has no anchor"),
        ("schema: router/1\nmodels: &m {a: *m}\n", 2, "stands inside the value"),
        ("schema: router/1\n---\nschema: router/1\n", 2, "second document"),
        ("schema: !!python/object/apply:os.system [ls]\n", 1, "has the tag"),
        ("schema: !include other.yaml\n", 1, "has the tag"),
        ("? [a, b]\n: 1\n", 1, "a key that is not a plain name"),
        ("schema: router/1\n<<: 5\n", 2, "must be a mapping"),
        ("name: \x07\n", None, "character"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested more than 50 deep"),
        ("a: " + "[" * 200_000, 1, "nested more than 50 deep"),
        ("{a: " * 200_000, 1, "nested more than 50 deep"),
        ("- " * 200_000, 1, "nested more than 50 deep"),
    ],
)
def test_malformed_files(text: str, line: int | None, words: str):
    """Each a clear error with its line where there is one."""
    issue = only_issue(text)
    assert words in issue.rule
    assert issue.file == "p.yaml"
    if line is not None:
        assert issue.line == line


def test_syntax_errors_show_the_place_and_tabs_are_named():
    """Source line and caret, and what to do about a tab."""
    issue = only_issue("schema: router/1\nhorizon:\n\tperiods: 3\n")
    assert "spaces" in issue.hint
    assert issue.detail.splitlines()[1].endswith("^")


# Hostile files


def test_a_yaml_bomb_is_refused():
    """Nine levels of nine aliases would be 387 million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    issue = only_issue("\n".join(lines))
    assert "aliases expand to more than 2,000,000 values" in issue.rule


def test_a_bomb_of_merge_keys_is_refused():
    """`<<` counts like any alias."""
    lines = ["a0: &a0 {x: [1, 2, 3, 4, 5, 6, 7, 8, 9]}"]
    lines += [f"a{n}: &a{n} {{" + ", ".join(f"k{i}: *a{n - 1}" for i in range(9)) + "}" for n in range(1, 10)]
    assert "aliases expand" in only_issue("\n".join(lines)).rule


def test_many_values_are_refused(monkeypatch: pytest.MonkeyPatch):
    """Plain size has its limit too."""
    monkeypatch.setattr(yaml_source, "MAX_VALUES", 100)
    assert "holds more than 100 values" in only_issue("a: [" + "1, " * 200 + "]").rule


def test_a_100_mb_file_is_refused_unread(tmp_path: Path):
    """Only its size is looked at."""
    big = tmp_path / "big.yaml"
    with big.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(InputError, match=r"big\.yaml: is larger than 20 MB"):
        load(big)


def test_files_that_cannot_be_read(tmp_path: Path):
    """Missing, a directory, no text, an endless device."""
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"schema: router/1\nname: caf\xe9\n")
    with pytest.raises(InputError, match=r"line 2: is not UTF-8 text \(byte 0xe9\)"):
        load(tmp_path / "latin.yaml")
    (tmp_path / "wide.yaml").write_bytes("schema: router/1".encode("utf-16"))
    with pytest.raises(InputError, match="UTF-8"):
        load(tmp_path / "wide.yaml")
    with pytest.raises(InputError, match="/dev/zero: is not a regular file"):
        load("/dev/zero")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    """As editors on Windows leave it."""
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + PROBLEM.encode())
    assert load(path).workloads[0].name == "w"


# Includes


def test_includes_are_merged_from_nested_files(tmp_path: Path):
    """Relative to the including file; a file reached twice counts once; own offers come first."""
    (tmp_path / "sub").mkdir()
    write(
        tmp_path / "sub",
        b=MODELS + "include: [c.yaml]\n",
        c="include: [d.yaml]\n" + OFFERS,
        d="models: {n: {}}",
    )
    main = write(tmp_path, p="include: [sub/b.yaml, sub/c.yaml]\n" + WORKLOADS + "schema: router/1\n")
    problem = load(main)
    assert [offer.name for offer in problem.offers] == ["api"]
    assert set(problem.models) == {"m", "n"}
    own = OFFERS.replace("api", "mine")
    main = write(tmp_path, p="include: [sub/b.yaml]\n" + WORKLOADS + own + "schema: router/1\n")
    assert [offer.name for offer in load(main).offers] == ["mine", "api"]


def test_errors_in_included_files_stand_there(tmp_path: Path):
    """File, line and list position of the included file, not of the merged list."""
    bad = OFFERS.replace("completion_usd_per_m: 0.60", "completion_usd_per_m: x")
    other = OFFERS.replace("api", "other").removeprefix("offers:\n")
    write(tmp_path, c=bad.replace("offers:\n", "offers:\n" + other))
    main = write(tmp_path, p=PROBLEM.replace("api", "mine") + "include: [c.yaml]\n")
    with pytest.raises(InputError) as caught:
        load(main)
    (issue,) = caught.value.issues
    assert Path(issue.file).name == "c.yaml"
    assert (issue.path, issue.line) == ("offers[1].models.m.completion_usd_per_m", 11)


def test_an_include_loop_is_named(tmp_path: Path):
    """The chain is spelled out; including oneself is the shortest."""
    write(tmp_path, b="include: [c.yaml]\n", c="include: [b.yaml]\n")
    with pytest.raises(InputError, match=r"loop: b\.yaml → c\.yaml → b\.yaml"):
        load(write(tmp_path, p=PROBLEM + "include: [b.yaml]\n"))
    with pytest.raises(InputError, match=r"line 15: include\[0\].* loop: p\.yaml → p\.yaml"):
        load(write(tmp_path, p=PROBLEM + "include: [p.yaml]\n"))


def test_a_missing_include_names_its_neighbour(tmp_path: Path):
    """No such file, and the nearest name beside it."""
    write(tmp_path, catalogue="models: {}")
    with pytest.raises(InputError, match=r"no such file\n.*did you mean catalogue\.yaml\?"):
        load(write(tmp_path, p=PROBLEM + "include: [catalog.yaml]\n"))


def test_an_impossible_file_name_is_refused(tmp_path: Path):
    """No traceback from the operating system."""
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("loop.yaml", '"a\\0b"', "[x]", '""'):
        with pytest.raises(InputError, match=r"include\[0\]"):
            load(write(tmp_path, p=PROBLEM + f"include: [{name}]\n"))


def test_a_name_defined_twice_names_both_places(tmp_path: Path):
    """Contradictions are errors; saying the same, in other digits even, is not, nor is `{}`, which says nothing."""
    same = OFFERS.replace("0.60", "0.6")
    write(tmp_path, same=same, other=OFFERS.replace("0.60", "0.70"), model="models:\n  m: {quality: 1}\n")
    assert len(load(write(tmp_path, p=PROBLEM + "include: [same.yaml]\n")).offers) == 1
    with pytest.raises(InputError, match=r"other\.yaml, line 2.*otherwise in .*p\.yaml, line 10"):
        load(write(tmp_path, p=PROBLEM + "include: [other.yaml]\n"))
    assert load(write(tmp_path, p=PROBLEM + "include: [model.yaml]\n")).models["m"].quality == 1
    stated = PROBLEM.replace(MODELS, "models:\n  m: {quality: 2}\n")
    with pytest.raises(InputError, match=r"model\.yaml, line 2: models\.m.*otherwise in .*p\.yaml, line 2"):
        load(write(tmp_path, p=stated + "include: [model.yaml]\n"))


def test_included_files_hold_models_and_offers_only(tmp_path: Path):
    """Anything else there would be dropped, so it is refused; notes are welcome."""
    write(
        tmp_path, good="note: prices of May\nas_of: 2026-05-01\n" + MODELS, bad=WORKLOADS, typo="offer: []\n"
    )
    assert load(write(tmp_path, p=PROBLEM + "include: [good.yaml]\n"))
    with pytest.raises(InputError, match=r"bad\.yaml, line 1: workloads: is not allowed"):
        load(write(tmp_path, p=PROBLEM + "include: [bad.yaml]\n"))
    with pytest.raises(InputError, match='did you mean "offers"'):
        load(write(tmp_path, p=PROBLEM + "include: [typo.yaml]\n"))
    write(tmp_path, shape="offers: {}\n")
    with pytest.raises(InputError, match=r"shape\.yaml, line 1: offers.*must be a list"):
        load(write(tmp_path, p=PROBLEM + "include: [shape.yaml]\n"))


def test_use_offers_picks_among_included_ones(tmp_path: Path):
    """Names or patterns; own offers stay; one that matches nothing is an error."""

    def offers(*names: str) -> str:
        return "offers:\n" + "".join(OFFERS.replace("api", name).removeprefix("offers:\n") for name in names)

    write(tmp_path, c=offers("acme-a", "acme-b", "zeta"))
    base = MODELS + WORKLOADS + offers("mine") + "include: [c.yaml]\n"

    def names(extra: str) -> list[str]:
        return [offer.name for offer in load(write(tmp_path, p=base + extra)).offers]

    assert names("") == ["mine", "acme-a", "acme-b", "zeta"]
    assert names("use_offers: [acme-*]\n") == ["mine", "acme-a", "acme-b"]
    assert names("use_offers: [zeta]\n") == ["mine", "zeta"]
    assert names("use_offers: []\n") == ["mine"]
    with pytest.raises(InputError, match=r'use_offers\[0\]: "zetta": matches no offer\n.*"zeta"'):
        names("use_offers: [zetta]\n")
    with pytest.raises(InputError, match="left out by use_offers"):
        names("use_offers: [zeta]\ngroups: [{name: g, offers: [acme-a]}]\n")


# The whole format


def test_every_field_of_the_design_is_read():
    """Field by field, with the design's own example values and ways of writing them."""
    problem = load(Path(__file__).parent / "instances" / "every-field.yaml")
    workload, offer = problem.workloads[0], problem.offers[0]
    assert workload.demand.requests_per_day == 100e6
    assert (workload.slo.ttft_p99_ms, workload.slo.tpot_p50_ms, workload.slo.request_p99_ms) == (
        500,
        20,
        2000,
    )
    assert (workload.window.start_hour, workload.window.length_h) == (22, 8)
    assert workload.routing.max_share_per_provider == 0.7
    assert offer.models["llama-2-70b"].tpot_p50_ms == 0.2
    assert offer.commitment.min_tokens_per_month == 10e6
    assert [tier.from_tokens_per_month for tier in offer.commitment.tiers] == [0, 1e9]
    assert (offer.instances.max, offer.instances.power_kw) == (200, 5.6)
    assert problem.scenarios[1].demand == {"*": 1.6, "moderation": 2.0}
    assert problem.positions.locate(("offers", 0, "instances", "power_kw"))[1] is not None


# Traces and size


def test_a_missing_trace_is_found_at_once(tmp_path: Path):
    """Relative to the problem file."""
    traced = PROBLEM.replace("{requests_per_day: 100e6}", "{trace: {file: t.csv}}")
    main = write(tmp_path, p=traced)
    with pytest.raises(
        InputError, match=r'line 6: workloads\[0\]\.demand\.trace\.file: "t\.csv": no such file'
    ):
        load(main)
    (tmp_path / "t.csv").write_text("a\n")
    assert load(main)


def test_a_thousand_workloads_and_a_hundred_offers_load():
    """About 24,000 values; how long it takes is measured in tests/benchmarks."""
    models = (
        "schema: router/1\nmodels: {"
        + ", ".join(f"m{i}: {{parameters_b: {i + 1}}}" for i in range(20))
        + "}\n"
    )
    body = WORKLOADS.removeprefix("workloads:\n").replace("[m]", "[m1, m2, m3]")
    workloads = "workloads:\n" + "".join(body.replace("name: w", f"name: w{i}") for i in range(1000))
    prices = "".join(f"      m{i}: {{prompt_usd_per_m: 1.{i}, completion_usd_per_m: 2}}\n" for i in range(20))
    offers = "offers:\n" + "".join(f"  - name: o{i}\n    models:\n{prices}" for i in range(100))
    problem = load_text(models + workloads + offers)
    assert (len(problem.workloads), len(problem.offers)) == (1000, 100)
