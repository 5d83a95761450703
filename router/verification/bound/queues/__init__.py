"""Waiting: what pools carry at most, whatever mix a plan has there."""
