"""Files that are either written whole or not at all, and checked before an hour is spent on what goes into them."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from router.errors import InputError, Issue

OUTPUT = "--output"


def check_writable(path: str | Path, option: str = OUTPUT) -> None:
    """Try out that a file can be put there, without touching what is there. Raises InputError that names the option."""
    target = _target(path, option)
    if not is_plain(target):
        return
    try:
        descriptor, trial = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        os.close(descriptor)
        os.unlink(trial)
    except OSError as error:
        raise _unwritable(path, option, error.strerror or str(error)) from error


@contextmanager
def written(path: str | Path, option: str = OUTPUT) -> Iterator[TextIO]:
    """A text file that takes its place when the block ends well; see `written_bytes`."""
    with written_bytes(path, option) as raw:
        file = TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=True)
        try:
            yield file
        finally:
            file.detach()


@contextmanager
def written_bytes(path: str | Path, option: str = OUTPUT) -> Iterator[BinaryIO]:
    """A file that takes its place when the block ends well; a failure leaves what was there before.

    Raises InputError where it cannot be written.
    """
    target = _target(path, option)
    if not is_plain(target):  # a pipe or /dev/null is written to, never replaced
        with target.open("wb") as file:
            yield file
        return
    try:
        descriptor, made = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        raise _unwritable(path, option, error.strerror or str(error)) from error
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(made, _mode(target))
        os.replace(made, target)
    except OSError as error:
        raise _unwritable(path, option, error.strerror or str(error)) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(made)


def write_text(path: str | Path, text: str, option: str = OUTPUT) -> None:
    """The whole text, or nothing. Raises InputError."""
    with written(path, option) as file:
        file.write(text)


def _target(path: str | Path, option: str) -> Path:
    """Where the file really goes: a link is followed, so that it stays one. Raises InputError."""
    if str(path) == "-":
        hint = "leave -o out for output on the terminal or into a pipe" if option == OUTPUT else "name a file"
        raise _unwritable(path, option, "names no file", hint)
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise _unwritable(path, option, "is a directory", "name a file in it")
        if not target.parent.is_dir():
            missing = target.parent
            rule = "is not a directory" if missing.exists() else "does not exist"
            raise _unwritable(
                path, option, f"{missing} {rule}", f"mkdir -p {missing}" if rule[-5:] == "exist" else None
            )
    except (OSError, ValueError) as error:
        raise _unwritable(path, option, str(error)) from error
    return target


def is_plain(target: Path) -> bool:
    try:
        return stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True


def _mode(target: Path) -> int:
    """Permissions of the file replaced, or those that a new file gets."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _unwritable(path: str | Path, option: str, why: str, hint: str | None = None) -> InputError:
    return InputError(Issue((option,), f"cannot be written: {why}", value=str(path), hint=hint))
