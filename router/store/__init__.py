"""The plan store: every plan ever published, and one run at a time.

    entries    what a store holds of a plan
    database   a SQLAlchemy URL as an engine; what a database says when it fails, in one piece
    tables     plans (append-only) and leases
    lease      who may publish: expiry, heartbeat, fencing
    history    the store itself: the running plan, publishing, reading back

The running plan is the newest row that reads back whole: nothing ever points at a plan, so nothing can point wrong.
SQLAlchemy is an extra, and is loaded when a store is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.errors import from_extra
from router.store.entries import Entry, Listed, Outcome

if TYPE_CHECKING:
    from router.store.history import Store

__all__ = ["Entry", "Listed", "Outcome", "check_store", "open_store"]


def check_store(url: str) -> None:
    """Whether a store may be behind a URL, without connecting to it. Raises InputError as `open_store` does."""
    from_extra("sqlalchemy", "store", ("--store",), url)
    from router.store.database import engine_of

    engine_of(url).dispose()


def open_store(url: str, *, create: bool = True) -> Store:
    """The store behind a SQLAlchemy URL; a context manager.

    Raises InputError where SQLAlchemy is not installed, and StoreFailed where the database is away, is of a newer
    version, or is not there and not to be made.
    """
    from_extra("sqlalchemy", "store", ("--store",), url)
    from router.store.history import Store

    return Store.open(url, create=create)
