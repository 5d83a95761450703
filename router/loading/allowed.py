"""What a problem file may have read: files below its own folder, and below folders that the caller allows.

A problem from elsewhere (a pull request, a mail) is planned for without its `include`, `trace` or `series` reading what
only the one who runs it may see. Links count as the file that they lead to.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

OUTSIDE = "lies outside the folder of the problem"
WAY_OUT = "put it there, or allow another folder with --allow-files DIR"


def is_allowed(target: FilePath, problem: FilePath, allow_files: Sequence[str | FilePath]) -> bool:
    """Whether a file lies below the problem's folder or one of those allowed. Raises OSError, ValueError."""
    real = target.resolve()
    return any(real.is_relative_to(FilePath(folder).resolve()) for folder in (problem.parent, *allow_files))
