"""What earlier releases wrote lives on: plans are read, verified and refused as ever, stores are carried on."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import later_release
import pytest
from test_router_verify_plans import verify

from router.cli import run as cli
from router.loading.catalogue import load
from router.loading.fingerprint import matches, problem_sha256, problem_sha256_v1
from router.plan.difference import difference, same_problem
from router.plan.file import read_plan
from router.reoptimisation.run import run_key, run_key_v1
from router.reports.difference import difference_report
from router.reports.text import to_text
from solvers import SolveOptions

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "router" / "examples"
FOLDERS = sorted((ROOT / "tests" / "data" / "releases").glob("[0-9]*"))
FIRST = ROOT / "tests" / "data" / "releases" / "0.1.0"


def problem_of(folder: Path, name: str) -> Path:
    """The problem file as it was: kept beside the plans where the shipped example has changed since."""
    kept = folder / "problems" / name
    return kept if kept.exists() else EXAMPLES / name


def document_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    document: dict[str, Any] = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    return document


PLANS = [(folder, path) for folder in FOLDERS for path in sorted((folder / "plans").iterdir())]
each_plan = pytest.mark.parametrize(
    ("folder", "path"), PLANS, ids=[f"{folder.name}-{path.name.split('.')[0]}" for folder, path in PLANS]
)
each_release = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """`tests/data/releases/write.py`."""
    spec = importlib.util.spec_from_file_location("write_release", FIRST.parent / "write.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_release_left_a_plan_of_every_example_of_its_time():
    assert FIRST in FOLDERS
    assert len(list((FIRST / "plans").iterdir())) == 29


def check_plan(problem: Path, path: Path, scratch: Path) -> None:
    """It is a plan of the problem, keeps every promise, and is read."""
    document = document_of(path)
    loaded = load(problem)
    assert matches(loaded, document["problem_sha256"]), (
        f"keep {problem.name} as it was in problems/, see README.md"
    )
    verdict = verify(loaded, document)
    assert verdict.ok, verdict.failed()
    plain = scratch / "plan.json"
    plain.write_text(json.dumps(document), encoding="utf-8")
    assert read_plan(plain).cost_usd == document["cost_usd"]


@each_plan
def test_its_plans_are_read_and_verified(folder: Path, path: Path, tmp_path: Path):
    check_plan(problem_of(folder, path.name.split(".")[0] + ".yaml"), path, tmp_path)


@pytest.mark.parametrize(
    "path", sorted((FIRST / "plans").iterdir()), ids=lambda path: path.name.split(".")[0]
)
def test_plans_of_0_1_0_carry_the_first_hash(path: Path):
    """All fields written out: not what today's releases make of the problem, but what can still be made."""
    problem = load(problem_of(FIRST, path.name.split(".")[0] + ".yaml"))
    assert document_of(path)["problem_sha256"] == problem_sha256_v1(problem) != problem_sha256(problem)


