"""`router import`: what users already have becomes part of a problem file."""

from __future__ import annotations

import click

from router.commands.imports.performance import import_performance
from router.commands.imports.prices import import_prices
from router.commands.imports.trace import import_trace
from router.commands.imports.usage import import_usage


@click.group("import")
def imports() -> None:
    """Turn benchmark results and other records into parts of a problem file."""


imports.add_command(import_performance)
imports.add_command(import_trace)
imports.add_command(import_usage)
imports.add_command(import_prices)
