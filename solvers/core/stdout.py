"""Native code that writes to the process's stdout, past Python's own: it belongs to the answer."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

STDOUT, STDERR = 1, 2


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """What anything in this process writes to file descriptor 1 meanwhile goes to 2."""
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, STDOUT)
        os.close(kept)


def _flush() -> None:
    """C's buffers, before the descriptor changes under them."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)
