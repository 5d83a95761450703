"""Laws of the hash: what is said counts, every leaf of it; what is left at its default does not, now or later."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import later_release
import pytest
from campaign import times
from pydantic_core import PydanticUndefined
from schema_fields import content, fields_by_record, full, holds, options, places
from schema_texts import MINIMAL
from strategies import random_problem

from router.loading import fingerprint
from router.loading.catalogue import load
from router.loading.fingerprint import hashed_beside, matches, problem_sha256, problem_sha256_v1
from router.loading.shipped import listed
from router.schema import Problem, rules

ROOT = Path(__file__).parents[1]
EXAMPLES = [ROOT / "router" / "examples" / example.file for example in listed() if example.problem]
FROZEN = "2755bc0a85d7616e8e960fe7affcfe753064c2cc342c694513cb3a3645a68b14"
FULL = {"listed": full(), "generated": full(scenarios="record")}
RANDOM = {f"random {seed}": random_problem(Random(seed)) for seed in range(times(2))}
PROBLEMS = FULL | RANDOM | {"minimal": MINIMAL}


@pytest.fixture
def no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every field is checked by itself; what several say together need make no sense."""
    monkeypatch.setattr(rules, "broken_rules", lambda _: [])


def sha(data: dict[str, Any]) -> str:
    return problem_sha256(Problem.model_validate(data))


def hashes(data: dict[str, Any]) -> tuple[str, str | None]:
    problem = Problem.model_validate(data)
    return problem_sha256(problem), problem_sha256_v1(problem)


def of_its_own(name: str, data: dict[str, Any]) -> list[Any]:
    """Places of a problem; of the generated one those that the listed one has not."""
    known = {(place.record, place.name) for place in places(FULL["listed"])} if name == "generated" else set()
    return [place for place in places(data) if (place.record, place.name) not in known]


def sha_v1(data: dict[str, Any]) -> str | None:
    return problem_sha256_v1(Problem.model_validate(data))


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("name", PROBLEMS)
def test_changing_any_leaf_changes_the_hash(name: str):
    """Each in turn, put back afterwards. All hashes differ from each other, too.

    That of 0.1.0 is none where a field has come later: it could not have read the problem.
    """
    data = copy.deepcopy(PROBLEMS[name])
    first, seen, seen_v1 = sha(data), {sha(data)}, {sha_v1(data)}
    count = 1
    for place in of_its_own(name, data):
        before = place.holder[place.key]
        for value in place.instead():
            place.holder[place.key] = value
            now, now_v1 = hashes(data)
            seen.add(now)
            seen_v1.add(now_v1)
            count += 1
        place.holder[place.key] = before
    assert sha(data) == first
    assert len(seen) == count
    assert seen_v1 == {None} if name in FULL else (len(seen_v1) == count and None not in seen_v1)
    if name in FULL:
        changed = {(place.record, place.name) for place in places(data) if list(place.instead())}
        leaves = {
            (place.record, place.name) for place in places(data) if not list(holds(place.info.annotation))
        }
        assert leaves - changed == {(Problem, "schema_")}


def test_the_full_problems_say_all_there_is_to_say():
    known = {(record, name) for record, named in fields_by_record().items() for name in named}
    assert {(place.record.__name__, place.name) for data in FULL.values() for place in places(data)} == known


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("name", FULL)
def test_a_field_written_with_its_default_is_one_left_out(name: str):
    """Every field but the two that a trace tells where they are not written. Set to anything else, it counts."""
    data = copy.deepcopy(FULL[name])
    stated = sha(data)
    for place in of_its_own(name, data):
        if place.info.is_required():
            continue
        value = place.holder.pop(place.key)
        absent, absent_v1 = hashes(data)
        place.holder[place.key] = json.loads(
            json.dumps(place.info.default, default=lambda record: record.model_dump())
        )
        written, written_v1 = hashes(data)
        if place.name not in fingerprint._MEASURED:
            assert written == absent != stated, place.name
        assert written_v1 == absent_v1, place.name
        place.holder[place.key] = value


