"""The problem files that are shipped: listed, and copied with what they include and the traces they read."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from router.errors import InputError, Issue
from router.output import check_writable, write_text

SUFFIX = ".yaml"
FIRST = "quickstart"
TRACE = re.compile(r"\bfile: ([\w.-]+\.csv)\b")  # as written in shipped files


@dataclass(frozen=True, slots=True)
class Example:
    """A shipped file: its name without ending, what its first comment says, and the shipped files it includes or reads.

    One that is no `problem` holds models and offers for others to include.
    """

    name: str
    about: str
    includes: tuple[str, ...]
    problem: bool

    @property
    def file(self) -> str:
        return self.name + SUFFIX


def listed() -> tuple[Example, ...]:
    """All examples by name, the one to begin with first."""
    examples = [_read(entry) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX)]
    return tuple(
        sorted(examples, key=lambda example: (not example.problem, example.name != FIRST, example.name))
    )


def find(name: str) -> Example:
    """The example of that name, with or without its ending. Raises InputError that names the nearest."""
    wanted = Path(name).name.removesuffix(SUFFIX)
    by_name = {example.name: example for example in listed()}
    if wanted in by_name:
        return by_name[wanted]
    close = difflib.get_close_matches(wanted, by_name, n=1)
    hint = f'did you mean "{close[0]}"?' if close else "`router examples` lists them"
    raise InputError(Issue((), "no such example", value=name, hint=hint))


def copy(name: str, folder: str | Path, *, replace: bool = False) -> tuple[Path, ...]:
    """Copy an example and what it includes; nothing is written if any file is there with other content.

    Returns the paths, the example's first. Raises InputError.
    """
    example = find(name)
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError(Issue((), "is not a directory", value=str(folder)))
    copies = {
        target / file: (_folder() / file).read_text("utf-8") for file in (example.file, *example.includes)
    }
    there = [path for path, text in copies.items() if path.exists() and not replace and not _same(path, text)]
    if there:
        names = ", ".join(str(path) for path in there)
        raise InputError(
            Issue((), "is there already, with other content", value=names, hint="--force replaces it")
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(Issue((), f"cannot be made: {error.strerror}", value=str(folder))) from error
    for path in copies:
        check_writable(path, "DIR")
    for path, text in copies.items():
        write_text(path, text, "DIR")
    return tuple(copies)


def _folder() -> Traversable:
    return files("router") / "examples"


def _same(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _read(entry: Traversable) -> Example:
    """The leading comment up to its first full stop; `include` is one line in shipped files."""
    lines = entry.read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#") or line.startswith("#   router"):
            break
        comment.append(line.lstrip("# ").strip())
    about = " ".join(comment).split(". ")[0].rstrip(".")
    include = next((line for line in lines if line.startswith("include:")), "")
    names = include.removeprefix("include:").split("#")[0].strip(" []").split(",")
    names += dict.fromkeys(name for line in lines for name in TRACE.findall(line))
    return Example(
        entry.name.removesuffix(SUFFIX),
        about,
        tuple(name.strip() for name in names if name.strip()),
        any(line.startswith("workloads:") for line in lines),
    )
