"""Brute force, third part: a small LP by names of variables, solved by scipy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linprog


@dataclass
class Linear:
    """Rows of an LP, by names of variables."""

    cost: dict[Any, float] = field(default_factory=dict)
    upper: dict[Any, float] = field(default_factory=dict)
    rows: list[tuple[dict[Any, float], float]] = field(default_factory=list)  # Σ ≤ limit
    equal: list[tuple[dict[Any, float], float]] = field(default_factory=list)

    def var(self, name: Any, usd: float = 0.0, upper: float = math.inf) -> Any:
        self.cost[name] = self.cost.get(name, 0.0) + usd
        self.upper.setdefault(name, upper)
        return name

    def solve(self) -> float | None:
        at = {name: j for j, name in enumerate(self.cost)}

        def matrix(rows: list[tuple[dict[Any, float], float]]) -> tuple[Any, Any]:
            if not rows:
                return None, None
            dense, limits = np.zeros((len(rows), len(at))), np.zeros(len(rows))
            for i, (terms, limit) in enumerate(rows):
                scale = max([abs(value) for value in terms.values()] or [1.0]) or 1.0
                for name, value in terms.items():
                    dense[i, at[name]] += value / scale
                limits[i] = limit / scale
            return dense, limits

        if not at:
            feasible = all(limit + 1e-9 >= 0 for _, limit in self.rows)
            return 0.0 if feasible and all(abs(limit) < 1e-9 for _, limit in self.equal) else None
        usd = np.array(list(self.cost.values()))
        scale = float(np.abs(usd).max()) or 1.0
        upper, limits = matrix(self.rows)
        equal, values = matrix(self.equal)
        bounds = [(0, None if math.isinf(self.upper[name]) else self.upper[name]) for name in at]
        found = linprog(usd / scale, upper, limits, equal, values, bounds, method="highs-ds")
        if found.status == 2:
            return None
        if found.status != 0:
            raise RuntimeError(found.message)
        return float(found.fun * scale)