@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if "trace:" not in path.read_text()], ids=lambda path: path.stem
)
def test_an_example_with_everything_written_out_has_the_same_hash(path: Path):
    """As JSON with all fields, defaults and nulls included."""
    problem = load(path)
    data = problem.model_dump(mode="json", by_alias=True)
    again = Problem.model_validate(data).at_positions(problem.positions)
    assert again.model_fields_set == set(Problem.model_fields)
    assert problem_sha256(again) == problem_sha256(problem)
    assert problem_sha256_v1(again) == problem_sha256_v1(problem)


@pytest.mark.parametrize("seed", range(times(10)))
def test_a_random_problem_with_everything_written_out_has_the_same_hash(seed: int):
    """And in another order of what has none."""
    problem = Problem.model_validate(random_problem(Random(seed)))
    data = problem.model_dump(mode="json", by_alias=True)
    for name in ("workloads", "offers", "groups", "scenarios"):
        data[name] = data[name][::-1]
    again = Problem.model_validate(data)
    assert problem_sha256(again) == problem_sha256(problem)
    assert problem_sha256_v1(again) == problem_sha256_v1(problem)


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ((), {}, {"models": {"m": {}, "n": {}, "o": {}}}),
        ((), {}, {"reoptimise": {}}),
        (("offers", 0), {}, {"commitment": {"min_usd_per_month": 0}}),
        (("offers", 0, "models"), {}, {"n": {"prompt_usd_per_m": 1, "completion_usd_per_m": 1}}),
        (("workloads", 0, "demand"), {"requests_per_day": 0}, {"requests_per_hour": 0}),
    ],
)
def test_what_says_little_still_counts(path, one, other):
    """A model named with no attribute differs from no model, an empty section from none, one zero from another."""
    hashes = []
    for said in (one, other):
        data = copy.deepcopy(MINIMAL)
        here: Any = data
        for part in path:
            here = here[part]
        if "demand" in path:
            here.clear()
        here |= said
        hashes.append(sha(data))
    assert hashes[0] != hashes[1]


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("empty", [{"requests_by_period": []}, {"trace": {"file": "t.csv", "filter": {}}}])
def test_an_empty_value_where_the_default_is_none_counts(empty):
    data = copy.deepcopy(MINIMAL)
    data["workloads"][0]["demand"] = empty  # type: ignore[index]
    first = sha(data)
    inner = next(iter(empty.values()))
    if isinstance(inner, dict):
        del inner["filter"]
    else:
        del empty["requests_by_period"]
    assert sha(data) != first


def test_an_offer_without_a_provider_is_its_own():
    """The default of this field is another field's value: written out or not, it is the same."""
    data = copy.deepcopy(MINIMAL)
    first = sha(data)
    data["offers"][0]["provider"] = "api"  # type: ignore[index]
    assert sha(data) == first
    data["offers"][0]["provider"] = "gpu"  # type: ignore[index]
    assert sha(data) != first


def test_a_hash_begun_beside_is_the_same_one(tmp_path: Path):
    """Of the problem that it was begun of, and of another that is asked for meanwhile."""
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(MINIMAL))
    expected = problem_sha256(load(path))
    problem = load(path)
    hashed_beside(problem)
    assert problem_sha256(problem) == expected
    other = problem.model_copy(update={"name": "other"})
    hashed_beside(problem)
    assert problem_sha256(other) == problem_sha256(problem.model_copy(update={"name": "other"}))
    assert problem_sha256(problem) == expected


def test_burstiness_written_beside_a_trace_counts_at_its_default_too(tmp_path: Path):
    """Where it is not written, it is measured: 1.0 and nothing are two problems. Without a trace, they are one."""
    head = json.dumps({"schema": "router/1", "models": {"m": {}}, "offers": MINIMAL["offers"]})[:-1]
    (tmp_path / "t.csv").write_text("1\n")
    for demand, differ in (('{"trace": {"file": "t.csv"}}', True), ('{"requests_per_day": 5}', False)):
        hashes = []
        for said in ("", ', "arrival_cv": 1', ', "service_cv": 0'):
            size = '"models": ["m"], "prompt_tokens": 9, "completion_tokens": 9'
            text = f'{head}, "workloads": [{{"name": "w", {size}, "demand": {demand}{said}}}]}}'
            (tmp_path / "p.json").write_text(text.replace('"n"', '"m"'))
            hashes.append(problem_sha256(load(tmp_path / "p.json")))
        assert len(set(hashes)) == (3 if differ else 1)


