"""What is worked out of a record alone, once for each record: records never change, and each scenario asks again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Concatenate

import numpy as np

from solvers.core.record import Record


def once[T: Record, **P, R](work: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """`work` of a record and of what may be hashed, in place; its answer is kept with the record, arrays read-only."""
    name = f"once {work.__module__}.{work.__qualname__}"

    @wraps(work)
    def kept(of: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        known: dict[Hashable, R] = of.__dict__.setdefault(name, {})
        key = (args, *sorted(kwargs.items())) if kwargs else args
        if key not in known:
            answer = work(of, *args, **kwargs)
            if isinstance(answer, np.ndarray):
                answer.setflags(write=False)
            known[key] = answer
        return known[key]

    return kept
