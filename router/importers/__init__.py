"""Readers of what users already have: benchmark results, price lists, usage records; and what moved since."""

from router.importers.drift import Drift, drift

__all__ = ["Drift", "drift"]