def test_defaults_are_plain_values_and_alternatives_can_be_told_apart():
    """What the hash relies on: a default that is known without the problem, and no two records without fields alike."""
    records = {held for _, held in held_anywhere()} | {Problem}
    for record in records:
        for name, info in content(record):
            assert info.is_required() or info.default is not PydanticUndefined, f"{record.__name__}.{name}"
            assert info.default_factory is None, f"{record.__name__}.{name}"
            kinds = [kind for option in options(info.annotation) for kind, _ in holds(option)]
            assert len(kinds) == len(set(kinds)), f"{record.__name__}.{name}: give its records a required tag"


def held_anywhere() -> Iterator[tuple[str, Any]]:
    waiting: list[Any] = [Problem]
    done = set()
    while waiting:
        record = waiting.pop()
        for _, info in content(record):
            for kind, held in holds(info.annotation):
                yield kind, held
                if held not in done:
                    done.add(held)
                    waiting.append(held)


def test_the_fields_of_release_0_1_0_are_what_they_were():
    """router/1 keeps every field and every default; what came later has a default and is not in the list."""
    frozen, today = fingerprint._release_0_1_0(), fields_by_record()
    for record, named in frozen.items():
        for name, field in named.items():
            assert today[record][name] == field, f"{record}.{name}"
        for name in today[record].keys() - named.keys():
            assert "default" in today[record][name], f"{record}.{name} is new and required"


def test_the_list_of_release_0_1_0_is_never_changed():
    """Every field with its default, as they stood on the day of that release."""
    text = (ROOT / "router" / "loading" / "release_0_1_0.json").read_bytes()
    assert hashlib.sha256(text).hexdigest() == FROZEN


ASKED = """
import json, sys
from router.loading.catalogue import load
from router.loading.fingerprint import problem_sha256, problem_sha256_v1
for path in json.load(sys.stdin):
    problem = load(path)
    print(json.dumps([problem_sha256(problem), problem_sha256_v1(problem)]))
"""


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return later_release.write(tmp_path_factory.mktemp("later"))


def asked(later: Path, paths: list[Path]) -> list[list[str | None]]:
    """Both hashes of each problem, as the later release makes them."""
    done = later_release.run(later, "-c", ASKED, given=json.dumps([str(path) for path in paths]))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_field_that_a_later_release_adds_changes_no_hash(later: Path, tmp_path: Path):
    """Neither of a shipped example nor of a random problem, in either version."""
    paths = list(EXAMPLES)
    for seed in range(times(5)):
        paths.append(tmp_path / f"{seed}.json")
        paths[-1].write_text(json.dumps(random_problem(Random(seed))))
    here = [load(path) for path in paths]
    assert asked(later, paths) == [[problem_sha256(one), problem_sha256_v1(one)] for one in here]


def test_once_it_is_used_it_counts_and_release_0_1_0_has_no_hash_for_it(later: Path, tmp_path: Path):
    """In any record; written as its default it is as good as absent."""
    said = []
    for holder in ("problem", "workloads", "offers", "horizon"):
        for value in (None, 1.5):
            data = copy.deepcopy(MINIMAL) | {"horizon": {"periods": 2}}
            here: Any = data if holder == "problem" else data[holder]
            (here[0] if isinstance(here, list) else here)["added_later"] = value
            said.append(tmp_path / f"{holder} {value}.json")
            said[-1].write_text(json.dumps(data))
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(copy.deepcopy(MINIMAL) | {"horizon": {"periods": 2}}))
    expected = [problem_sha256(load(plain)), problem_sha256_v1(load(plain))]
    found = asked(later, said)
    assert found[0::2] == [expected] * 4
    assert [v1 for _, v1 in found[1::2]] == [None] * 4
    assert len({sha256 for sha256, _ in found}) == 5


def test_either_hash_matches_and_no_other():
    problem = Problem.model_validate(MINIMAL)
    assert matches(problem, problem_sha256(problem))
    assert matches(problem, problem_sha256_v1(problem))
    other = problem.model_copy(update={"name": "other"})
    for sha256 in (problem_sha256(other), problem_sha256_v1(other), "", None):
        assert not matches(problem, sha256)
