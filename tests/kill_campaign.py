"""Kill runs at random moments and see what is left: `python tests/kill_campaign.py --runs 200 --store URL`.

Every round asks for another plan, starts a run in a process of its own and kills it with SIGKILL after a random part of
the time that a run takes; with `--at publication` after a random part of the milliseconds in which it publishes. Then
the store must open, the last good plan be there, whole, or the new one in its place; and the next run must succeed.
The store is made if need be; a problem called "kill campaign" is kept in it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from reoptimise_cases import SEARCH, api, problem
from sqlalchemy import select

from router.reoptimisation.run import Result, reoptimise
from router.store.database import transaction
from router.store.history import Store
from router.store.tables import leases
from router.verification import verify

NAME = "kill campaign"
GOING = ("a", "b")
PRELOAD = [
    "highspy",
    "psycopg",
    "router.reoptimisation.run",
    "router.store.history",
    "solvers.highs",
    "sqlalchemy.dialects.sqlite",
]
WHOLE = 3  # runs at the start that are left alone


@dataclass
class Figures:
    """What a campaign found."""

    store: str
    at: str
    runs: int = 0
    killed: int = 0  # before the run had ended
    finished: int = 0  # it ended before it was killed
    left_the_lock: int = 0  # and the next run took it over
    published: int = 0  # rounds whose run had put its plan in force before it died or ended
    seconds_at_most: float = 0.0  # of a run, or of a publication
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def asked(round_: int, running: str):
    """A problem in which the offer that runs has become the dearer one."""
    price = dict.fromkeys(GOING, 1.0) | {running: 2.0 + round_ / 1000}
    made = problem("".join(api(name, usd) for name, usd in price.items()))
    return made.model_copy(update={"name": NAME})


class Watched(Store):
    """Says when it begins to publish and when it has done so."""

    ready: Connection

    def publish(self, *what: Any) -> int:
        self.ready.send("go")
        number = super().publish(*what)
        self.ready.send("done")
        return number


def work(url: str, round_: int, running: str, at: str, ready: Connection) -> None:
    """The victim."""
    made = asked(round_, running)
    if at == "run":
        ready.send("go")
    with Watched.open(url) if at == "publication" else Store.open(url) as store:
        if isinstance(store, Watched):
            store.ready = ready
        reoptimise(made, store, SEARCH)
    if at == "run":
        ready.send("done")


def run_once(url: str, round_: int, running: str) -> Result:
    with Store.open(url) as store:
        return reoptimise(asked(round_, running), store, SEARCH)


def serving(result: Result) -> str:
    """The one offer that a plan uses."""
    (offer,) = {row.offer for row in result.plan.routes}
    return offer


def campaign(url: str, runs: int, seed: int = 0, at: str = "run") -> Figures:
    """Kill `runs` runs, at any time or in their publication."""
    draw = random.Random(seed)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)  # so that kills fall into the work, not into imports
    figures = Figures(store=url.split("://")[0], at=at)
    last = run_once(url, 0, "b")
    began = time.monotonic()
    for round_ in range(1, runs + WHOLE + 1):
        offer = serving(last)
        mine, theirs = context.Pipe(duplex=False)
        victim = context.Process(target=work, args=(url, round_, offer, at, theirs))
        victim.start()
        theirs.close()
        mine.recv()
        if round_ <= WHOLE:  # how long a run takes where nobody kills it
            started = time.monotonic()
            mine.recv()
            figures.seconds_at_most = max(figures.seconds_at_most, time.monotonic() - started)
            victim.join()
            last = run_once(url, round_, offer)
            continue
        time.sleep(draw.random() * figures.seconds_at_most * 1.1)
        figures.killed += victim.is_alive()
        figures.finished += not victim.is_alive()
        victim.kill()
        victim.join()
        last = judge(url, round_, offer, last, figures)
        figures.runs += 1
    figures.seconds = time.monotonic() - began
    return figures


def judge(url: str, round_: int, offer: str, last: Result, figures: Figures) -> Result:
    """What is left of a killed run, and the run after it."""
    with Store.open(url, create=False) as store:
        entry = store.running(NAME)
        if store.skipped:
            figures.faults.append(f"round {round_}: damaged plans {dict(store.skipped)}")
        if entry is None or entry.id < last.id:
            figures.faults.append(f"round {round_}: plan {last.id} is lost")
        elif entry.id == last.id and entry.plan.to_json() != last.plan.to_json():
            figures.faults.append(f"round {round_}: plan {last.id} has changed")
        else:
            figures.published += entry.id > last.id
            if entry.id > last.id and not verify(asked(round_, offer), entry.plan).ok:
                figures.faults.append(f"round {round_}: plan {entry.id} fails its check")
        with transaction(store.engine, writes=False) as connection:
            holder = connection.execute(select(leases.c.owner).where(leases.c.name == NAME)).scalar_one()
            figures.left_the_lock += holder != ""
            if connection.dialect.name == "sqlite":
                said = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
                if said != "ok":
                    figures.faults.append(f"round {round_}: {said}")
    try:
        result = run_once(url, round_, offer)
    except Exception as error:
        figures.faults.append(f"round {round_}: the next run failed: {error}")
        return last
    if serving(result) == offer:
        figures.faults.append(f"round {round_}: the next run changed nothing")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--store", default="sqlite:///kill_campaign.db")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", choices=("run", "publication"), default="run")
    given = parser.parse_args()
    figures = campaign(given.store, given.runs, given.seed, given.at)
    told = asdict(figures) | {"machine": platform.platform(), "python": platform.python_version()}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    sys.exit(1 if figures.faults else 0)


if __name__ == "__main__":
    main()
