"""What a solver does to the process that it runs in: native code on stdout, Ctrl-C, a scheduler per thread."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator

STDOUT, STDERR = 1, 2
_GUARD = threading.Lock()
_kept: list[int] = []  # what descriptor 1 was, while it is 2; once for each thread that asked


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """What this process writes to stdout meanwhile goes to stderr: native code's by the descriptor, and Python's own.

    Several threads may ask at once: the first diverts, the last restores.
    """
    with _GUARD:
        _kept.append(_kept[0] if _kept else os.dup(STDOUT))
        os.dup2(STDERR, STDOUT)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with _GUARD:
            descriptor = _kept.pop()
            if not _kept:
                _flush()
                os.dup2(descriptor, STDOUT)
                os.close(descriptor)


def _flush() -> None:
    """C's buffers, before the descriptor changes under them."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def in_thread[T](work: Callable[[], T], on_interrupt: Callable[[], bool] = lambda: False) -> T:
    """The result of `work`, done in a thread of its own, so that Ctrl-C reaches us while a solver runs.

    HiGHS also keeps its task scheduler per thread, and refuses a run with another number of threads than the
    first; a fresh thread never had one. `on_interrupt` says whether to go on waiting after a Ctrl-C. An
    event, not `Thread.join`: an interrupted join marks a running thread as ended (CPython issue 90882).
    """
    done = threading.Event()
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again below, in the caller's thread
            failures.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="solver", daemon=True).start()
    while not done.is_set():
        try:
            done.wait(0.2)  # without a limit, Windows would not let Ctrl-C through
        except KeyboardInterrupt:
            if not on_interrupt():
                raise
    if failures:
        raise failures[0]
    return results[0]