@each_release
def test_every_command_takes_its_plans_and_refuses_them_for_another_problem(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A changed price is another problem: verify ends with 6, simulate and export with 2, in the words of ever."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder / "plans" / "fleet.json", "plan.json")
    shutil.copy(problem_of(folder, "fleet.yaml"), "same.yaml")
    text = Path("same.yaml").read_text(encoding="utf-8")
    changed = text.replace("usd_per_h: ", "usd_per_h: 1", 1)
    assert changed != text
    Path("other.yaml").write_text(changed, encoding="utf-8")
    export = ["export", "litellm", "plan.json", "--problem"]
    simulate = ["simulate", "plan.json", "--hours", "busiest", "--requests", "200", "--problem"]
    for command in (["verify", "same.yaml", "plan.json"], [*export, "same.yaml"], [*simulate, "same.yaml"]):
        assert cli(command) == 0, capsys.readouterr().err
    assert cli(["report", "plan.json"]) == 0
    assert cli(["export", "csv", "plan.json", "-o", "tables"]) == 0
    capsys.readouterr()
    for command, code, words in (
        (["verify", "other.yaml", "plan.json"], 6, "problem"),
        ([*export, "other.yaml"], 2, "is not the problem that the plan was made from"),
        ([*simulate, "other.yaml"], 2, "is not the problem of this plan (problem_sha256 differs)"),
    ):
        assert cli(command) == code
        assert words in capsys.readouterr().err


@each_release
def test_its_run_keys_are_made_again(folder: Path, writer: ModuleType):
    """Whatever a run was asked: options, solver, future, trace."""
    for row in json.loads((folder / "run_keys.json").read_text(encoding="utf-8")):
        kept = folder / row["file"]
        path = kept if kept.exists() else problem_of(folder, row["file"])
        asked = writer.inputs(path, row["solver"], row["scenario"], row["options"])
        assert row["run_key"] in (run_key(*asked), run_key_v1(*asked)), row


@dataclass(frozen=True)
class LaterOptions(SolveOptions):
    """Of a release with one option more."""

    effort: float = 1.0


def test_an_option_that_a_later_release_adds_changes_no_run_key(writer: ModuleType):
    """Until it is used: then there is no key of 0.1.0 for it. No limit on time is no default, and counts."""
    problem, search = writer.inputs(FIRST / "job-3.yaml", "highs", None, {})
    keys = {
        name: (
            run_key(problem, replace(search, options=options)),
            run_key_v1(problem, replace(search, options=options)),
        )
        for name, options in {
            "today": SolveOptions(),
            "later": LaterOptions(),
            "used": LaterOptions(effort=2.0),
            "no limit": SolveOptions(time_limit_s=None),
        }.items()
    }
    assert keys["later"] == keys["today"]
    assert len({key for key, _ in keys.values()}) == 3
    assert keys["used"][1] is None
    assert len({key for _, key in keys.values()}) == 3


def test_nothing_but_the_inputs_is_in_a_run_key(writer: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """Not the versions of the planner, of Python or of a library, nor the day."""
    asked = writer.inputs(FIRST / "job-3.yaml", "highs", None, {})
    before = run_key(*asked), run_key_v1(*asked)
    for name in ("importlib.metadata.version", "platform.python_version", "time.time", "uuid.uuid4"):
        monkeypatch.setattr(name, lambda *_: 1 / 0)
    assert (run_key(*asked), run_key_v1(*asked)) == before


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """`--store URL` of a copy, in the current directory."""
    monkeypatch.chdir(tmp_path)
    yield ["--store", f"sqlite:///{tmp_path / 'store.db'}"]


def rows() -> list[tuple[int, str, str]]:
    with sqlite3.connect("store.db") as connection:
        found = connection.execute("SELECT id, run_key, reason FROM router_plans ORDER BY id").fetchall()
    connection.close()
    return found


@each_release
def test_its_store_is_carried_on(folder: Path, store: list[str], capsys: pytest.CaptureFixture[str]):
    """The inputs of its last run are unchanged: 0 and no new row. Others are planned for, from the plan in force."""
    shutil.copy(folder / "store.db", ".")
    before = rows()
    command = ["reoptimise", "job.yaml", *store, "--detailed-exitcode", "--json"]
    shutil.copy(folder / "job-3.yaml", "job.yaml")
    assert cli(command) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["outcome"], answer["id"], answer["run_key"]) == ("same inputs", 3, before[-1][1])
    assert rows() == before
    shutil.copy(folder / "job-1.yaml", "job.yaml")
    assert cli(command) == 10
    assert json.loads(capsys.readouterr().out)["running_id"] == 3
    after = rows()
    assert after[:-1] == before
    assert after[-1][0] == 4
    assert (
        after[-1][1] != before[0][1]
    )  # the key of today, not the one that the same inputs had in the first run
    assert cli(command) == 0
    assert rows() == after
    capsys.readouterr()
    assert cli(["diff", "3", "4", *store]) == 0
    expected = "cannot be decided" if folder == FIRST else "are for different problems"
    assert expected in capsys.readouterr().out


@each_release
def test_its_history_is_read(folder: Path, store: list[str], capsys: pytest.CaptureFixture[str]):
    shutil.copy(folder / "store.db", ".")
    assert cli(["history", *store, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["listed"]
    assert [row["reason"] for row in listed] == ["cheaper", "repair", "first"]
    for number in ("1", "2", "3"):
        assert cli(["history", *store, "--show", number, "-o", f"{number}.json"]) == 0
        problem = load(folder / f"job-{number}.yaml")
        assert verify(problem, json.loads(Path(f"{number}.json").read_text(encoding="utf-8"))).ok
    assert cli(["diff", "1", "3", *store]) == 0
    assert cli(["diff", "1.json", "2", *store]) == 0
    capsys.readouterr()


@each_release
def test_a_later_release_carries_its_store_on_too(folder: Path, store: list[str], tmp_path: Path):
    """One with more fields in the problem file finds the inputs unchanged as well."""
    shutil.copy(folder / "store.db", ".")
    shutil.copy(folder / "job-3.yaml", "job.yaml")
    before = rows()
    later = later_release.write(tmp_path / "later")
    done = later_release.run(
        later, "-m", "router", "reoptimise", str(tmp_path / "job.yaml"), *store, "--detailed-exitcode"
    )
    assert done.returncode == 0, done.stderr
    assert rows() == before


@pytest.mark.parametrize(
    ("old", "new", "same", "words"),
    [
        (("a", "router-plan/1"), ("a", "router-plan/1"), True, ""),
        (("a", "router-plan/1"), ("b", "router-plan/1"), False, "are for different problems"),
        (("a", "router-plan/2"), ("b", "router-plan/2"), False, "are for different problems"),
        (("a", "router-plan/1"), ("b", "router-plan/2"), None, "cannot be decided"),
        (("b", "router-plan/2"), ("a", "router-plan/1"), None, "cannot be decided"),
    ],
)
def test_diff_says_where_it_cannot_tell_whether_the_problem_is_the_same(old, new, same, words):
    """It reads no problem file, and the hashes of two formats say nothing of each other unless they are equal."""
    assert same_problem(old[0], new[0], old[1], new[1]) is same
    plan = read_plan(FIRST / "plans" / "quickstart.json")
    report = difference_report(replace(difference(plan, plan), same_problem=same), "old → new")
    assert (words in to_text(report)) and (bool(report.notes) == bool(words))


def test_what_today_s_release_would_leave_passes_the_same(
    writer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of three examples: two are packed, one is sized."""
    folder = tmp_path / "9.9.9"
    monkeypatch.setattr(writer, "LARGE", 30_000)
    monkeypatch.setattr("router.sizing.sensitivity.STRIDES", (1.6,))
    writer.write(folder, ["quickstart", "fleet", "sizing-quote"])
    found = sorted((folder / "plans").iterdir())
    assert [path.name for path in found] == ["fleet.json.gz", "quickstart.json", "sizing-quote.json.gz"]
    for path in found:
        check_plan(problem_of(folder, path.name.split(".")[0] + ".yaml"), path, tmp_path)
    assert [path.name for path in sorted(folder.iterdir())] == [
        *("job-1.yaml", "job-2.yaml", "job-3.yaml", "plans", "run_keys.json", "store.db")
    ]
    test_its_run_keys_are_made_again(folder, writer)


def test_a_problem_kept_beside_the_plans_takes_the_place_of_the_example(tmp_path: Path):
    (tmp_path / "problems").mkdir()
    shutil.copy(EXAMPLES / "quickstart.yaml", tmp_path / "problems")
    assert problem_of(tmp_path, "quickstart.yaml").parent == tmp_path / "problems"
    assert problem_of(tmp_path, "fleet.yaml") == EXAMPLES / "fleet.yaml"
