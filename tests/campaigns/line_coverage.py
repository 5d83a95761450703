"""Lines of the product that are run, by `sys.monitoring`: each is reported once, and costs nothing from then on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import router

ROOT = Path(router.__file__).parent
TOOL = sys.monitoring.PROFILER_ID
IN_FUNCTIONS = 0x1  # CO_OPTIMIZED: not the body of a module or a class, which imports run


@dataclass
class LineCoverage:
    """Lines in functions of some folders of `router`: those that there are, and those that were run."""

    folders: Sequence[str]
    lines: set[tuple[str, int]] = field(default_factory=set)
    seen: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for folder in self.folders:
            for file in sorted((ROOT / folder).rglob("*.py")):
                code = compile(file.read_text("utf-8"), str(file), "exec")
                self.lines |= {(str(file), line) for line in _lines(code)}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Everything run inside counts."""
        sys.monitoring.use_tool_id(TOOL, "fuzz")
        sys.monitoring.restart_events()
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, self._line)
        sys.monitoring.set_events(TOOL, sys.monitoring.events.LINE)
        try:
            yield
        finally:
            sys.monitoring.set_events(TOOL, 0)
            sys.monitoring.free_tool_id(TOOL)

    def _line(self, code: CodeType, line: int) -> object:
        at = code.co_filename, line
        if at in self.lines:
            self.seen.add(at)
        return sys.monitoring.DISABLE

    def unseen(self) -> dict[str, list[int]]:
        """By file, lines that nothing has run."""
        found: dict[str, list[int]] = {}
        for file, line in sorted(self.lines - self.seen):
            found.setdefault(str(Path(file).relative_to(ROOT)), []).append(line)
        return found


def _lines(code: CodeType) -> Iterator[int]:
    if code.co_flags & IN_FUNCTIONS:
        first = code.co_firstlineno
        yield from {line for _, _, line in code.co_lines() if line is not None and line != first}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _lines(inner)
