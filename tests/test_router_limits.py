"""What is too large, or not a regular file, is refused at once and by name; docs/limits.md has the same figures."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

import router.importers.performance.run as records
import router.plan.file as plans
from router.cli import run
from router.errors import InputError
from router.loading import includes, yaml_source
from router.loading.catalogue import load
from router.plan.file import read_plan
from router.schema.problem import MOST_PERIODS
from router.traces import read
from router.traces.columns import ColumnNames

DOCS = (Path(__file__).parent.parent / "docs" / "limits.md").read_text(encoding="utf-8")
PROBLEM = """schema: router/1
horizon: {{periods: {periods}, period_h: 1}}
include: {include}
models: {{m: {{}}}}
workloads:
  - {{name: w, models: [m], demand: {demand}, prompt_tokens: 1, completion_tokens: 1}}
offers: [{{name: o, models: {{m: {{prompt_usd_per_m: 1, completion_usd_per_m: 2}}}}}}]
"""


def problem(folder: Path, periods: int = 1, include: str = "[]", demand: str = "{requests_total: 1}") -> Path:
    """A small problem file."""
    file = folder / "problem.yaml"
    file.write_text(PROBLEM.format(periods=periods, include=include, demand=demand), encoding="utf-8")
    return file


def test_the_most_periods_are_taken_and_one_more_is_not(tmp_path: Path) -> None:
    assert load(problem(tmp_path, MOST_PERIODS)).horizon.periods == MOST_PERIODS == 366 * 24 * 12
    with pytest.raises(InputError, match=r"line 2: horizon\.periods: .*must be at most 105408"):
        load(problem(tmp_path, MOST_PERIODS + 1))
    assert f"| `horizon.periods` | {MOST_PERIODS:,} |" in DOCS


@pytest.mark.parametrize("packed", [True, False])
def test_a_trace_is_read_to_its_last_row_allowed_and_refused_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    """1,000 rows under a header are read; the 1,001st stands in line 1,002."""
    assert f"| {read.MAX_ROWS:,} |" in DOCS
    monkeypatch.setattr(read, "MAX_ROWS", 1_000)
    file = tmp_path / "log.csv"
    for rows in (1_000, 1_001):
        text = b"timestamp,prompt_tokens,completion_tokens\n" + b"0,1,1\n" * rows
        file.write_bytes(gzip.compress(text) if packed else text)
        if rows == 1_000:
            assert len(read.read_table(file, ColumnNames(), "UTC").at_us) == 1_000
            continue
        with pytest.raises(InputError, match=r"log\.csv, line 1002: has more than 1,000 rows"):
            read.read_table(file, ColumnNames(), "UTC")


def test_files_are_refused_one_byte_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem, a plan, and what an importer reads, each with room for its own size and for one byte less."""
    file = problem(tmp_path)
    size = file.stat().st_size
    monkeypatch.setattr(yaml_source, "MAX_BYTES", size)
    load(file)
    monkeypatch.setattr(yaml_source, "MAX_BYTES", size - 1)
    with pytest.raises(InputError, match=r"problem\.yaml: is larger than"):
        load(file)
    plan = tmp_path / "plan.json"
    plan.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(plans, "MAX_BYTES", 2)
    assert plans.read_json(plan) == {}
    monkeypatch.setattr(plans, "MAX_BYTES", 1)
    with pytest.raises(InputError, match=r"plan\.json: is larger than"):
        plans.read_json(plan)
    monkeypatch.setattr(records, "MAX_BYTES", 2)
    assert records.read_text(plan) == "{}"
    monkeypatch.setattr(records, "MAX_BYTES", 1)
    with pytest.raises(InputError, match=r"plan\.json: is larger than"):
        records.read_text(plan)


def test_the_sizes_stated_are_those_of_the_program() -> None:
    assert yaml_source.MAX_BYTES == 20e6
    assert "| 20 MB |" in DOCS
    assert f"| {yaml_source.MAX_VALUES:,} |" in DOCS
    assert f"| {yaml_source.MAX_DEPTH} deep |" in DOCS
    assert f"| {includes.MAX_FILES} |" in DOCS
    assert plans.MAX_BYTES == 1e9
    assert "| a plan file | 1 GB |" in DOCS
    assert records.MAX_BYTES == 500e6
    assert "| 500 MB |" in DOCS


@pytest.mark.parametrize("files", [3, 4])
def test_one_include_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    monkeypatch.setattr(includes, "MAX_FILES", 3)
    names = [f"part-{k}.yaml" for k in range(files)]
    for name in names:
        (tmp_path / name).write_text("models: {}\n", encoding="utf-8")
    file = problem(tmp_path, include=f"[{', '.join(names)}]")
    if files == 3:
        load(file)
        return
    with pytest.raises(InputError, match="more than 3 files are included"):
        load(file)


@pytest.fixture(params=["pipe", "device"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Something that is no file: a pipe into which nobody writes, a device that never ends."""
    path = tmp_path / "other"
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


def test_what_a_problem_names_must_be_regular_files(tmp_path: Path, other: Path) -> None:
    with pytest.raises(InputError, match=r"line 3: include\[0\]: \"other\": is not a regular file"):
        load(problem(tmp_path, include="[other]"), allow_files=["/dev"])
    traced = "{trace: {file: other}}"
    with pytest.raises(InputError, match=r"workloads\[0\].*file: \"other\": is not a regular file"):
        load(problem(tmp_path, demand=traced), allow_files=["/dev"])


def test_a_problem_and_a_plan_must_be_regular_files(other: Path) -> None:
    for reads in (load, read_plan):
        with pytest.raises(InputError, match="other: is not a regular file"):
            reads(other)


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "prices", "litellm"),
        ("import", "prices", "opencost"),
        ("import", "usage"),
        ("import", "trace"),
        ("import", "performance", "--offer", "o", "--model", "m"),
        ("report",),
        ("explain",),
    ],
    ids=" ".join,
)
def test_a_command_refuses_what_is_no_regular_file(
    arguments: tuple[str, ...], other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, str(other)]) == 2
    assert "is not a regular file" in capsys.readouterr().err


def test_a_pipe_that_the_shell_hands_over_is_read(tmp_path: Path) -> None:
    """`router solve <(…)` and `/dev/stdin`: the writer is the caller's own."""
    read_end, write_end = os.pipe()
    os.write(write_end, problem(tmp_path).read_bytes())
    os.close(write_end)
    try:
        assert load(f"/dev/fd/{read_end}").offers[0].name == "o"
    finally:
        os.close(read_end)
