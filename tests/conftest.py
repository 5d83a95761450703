"""Fixtures for all tests."""

from __future__ import annotations

import pytest

import solvers

#: Backends every development environment has. A missing one is a failure, not a skip.
REQUIRED = ("highs", "scipy", "pulp:COIN_CMD", "pulp:HiGHS")

#: What else PuLP finds on this machine is held to the same suite.
BACKENDS = REQUIRED + tuple(
    found.name
    for found in solvers.available()
    if found.installed and found.name.startswith("pulp:") and found.name not in REQUIRED
)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each installed solver in turn; fails if the registry lists one that would be left out."""
    missed = {found.name for found in solvers.available() if found.installed} - set(BACKENDS)
    if missed:
        pytest.fail(f"installed, but not in tests/conftest.py: {sorted(missed)}")
    return str(request.param)
