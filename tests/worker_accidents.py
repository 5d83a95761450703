"""Work that goes wrong: for tests of what is spread over processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from solvers import SolveOptions


@dataclass(frozen=True)
class DiesOnce:
    """Does the work, but the first process to come here is killed; `marker` is a file that says it has happened."""

    work: Callable[[Any], Any]
    marker: str
    parent: int

    def __call__(self, task: Any) -> Any:
        if os.getpid() != self.parent:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.work(task)


@dataclass(frozen=True)
class AlwaysDies:
    """No process survives it."""

    parent: int

    def __call__(self, task: Any) -> Any:
        if os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return task


@dataclass(frozen=True)
class Fails:
    """Ends with an error of the planner, or by Ctrl-C."""

    error: BaseException

    def __call__(self, task: Any) -> Any:
        raise self.error


@dataclass(frozen=True)
class Pid:
    """Who did the work."""

    def __call__(self, task: Any) -> int:
        return os.getpid()


@dataclass(frozen=True)
class Late:
    """Whether no time is left, as it looks from there."""

    options: SolveOptions

    def __call__(self, task: Any) -> bool:
        return self.options.late
