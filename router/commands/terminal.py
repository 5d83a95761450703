"""What goes to the terminal: the answer on stdout, progress on stderr."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from router.reports.document import Report

PATIENCE_S = 2.0
PIPE_WIDTH = 100  # columns where nobody says how wide the page is


def say(text: str) -> None:
    """The answer, on stdout."""
    click.echo(text, nl=not text.endswith("\n"))


def remark(text: str) -> None:
    """Anything but the answer, on stderr."""
    click.echo(text, err=True)


def say_json(value: Any) -> None:
    """A machine's answer: sorted keys, no NaN."""
    from router.plan.values import to_json

    say(to_json(value))


def say_report(report: Report) -> None:
    """A person's answer, as wide as the terminal, in colour where that is wanted."""
    from router.reports.text import to_text

    say(to_text(report, width=width(), colour=coloured(), whole=not _has_width()))


def deliver(text: str, output: str | None, what: str) -> None:
    """The answer to the file where one is named, with a remark that names `what` it is; else on stdout."""
    if output is None:
        say(text)
        return
    from router.output import write_text

    write_text(output, text)
    remark(f"{what} written to {output}")


def answer(
    document: Any, report: Callable[[], Report], machine: bool, output: str | None = None, what: str = ""
) -> None:
    """The answer as JSON in the file where one is named, and on stdout: as JSON for a machine, else as a report."""
    if output is not None:
        from router.plan.values import to_json

        deliver(to_json(document), output, what)
    if machine:
        say_json(document)
    else:
        say_report(report())


def width() -> int:
    """Columns of the page; COLUMNS overrides."""
    return max(40, shutil.get_terminal_size((PIPE_WIDTH, 24)).columns)


def _has_width() -> bool:
    """Whether somebody looks at so many columns and no more; a file or a pipe takes lines of any length."""
    return bool(os.environ.get("COLUMNS")) or sys.stdout.isatty()


def coloured() -> bool:
    """Colour on a terminal, unless NO_COLOR is set or it is a dumb one."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(task: str) -> Iterator[Callable[[str], None]]:
    """A line on the terminal for what takes longer than two seconds; yields a function that says what is being done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.status import Status

    status = Status(task, console=Console(stderr=True))
    timer = threading.Timer(PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda detail: status.update(f"{task}: {detail}")
    finally:
        timer.cancel()
        timer.join()
        status.stop()
