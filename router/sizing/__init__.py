"""Contract sizing: what to buy before demand is known, and what it is worth.

    scenarios → first stage (one program, or cuts) → every scenario under that decision → plan with its measures

The same families as for one certain future, with a scenario axis; nothing here is a second model.
"""

from router.sizing.options import SizeOptions
from router.sizing.orders import Order, orders_of
from router.sizing.run import size

__all__ = ["Order", "SizeOptions", "orders_of", "size"]
