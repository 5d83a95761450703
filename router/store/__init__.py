"""The plan store: every plan ever published, and one run at a time.

    database   a SQLAlchemy URL as an engine; what a database says when it fails, in one piece
    tables     plans (append-only) and leases
    lease      who may publish: expiry, heartbeat, fencing
    history    the store itself: the running plan, publishing, reading back

The running plan is the newest row that reads back whole: nothing ever points at a plan, so nothing can point wrong.
"""

from router.store.history import Entry, Listed, Outcome, Store
from router.store.lease import Lease

__all__ = ["Entry", "Lease", "Listed", "Outcome", "Store"]
