"""A worker that dies in the middle of its work, once: for tests of what is spread over processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
