"""What can go wrong, and the exit code a scheduled job sees.

    RouterError                       base; never raised itself
    ├── InputError          2         the problem file (or a file it names, or an option) is wrong
    ├── Infeasible          3         no plan keeps every promise
    ├── NoPlanInTime        4         none found within the limits
    ├── SolverFailed        5         the solver broke off without an answer
    ├── CertificateFailed   6         the plan failed its own check: a bug of ours
    └── LockHeld            7         another run holds the lock

InputError has two that scheduled jobs tell apart: StaleDemand, and StoreFailed (`router.store`).
A message says what, where, why, and the way out.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from importlib import import_module
from math import inf
from types import ModuleType
from typing import ClassVar

Path = tuple[str | int, ...]
"""Where a value stands in the file: ("offers", 2, "quota") is `offers[2].quota`."""


class RouterError(Exception):
    """Base of all errors that a user meets in one piece, and that end a run with `exit_code`."""

    exit_code: ClassVar[int] = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong in the input.

    at      path of the field, as keys and list positions; () is the file as a whole
    rule    what the value breaks, as a clause: "must be at least 0"
    value   the value as the user wrote it, None where there is none to show
    hint    the way out or the nearest known name
    file, line   where the field stands, line from 1; None where unknown (problems built in Python)
    detail  further lines to print as they are, such as the source line with a caret
    """

    at: Path
    rule: str
    value: object = None
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    detail: str | None = None

    @property
    def path(self) -> str:
        """`offers[2].models.llama-2-70b.prompt_usd_per_m`."""
        return render_path(self.at)

    @property
    def where(self) -> str:
        """`peak.yaml, line 12`, `peak.yaml`, or nothing."""
        place = self.file or ""
        if self.line is None:
            return place
        return f"{place}, line {self.line}" if place else f"line {self.line}"

    def __str__(self) -> str:
        head = ": ".join(part for part in (self.where, self.path) if part)
        body = self.rule if self.value is None else f"{show(self.value)}: {self.rule}"
        lines = [f"{head}: {body}" if head else body]
        if self.detail:
            lines += [f"    {line}" for line in self.detail.splitlines()]
        if self.hint:
            lines.append(f"    {self.hint}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str | int | None]:
        """For machine output: plain JSON values."""
        value = None if self.value is None else show(self.value)
        return {
            "file": self.file,
            "line": self.line,
            "path": self.path,
            "value": value,
            "rule": self.rule,
            "hint": self.hint,
        }


class InputError(RouterError):
    """The input is wrong; `issues` holds everything found, in file order."""

    exit_code = 2

    def __init__(self, issues: Issue | Iterable[Issue]) -> None:
        self.issues: tuple[Issue, ...] = (issues,) if isinstance(issues, Issue) else tuple(issues)
        super().__init__(self.issues)  # the constructor's own argument, so that the error pickles

    def __str__(self) -> str:
        if len(self.issues) == 1:
            return str(self.issues[0])
        shown = self.issues[:MAX_SHOWN]
        lines = [f"{len(self.issues)} errors in the input"]
        lines += [f"  {line}" for issue in shown for line in str(issue).splitlines()]
        if len(shown) < len(self.issues):
            lines.append(f"  … and {len(self.issues) - len(shown)} more")
        return "\n".join(lines)


def from_extra(module: str, extra: str, at: Path, value: object = None, otherwise: str = "") -> ModuleType:
    """A module of a package that is installed on request. Raises InputError that says how, at what needs it."""
    try:
        return import_module(module)
    except ImportError as error:
        rule = f"needs the package {module.partition('.')[0]}, which is not installed"
        way = f"pip install 'llm-inference-planner[{extra}]'{otherwise}"
        raise InputError(Issue(at, rule, value, way)) from error


class StaleDemand(InputError):
    """Demand that is missing or too old to plan by: nothing is scaled down for it."""


class Infeasible(RouterError):
    """No plan keeps every promise."""

    exit_code = 3


class NoPlanInTime(RouterError):
    """The limits on time or memory ran out before any plan was found."""

    exit_code = 4
    bound_usd = -inf  # what was proven of every plan by then


class SolverFailed(RouterError):
    """The solver ended without an answer, or refused an option."""

    exit_code = 5


class CertificateFailed(RouterError):
    """The independent check found the plan wrong: a bug to report, never the user's fault."""

    exit_code = 6


class LockHeld(RouterError):
    """Another run holds the lock of the store."""

    exit_code = 7


MAX_SHOWN = 40  # issues printed; a typo in a template of 1,000 workloads should not fill the terminal


def render_path(at: Path) -> str:
    """Dotted form; keys that would be ambiguous are quoted: `offers[0].models."gpt 4.1"`."""
    text = ""
    for part in at:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if part and not set(part) & set('[]" \n\t:') else '"' + part.replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return text


def show(value: object, width: int = 60) -> str:
    """A value as a person reads it in a message, cut to `width` characters, without control characters."""
    if isinstance(value, str):
        text = '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in value[: width + 1]) + '"'
    elif isinstance(value, dict):
        text = f"a mapping of {len(value)} entries" if value else "an empty mapping"
    elif isinstance(value, list | tuple):
        text = f"a list of {len(value)} entries" if value else "an empty list"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float):
        text = f"{value:.15g}"
    else:
        text = str(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def nearest(name: str, known: Iterable[str], *, listed: int = 8) -> str | None:
    """Hint for an unknown name: the nearest known one, else the known ones if they are few."""
    names = sorted(set(known))
    close = _closest(name, names)
    if close is not None:
        return f'did you mean "{close}"?'
    if not names or not listed:
        return None
    tail = ", …" if len(names) > listed else ""
    return f"known: {', '.join(names[:listed])}{tail}"


def _closest(name: str, names: Sequence[str]) -> str | None:
    """Case is looked through first: difflib takes GPT-4.1 and gpt-4.1 for strangers, and words in another order too."""
    alike = [known for known in names if _words(known) == _words(name)]
    if len(alike) == 1:
        return alike[0]
    lowered = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def _words(name: str) -> frozenset[str]:
    """The words of a field's name, in whatever order and number they stand."""
    return frozenset(word.removesuffix("s") for word in name.lower().split("_")) - {"per"}
