"""A SQLAlchemy URL as an engine: its transactions are whole or not at all, its failures reported in one piece.

SQLite: write-ahead log, synchronous FULL (a published plan survives a power cut), writers queue for up to 10 s.
PostgreSQL: synchronous_commit on, whatever the server's default is.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from router.errors import InputError, Issue

BUSY_S = 10.0  # a writer waits for another's transaction; each takes milliseconds
CONNECT_S = 10
WRITES = "router_writes"


class StoreFailed(InputError):
    """The store cannot be opened, read or written, or holds what no planner wrote."""


def engine_of(url: str, *, must_exist: bool = False) -> Engine:
    """The engine of a URL. Raises StoreFailed for one that names no database that can be used here."""
    try:
        where = make_url(url)
    except ArgumentError as error:
        hint = "sqlite:///router.db, or postgresql://user@host/name"
        raise failed(url, "is not a database URL", hint) from error
    if where.drivername in ("postgresql", "postgres"):
        where = where.set(drivername="postgresql+psycopg")
    if where.get_backend_name() == "sqlite":
        _check_file(url, where, must_exist=must_exist)
    elif where.get_backend_name() != "postgresql":
        raise failed(shown(where), "is not a store: only sqlite and postgresql are")
    try:
        engine = create_engine(where, connect_args=_arguments(where), pool_pre_ping=True)
    except ModuleNotFoundError as error:
        way = "pip install 'llm-inference-planner[postgres]'" if "psycopg" in str(error) else None
        raise failed(shown(where), f"needs the package {error.name}", way) from error
    except (NoSuchModuleError, ArgumentError) as error:
        raise failed(shown(where), str(error).split(" (Background")[0]) from error
    if where.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _arguments(where: URL) -> dict[str, Any]:
    if where.get_backend_name() == "sqlite":
        return {"timeout": BUSY_S}
    if where.drivername == "postgresql+psycopg":
        return {"connect_timeout": CONNECT_S}
    return {}


def _check_file(url: str, where: URL, *, must_exist: bool) -> None:
    if where.database in (None, "", ":memory:"):
        raise failed(url, "is in memory: gone with the run", "name a file: sqlite:///router.db")
    file = Path(str(where.database))
    try:
        there = file.stat()
    except FileNotFoundError:
        there = None
    except (OSError, ValueError) as error:  # a name too long, a NUL in it
        raise failed(url, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise failed(url, f"{file} is a directory")
    if must_exist and there is None:
        raise failed(url, "this store does not exist", "router reoptimise FILE --store URL makes it")
    if not file.parent.is_dir():
        raise failed(url, f"{file.parent} is not a directory", f"mkdir -p {file.parent}")


def _on_connect(connection: Any, _: object) -> None:
    """SQLite's durable settings; transactions are begun by `_on_begin`, not by the driver."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(BUSY_S * 1000)}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: Connection) -> None:
    writes = bool(connection.get_execution_options().get(WRITES))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    elif connection.dialect.name == "postgresql" and writes:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """One transaction: committed when the block ends well, else undone. Raises StoreFailed."""
    committing = False
    try:
        with engine.connect().execution_options(**{WRITES: writes}) as connection, connection.begin():
            yield connection
            committing = writes
    except SQLAlchemyError as error:
        with suppress(SQLAlchemyError):
            engine.dispose()  # a connection that failed is not used again
        raise failed(shown(engine.url), reason(error), _way_out(error, committing)) from error
    except UnicodeDecodeError as error:  # of a damaged file: SQLite hands text on as it stands
        hint = "the file is damaged: put a copy back, or name another store"
        raise failed(shown(engine.url), "holds text that is not UTF-8", hint) from error


def now(connection: Connection) -> float:
    """Seconds since 1970 by the database's own clock, so that machines need not agree."""
    clocks = {
        "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
        "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    }
    return float(connection.execute(text(clocks[connection.dialect.name])).scalar_one())


def reason(error: SQLAlchemyError) -> str:
    """What the database said, in one line."""
    cause: BaseException = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0].split(" (Background")[0] if lines else type(cause).__name__


def _way_out(error: SQLAlchemyError, committing: bool) -> str:
    """`committing`: it came while all was done but the commit, whose answer may be what was lost."""
    words = str(error).lower()
    if "full" in words or "disk i/o" in words or "no space" in words:
        return "make room; nothing of this run is in the store"
    if "locked" in words:
        return "another program holds the file; is it on a network drive? PostgreSQL serves several machines"
    if "not a database" in words or "malformed" in words:
        return "the file is damaged or of another program; put a copy back, or name another file"
    if "no such table" in words or ("relation" in words and "does not exist" in words):
        return "a table of the store is gone: put a copy back, or name another store"
    if committing:
        return "whether this run is in the store is not known: router history --store URL says"
    return "nothing of this run is in the store"


def failed(url: str, rule: str, hint: str | None = None) -> StoreFailed:
    """The error for a store."""
    return StoreFailed(Issue(("--store",), rule, value=url, hint=hint))


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)
