"""Where each value of a problem stands: file and line, by field path.

Positions form a tree beside the values. An aliased YAML node is one subtree reached by several paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from router.errors import Issue, Path

NOTHING: dict[str | int, Mark] = {}  # children of a scalar; shared, never written to


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """Position of a value and of what it holds; `origin` is its path in its own file if that differs."""

    file: str | None = None
    line: int | None = None
    children: Mapping[str | int, Mark] = dataclasses.field(default_factory=lambda: NOTHING)
    origin: Path | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SourceMap:
    """Positions of a whole problem; empty for one built in Python."""

    root: Mark = Mark()

    def __eq__(self, other: object) -> bool:
        """Always: where a problem was read is no part of what it says."""
        return isinstance(other, SourceMap)

    __hash__ = None  # type: ignore[assignment]

    @property
    def file(self) -> str | None:
        """The problem file itself."""
        return self.root.file

    def locate(self, at: Path) -> tuple[str | None, int | None, Path]:
        """File, line, and path within that file, of the deepest known part of `at`."""
        mark, shown, line = self.root, at, None
        for depth, part in enumerate(at):
            child = mark.children.get(part)
            if child is None:
                break
            mark, line = child, child.line
            if mark.origin is not None:
                shown = mark.origin + at[depth + 1 :]
        return mark.file, line, shown

    def place(self, issue: Issue) -> Issue:
        """The issue with file and line filled in, and its path as in the file it comes from."""
        file, line, shown = self.locate(issue.at)
        return dataclasses.replace(issue, file=file, line=line, at=shown)
