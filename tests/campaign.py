"""How many random problems a test tries: few in the suite, which is run often; many in a campaign, now and then.

CAMPAIGN=20 uv run pytest tests/test_laws.py tests/test_brute_force.py
"""

from __future__ import annotations

import os

TIMES = int(os.environ.get("CAMPAIGN", "1"))


def times(count: int) -> int:
    """So many in the suite, as many times more as `CAMPAIGN` says."""
    return count * TIMES
