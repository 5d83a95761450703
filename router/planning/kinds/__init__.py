"""Many workloads of few kinds: planned as one workload of each kind, and taken apart again.

alike    which workloads differ in name and volume alone, and the problem with one in place of each kind
apart    the rows of a kind, by workload
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """No search for cyclic garbage meanwhile, of which hardly any is made: each looks at every workload there is."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
