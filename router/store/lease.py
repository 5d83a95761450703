"""The lease: one run at a time per problem, whatever happens to the run that has it.

    fence     a number that grows with every holder; a plan is published only under the newest
    expires   by the database's clock, put off by a heartbeat while the run lives

A run that was killed leaves its lease behind. It is taken over at once where its process is known to be gone (same
machine, same process namespace), else when it has expired. A holder that only seemed dead cannot publish any more:
its fence is old. So expiry needs no trust in clocks or in anyone's patience.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, Update, select, update
from sqlalchemy.dialects import postgresql, sqlite

from router.errors import LockHeld
from router.store.database import StoreFailed, now, transaction
from router.store.tables import leases

NOBODY = ""


@dataclass
class Lease:
    """Held from `with` to its end. Raises LockHeld where another run has it."""

    engine: Engine
    name: str
    seconds: float
    owner: str = field(default_factory=lambda: own_token())
    fence: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _beat: threading.Thread | None = None

    def __enter__(self) -> Self:
        with transaction(self.engine, writes=True) as connection:
            self.fence = self._take(connection)
        self._beat = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._beat is not None:
            self._beat.join()
        with suppress(StoreFailed), transaction(self.engine, writes=True) as connection:  # else it expires
            connection.execute(self._mine().values(owner=NOBODY, expires=0.0))

    def check(self, connection: Connection) -> None:
        """Within a transaction: still ours, and so until its end. Raises LockHeld."""
        query = select(leases.c.owner, leases.c.fence).where(leases.c.name == self.name).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None or (row.owner, row.fence) != (self.owner, self.fence):
            raise LockHeld(
                f'another run took over the lock of "{self.name}" while this one worked: '
                "nothing was published. A longer --lease keeps it."
            )

    def _take(self, connection: Connection) -> int:
        nobody = {"name": self.name, "owner": NOBODY, "fence": 0, "expires": 0.0}
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
        connection.execute(dialect.insert(leases).on_conflict_do_nothing().values(nobody))
        row = connection.execute(select(leases).where(leases.c.name == self.name).with_for_update()).one()
        clock = now(connection)
        if row.owner != NOBODY and row.expires > clock and not is_gone(row.owner):
            raise LockHeld(
                f'another run ({_words(row.owner)}) works on "{self.name}" in this store; '
                f"its lock ends within {row.expires - clock:.0f} s unless it is renewed."
            )
        fence = int(row.fence) + 1
        takeover = update(leases).where(leases.c.name == self.name)
        connection.execute(takeover.values(owner=self.owner, fence=fence, expires=clock + self.seconds))
        return fence

    def _mine(self) -> Update:
        return update(leases).where(
            leases.c.name == self.name, leases.c.owner == self.owner, leases.c.fence == self.fence
        )

    def _renew(self) -> None:
        """Every third of the lease; a database that is away for a moment is asked again."""
        while not self._stop.wait(self.seconds / 3):
            with suppress(StoreFailed), transaction(self.engine, writes=True) as connection:
                connection.execute(self._mine().values(expires=now(connection) + self.seconds))


def own_token() -> str:
    """host|boot and process namespace|pid|start of the process|random: unique, and telling whether we still live."""
    return "|".join([socket.gethostname(), _world(), str(os.getpid()), _born(os.getpid()), uuid.uuid4().hex])


def is_gone(owner: str) -> bool:
    """Whether a holder's process is known to have ended; False where that cannot be known from here."""
    parts = owner.split("|")
    if len(parts) != 5 or not _world() or parts[1] != _world() or not parts[2].isdigit():
        return False
    born = _born(int(parts[2]))
    return born != parts[3] or not born


def _world() -> str:
    """The running kernel and the process namespace: where process numbers mean the same as here; "" if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """When a process started, in ticks since boot: its number may have been given again. "" if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in ("Z", "X") else rest[18]


def _words(owner: str) -> str:
    host, _, pid, *_ = [*owner.split("|"), "", "", ""]
    return f"process {pid} on {host}" if pid else owner
