"""`python -m router` and the `router` script: what a process sets up once, before the command line takes over."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

from router.cli import main as command_line

#: `scipy.sparse` looks at every public name of numpy, and so would load these: a sixth of a short command's time.
NAMED_ONLY = frozenset(
    f"numpy.{name}"
    for name in ("char", "ctypeslib", "f2py", "ma", "polynomial", "random", "rec", "strings", "testing")
)
OBJECTS_BETWEEN_COLLECTIONS = 500_000  # Python's own 700 look again and again through what imports have made


class LoadedWhenUsed:
    """Finds the modules of `NAMED_ONLY` like any other, but runs them only when something in them is asked for."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in NAMED_ONLY else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def main() -> None:
    """The `router` script."""
    sys.meta_path.insert(0, LoadedWhenUsed)
    if sys.stdout is None:  # it is closed: printing must fail, and no file of ours may become number 1
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # else it reads the metadata of all that is installed
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(
        gc.freeze
    )  # a process that ends need not search its objects once more for what could be freed
    command_line()


if __name__ == "__main__":
    main()
