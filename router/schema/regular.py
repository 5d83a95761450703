"""What is read must be a regular file: a pipe never ends, a device ends when memory does."""

from __future__ import annotations

import stat
from pathlib import Path

from router.errors import InputError, Issue

NOT_REGULAR = "is not a regular file"
HANDED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""What a shell hands over: `router solve <(…)`, `… | router report /dev/stdin`."""


def from_stdin(path: Path) -> Path:
    """`-` as the file that it stands for."""
    return Path("/dev/stdin") if str(path) == "-" else path


def is_other(path: Path) -> bool:
    """Whether something is there that is neither a regular file nor a directory."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # opening it says what is wrong
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_regular(path: Path, shown: str | None = None, *, handed: bool = False) -> None:
    """Raises InputError for pipes and devices; `handed`: but for a pipe that the shell handed over."""
    if not is_other(path) or (handed and str(path).startswith(HANDED) and path.is_fifo()):
        return
    hint = "save what comes from it, and name that file"
    raise InputError(Issue((), NOT_REGULAR, file=shown or str(path), hint=hint))
