"""Reads problem files: YAML or JSON, includes merged, everything checked, positions kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path as FilePath

from pydantic import ValidationError

from router.errors import InputError, Issue, Path
from router.loading.allowed import OUTSIDE, WAY_OUT, is_allowed
from router.loading.fingerprint import problem_sha256, series_path, trace_path
from router.loading.includes import merge_includes
from router.loading.yaml_source import Value, parse, read_file
from router.schema import Generated, Problem, ScheduleRule, Trace
from router.schema.issues import issues_of
from router.schema.regular import NOT_REGULAR
from router.schema.source import Mark, SourceMap

__all__ = ["input_issue", "load", "load_text", "problem_sha256", "trace_path", "traces"]


def load(problem: Problem | str | FilePath, *, allow_files: Sequence[str | FilePath] = ()) -> Problem:
    """The problem in a file, YAML or JSON (by its name), with its includes; a `Problem` is returned as it is.

    allow_files     folders below which included files, traces and series may lie, besides the problem's own

    Units are those of the file's fields, as their names say (`usd_per_h`, `ttft_p99_ms`); docs/fields.md lists them.

    Raises InputError with all mistakes of the file and of what it includes, each with its line.
    """
    if isinstance(problem, Problem):
        return problem
    file = FilePath(problem)
    value, mark = read_file(file, str(problem))
    return _build(*merge_includes(value, mark, file, allow_files), allow_files)


def load_text(text: str, file: str = "problem.yaml") -> Problem:
    """The problem in a text; what it includes is looked up beside `file`. Raises InputError."""
    value, mark = parse(text, file, is_json=file.endswith(".json"))
    return _build(*merge_includes(value, mark, FilePath(file)))


def input_issue(problem: Problem, at: Path, value: object, rule: str, hint: str | None = None) -> Issue:
    """An issue for later layers to raise, placed in its file: `("offers", 2, "quota")` is `offers[2].quota`.

    `raise InputError(input_issue(problem, ("offers", 2, "quota"), None, "is not yet planned for"))`
    """
    return problem.positions.place(Issue(at, rule, value, hint))


def traces(problem: Problem) -> Iterable[tuple[Path, Trace]]:
    """All traces of a problem with the paths of their fields."""
    for index, workload in enumerate(problem.workloads):
        if workload.demand.trace is not None:
            yield ("workloads", index, "demand", "trace"), workload.demand.trace
    if isinstance(problem.scenarios, Generated) and problem.scenarios.generate.history is not None:
        yield ("scenarios", "generate", "history"), problem.scenarios.generate.history


def _build(
    value: dict[str, Value],
    mark: Mark,
    left_out: frozenset[str],
    allow_files: Sequence[str | FilePath] = (),
) -> Problem:
    """Validates values and gives every issue its file and line, in file order."""
    positions = SourceMap(mark)
    try:
        problem = Problem.model_validate(value).at_positions(positions)
    except ValidationError as error:
        issues = issues_of(error)
    except InputError as error:
        issues = [_left_out(issue, left_out) for issue in error.issues]
    else:
        _need_files(problem, allow_files)
        return problem
    raise InputError(_in_file_order((positions.place(issue) for issue in issues), positions.file))


def _left_out(issue: Issue, names: frozenset[str]) -> Issue:
    """A reference to an offer that is there, but not used, is told so."""
    if issue.value in names and issue.rule.startswith("unknown offer"):
        return dataclasses.replace(issue, hint="it is included, but left out by use_offers")
    return issue


def _in_file_order(issues: Iterable[Issue], main: str | None) -> list[Issue]:
    return sorted(issues, key=lambda issue: (issue.file != main, issue.file or "", issue.line or 0))


def _schedules(problem: Problem) -> Iterator[tuple[Path, Sequence[ScheduleRule]]]:
    """Rules about time of offers and of hosts, and where they stand."""
    yield from ((("offers", o), offer.schedule) for o, offer in enumerate(problem.offers))
    yield from ((("hosts", h), host.schedule) for h, host in enumerate(problem.hosts))


def _need_files(problem: Problem, allow_files: Sequence[str | FilePath]) -> None:
    """A trace or series that may not be read, or is not there, is found now, not after minutes of planning."""
    files = [((*at, "file"), trace.file, trace_path(problem, trace)) for at, trace in traces(problem)]
    files += [
        ((*at, "schedule", r, "series", "file"), rule.series.file, series_path(problem, rule.series))
        for at, rules in _schedules(problem)
        for r, rule in enumerate(rules)
        if rule.series is not None
    ]
    issues = []
    for at, name, path in files:
        try:
            allowed = is_allowed(path, FilePath(problem.positions.file or ""), allow_files)
            there, regular = path.exists(), path.is_file()
        except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL in it, links in a circle
            why = getattr(error, "strerror", None) or error
            issues.append(input_issue(problem, at, name, f"is not a file name: {why}"))
            continue
        if not allowed:
            issues.append(input_issue(problem, at, name, OUTSIDE, WAY_OUT))
        elif not regular:
            issues.append(input_issue(problem, at, name, NOT_REGULAR if there else "no such file"))
    if issues:
        raise InputError(issues)
