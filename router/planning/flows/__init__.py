"""Flows that are chosen again once the rest of a plan is."""
