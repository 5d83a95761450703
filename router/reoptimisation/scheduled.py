"""A scheduled run around `reoptimise`: demand checked, events and metrics written, again every so often if asked."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any, TextIO

from router.errors import RouterError
from router.loading.catalogue import load
from router.output import write_text
from router.plan.values import plain
from router.planning.solve import Search
from router.reoptimisation import metrics
from router.reoptimisation.freshness import check_fresh, starting
from router.reoptimisation.run import LEASE_S, Result, reoptimise
from router.store import check_store, open_store

BUG, INTERRUPTED = 1, 130


@dataclass(frozen=True)
class Job:
    """What one run needs to know."""

    file: str
    store: str
    search: Search
    start: str | None = None  # another start of the horizon, or `now`
    repeat_daily: bool = False  # lists of demand move with it
    max_age_s: float | None = None
    lease_s: float = LEASE_S
    output: str | None = None  # the plan in force
    metrics: str | None = None
    allow_files: tuple[str, ...] = ()


class Journal:
    """`journal("plan published", id=7)`. In JSON every event; in words those above `info`, and all with `verbose`."""

    def __init__(self, *, as_json: bool, verbose: bool = False, stream: TextIO | None = None) -> None:
        self.as_json, self.verbose = as_json, verbose
        self.stream = sys.stderr if stream is None else stream

    def __call__(self, event: str, *, level: str = "info", **fields: Any) -> None:
        if self.as_json:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {"time": at, "level": level, "event": event, **plain(fields)}
            self._write(json.dumps(line, ensure_ascii=False))
        elif self.verbose or level != "info":
            words = ", ".join(f"{name} {value}" for name, value in fields.items())
            self._write(f"{stamp()} {event}: {words}" if words else f"{stamp()} {event}")

    def _write(self, line: str) -> None:
        if self.stream is not None:  # closed from the start
            self.stream.write(line + "\n")
            self.stream.flush()


def stamp() -> str:
    """The time, UTC, at the head of a line of a log."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_needs(job: Job) -> None:
    """What no later run can mend is said before the first: a package that is not installed, a URL of no store.

    Raises InputError.
    """
    check_store(job.store)
    if job.metrics is not None:
        metrics.read(job.metrics)


def once(job: Job, journal: Journal) -> Result:
    """One run, with its metrics whether it ends well or not. Raises what `reoptimise` raises."""
    if job.metrics is not None:
        metrics.read(job.metrics)  # raises where the library is not installed, before any work
    began = time.monotonic()
    code, outcome, result = BUG, "unexpected", None
    try:
        result = _work(job, journal)
        code, outcome = 0, result.outcome
        return result
    except RouterError as error:
        code, outcome = error.exit_code, type(error).__name__
        raise
    except KeyboardInterrupt:
        code, outcome = INTERRUPTED, "Interrupted"
        raise
    finally:
        seconds = time.monotonic() - began
        if job.metrics is not None:
            metrics.record(job.metrics, job.file, time.time(), seconds, code, outcome, result)
        journal("run ended", outcome=outcome, exit_code=code, seconds=round(seconds, 3))


def _work(job: Job, journal: Journal) -> Result:
    problem = starting(load(job.file, allow_files=job.allow_files), job.start, repeat_daily=job.repeat_daily)
    check_fresh(problem, job.max_age_s)
    journal("run started", problem=problem.name, file=job.file)
    with open_store(job.store) as store:
        result = reoptimise(problem, store, job.search, lease_s=job.lease_s, say=journal)
    if job.output is not None:
        write_text(job.output, result.plan.to_json())
    return result


def forever(job: Job, journal: Journal, every_s: float, report: Callable[[Result | Exception], None]) -> None:
    """Run now and every `every_s` seconds, on the beat, until SIGTERM or SIGINT; a run that fails ends only itself."""
    stop = threading.Event()

    def stopped(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, stopped) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        beat = time.monotonic()
        while not stop.is_set():
            try:
                report(once(job, journal))
            except Exception as error:  # a bug of ours is reported, and the next run may succeed
                report(error)
            missed = int((time.monotonic() - beat) // every_s)
            beat += (missed + 1) * every_s
            stop.wait(max(beat - time.monotonic(), 0.0))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
