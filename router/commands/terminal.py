"""What goes to the terminal: the answer on stdout, progress on stderr."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Any, TextIO

import click

from router.errors import InputError, Issue

if TYPE_CHECKING:
    from router.reports.document import Report

PATIENCE_S = 2.0
PIPE_WIDTH = 100  # columns where nobody says how wide the page is


def say(text: str, *, delivered: bool = False) -> None:
    """The answer, on stdout. Raises InputError where it is closed or full; only said where a file or store has it."""
    try:
        if sys.stdout is None:
            raise OSError("it is closed")
        click.echo(text, nl=not text.endswith("\n"))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        issue = Issue(("stdout",), f"cannot be written: {error.strerror or error}")
        to_nowhere(sys.stdout)
        if not delivered:
            raise InputError(issue) from error
        remark(f"Warning: {issue}")


def to_nowhere(stream: TextIO | None) -> None:
    """What Python still wants to flush into a stream goes nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]


def remark(text: str) -> None:
    """Anything but the answer, on stderr."""
    click.echo(text, err=True)


def say_json(value: Any, *, delivered: bool = False) -> None:
    """A machine's answer: sorted keys, no NaN."""
    from router.plan.values import to_json

    say(to_json(value), delivered=delivered)


def say_report(report: Report, *, delivered: bool = False) -> None:
    """A person's answer, as wide as the terminal, in colour where that is wanted."""
    from router.reports.text import to_text

    text = to_text(report, width=width(), colour=coloured(), whole=not _has_width())
    say(text, delivered=delivered)


def deliver(text: str, output: str | None, what: str) -> None:
    """The answer to the file where one is named, with a remark that names `what` it is; else on stdout."""
    if output is None:
        say(text)
        return
    from router.output import write_text

    write_text(output, text)
    remark(f"{what} written to {output}")


def answer(
    document: Any,
    report: Callable[[], Report],
    machine: bool,
    output: str | None = None,
    what: str = "",
    *,
    delivered: bool = False,
    parquet: bool = False,
) -> None:
    """The answer as JSON in the file where one is named, and on stdout: as JSON for a machine, else as a report.

    delivered   somebody has it already, such as a store
    parquet     the largest tables of a plan stand beside it
    """
    if output is not None and what == "plan":
        from router.commands.plan_file import write_plan

        beside = write_plan(output, document, parquet=parquet)
        remark(f"plan written to {output}" + (f", beside it {', '.join(beside)}" if beside else ""))
    elif output is not None:
        from router.plan.values import to_json

        deliver(to_json(document), output, what)
    delivered = delivered or output is not None
    if machine:
        say_json(document, delivered=delivered)
    else:
        say_report(report(), delivered=delivered)


def width() -> int:
    """Columns of the page; COLUMNS overrides."""
    return max(40, shutil.get_terminal_size((PIPE_WIDTH, 24)).columns)


def _has_width() -> bool:
    """Whether somebody looks at so many columns and no more; a file or a pipe takes lines of any length."""
    return bool(os.environ.get("COLUMNS")) or _is_terminal(sys.stdout)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def coloured() -> bool:
    """Colour on a terminal, unless NO_COLOR is set or it is a dumb one."""
    return _is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class ProgressLine:
    """What is being done, the best plan and the bound so far, and the time that is left."""

    def __init__(self, task: str, left_s: Callable[[], float] | None, update: Callable[[str], None]) -> None:
        self._task, self._left_s, self._update = task, left_s, update
        self._said, self._best, self._bound = task, inf, -inf

    def __call__(self, detail: str) -> None:
        """What comes now."""
        self._said = f"{self._task}: {detail}"
        self.show()

    def anew(self, detail: str) -> None:
        """What comes now is a search of its own: the figures so far are not of it."""
        self._best, self._bound = inf, -inf
        self(detail)

    def reached(self, best_usd: float, bound_usd: float) -> None:
        """A plan's cost and a bound of the whole problem, in USD; inf where there is none yet."""
        self._best, self._bound = min(self._best, best_usd), max(self._bound, bound_usd)

    def show(self) -> None:
        """The line as it is now."""
        left = inf if self._left_s is None else self._left_s()
        parts = [self._said, *self._figures(), "" if left == inf else f"{left:,.0f} s of the limit left"]
        self._update(", ".join(part for part in parts if part))

    def _figures(self) -> list[str]:
        from router.reports.words import percent, usd

        best, bound = self._best, self._bound
        if best == inf:
            return [] if bound == -inf else [f"no plan yet, none below {usd(bound)} USD"]
        gap = f", gap {percent(max(0.0, best - bound) / abs(best))}" if best and bound > -inf else ""
        return [
            f"best plan {usd(best)} USD" + (f", none below {usd(min(best, bound))} USD{gap}" if gap else "")
        ]


@contextmanager
def progress(task: str, left_s: Callable[[], float] | None = None) -> Iterator[ProgressLine]:
    """A line on the terminal, never in a pipe, for what takes longer than two seconds; it is told what is being done.

    left_s   seconds that are left of the limit, shown beside it
    """
    if not _is_terminal(sys.stderr):
        yield ProgressLine(task, None, lambda _: None)
        return
    from rich.console import Console
    from rich.status import Status

    over, status = threading.Event(), Status(task, console=Console(stderr=True))
    line = ProgressLine(task, left_s, status.update)

    def shown() -> None:
        if over.wait(PATIENCE_S):
            return
        status.start()
        while not over.wait(1.0):
            line.show()

    thread = threading.Thread(target=shown, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        over.set()
        thread.join()
        status.stop()
