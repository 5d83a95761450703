"""What campaigns share: arguments, what was counted and what went wrong, the machine and versions that it was on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

SHOWN = 20  # faults that are printed one by one


@dataclass
class Figures:
    """Ends by name, and every fault with the seed that shows it again."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    worth_a_look: list[str] = field(default_factory=list)  # with their seeds, and no faults
    more: dict[str, int] = field(default_factory=dict)  # counted beside the ends
    began: float = field(default_factory=time.perf_counter)

    def share(self, *names: str) -> float:
        """Part of all ends that these are."""
        return sum(self.ends[name] for name in names) / max(sum(self.ends.values()), 1)

    def merged(self, other: Figures) -> None:
        self.ends.update(other.ends)
        self.more = dict(Counter(self.more) + Counter(other.more))
        self.faults += other.faults
        self.worth_a_look += other.worth_a_look

    def printed(self, **more: object) -> int:
        """Print all of it as JSON; the exit code."""
        stated = {
            "ends": dict(sorted(self.ends.items())),
            "faults": len(self.faults),
            "seconds": round(time.perf_counter() - self.began),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "versions": {name: version(name) for name in ("highspy", "scipy", "pulp", "numpy")},
        }
        sys.stdout.write(json.dumps(stated | self.more | more, indent=1) + "\n")
        for line in (*self.faults[:SHOWN], *self.worth_a_look[:SHOWN]):
            sys.stdout.write(f"{line}\n")
        return 1 if self.faults else 0


def seeds(count: int, first: int, told_every: int = 100) -> Iterator[int]:
    """Seeds one after the other, with a word on stderr now and then; SIGTERM ends them, so that figures are printed."""
    stopped: list[int] = []
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    for done in range(count):
        if stopped:
            return
        if done and done % told_every == 0:
            sys.stderr.write(f"{done} of {count}\n")
        yield first + done


def arguments(about: str | None, problems: int) -> argparse.Namespace:
    """`--problems` and `--seed`, the seed of the first problem; the others follow it."""
    parser = argparse.ArgumentParser(
        description=(about or "").splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=problems)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()
