"""Clients of a recorded service hour by hour, to be served by instances and by the token. Equal arguments, equal files.

    python tests/benchmarks/clients.py CLIENTS.csv.gz CLIENTS HOURS OFFERS SEED [VOLUME] > problem.yaml

Beyond the recorded clients they are taken again with their hours shifted. Half of the work may wait 2 or 6 h.
A fifth of the offers sell by the token, a third of the others count instances bought for the horizon. Rates of an
instance and prices are drawn. With VOLUME, a part of the recorded requests, pools are small: then a fifth of the
clients may wait, 4 h, and every second takes one model alone.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

MODELS = ("s", "m", "l", "xl")
WAITS_H = (0.0, 2.0, 0.0, 6.0)
SMALL_WAITS_H = (0.0, 4.0, 0.0, 0.0, 0.0)


def clients_problem(
    trace: Path, clients: int, hours: int, offers: int, seed: int, volume: float | None = None
) -> dict[str, Any]:
    """A problem file's content."""
    rng = np.random.default_rng(seed)
    recorded = _recorded(trace, hours)
    busiest = sorted(recorded, key=lambda name: -sum(recorded[name][0]))
    loads = [_load(k, *recorded[busiest[k % len(busiest)]], 7 * (k // len(busiest))) for k in range(clients)]
    if volume is not None:
        loads = [_small(k, load, volume) for k, load in enumerate(loads)]
    return {
        "schema": "router/1",
        "name": f"{clients} clients, {hours} h, {offers} offers, seed {seed}",
        "horizon": {"periods": hours, "period_h": 1},
        "models": {name: {} for name in MODELS},
        "workloads": loads,
        "offers": [_offer(rng, o, offers) for o in range(offers)],
    }


def _recorded(trace: Path, hours: int) -> dict[str, tuple[list[float], float, float]]:
    """Requests by hour, and mean tokens of a prompt and of a completion, of the clients that have lengths."""
    counts: dict[str, list[float]] = defaultdict(lambda: [0.0] * hours)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    with gzip.open(trace, "rt") as file:
        for row in csv.DictReader(file):
            hour, requests = int(float(row["start_s"]) // 3600), float(row["requests"])
            if hour < hours:
                counts[row["client"]][hour] += requests
            if row["input_tokens_mean"]:
                for k, each in enumerate(("", "input_tokens_mean", "output_tokens_mean")):
                    sums[row["client"]][k] += requests * (float(row[each]) if each else 1.0)
    return {
        name: (by_hour, sums[name][1] / sums[name][0], sums[name][2] / sums[name][0])
        for name, by_hour in counts.items()
        if sum(by_hour) > 0 and sums[name][0] > 0
    }


def _load(k: int, by_hour: list[float], prompt: float, completion: float, shift: int) -> dict[str, Any]:
    load: dict[str, Any] = {
        "name": f"client-{k}",
        "models": [MODELS[k % 4], MODELS[(k + 1) % 4]],
        "demand": {"requests_by_period": by_hour[-shift:] + by_hour[:-shift] if shift else by_hour},
        "prompt_tokens": round(prompt, 1),
        "completion_tokens": round(completion, 1),
    }
    return load | ({"deferrable_h": WAITS_H[k % 4]} if WAITS_H[k % 4] else {})


def _small(k: int, load: dict[str, Any], volume: float) -> dict[str, Any]:
    requests = load["demand"]["requests_by_period"]
    wait_h = SMALL_WAITS_H[k % len(SMALL_WAITS_H)]
    small = {key: value for key, value in load.items() if key != "deferrable_h"}
    small["models"] = load["models"] if k % 2 else load["models"][:1]
    small["demand"] = {"requests_by_period": [round(count * volume, 3) for count in requests]}
    return small | ({"deferrable_h": wait_h} if wait_h else {})


def _offer(rng: np.random.Generator, o: int, offers: int) -> dict[str, Any]:
    if o < max(offers // 5, 1):
        usd = rng.uniform(0.4, 1.2)
        prices = {m: {"prompt_usd_per_m": usd * (k + 1), "completion_usd_per_m": 3 * usd * (k + 1)}
                  for k, m in enumerate(MODELS)}  # fmt: skip
        return {"name": f"api-{o}", "models": prices}
    rate, ahead = rng.uniform(2_000, 20_000), o % 3 == 0
    served = {m: {"tokens_per_s": rate / (k + 1)} for k, m in enumerate(MODELS) if (o + k) % 2 == 0}
    usd_per_h = rate * 3600 / 1e6 * rng.uniform(0.15, 0.5) * (0.6 if ahead else 1.0)
    rented = {"usd_per_h": usd_per_h, "max_utilisation": 0.8, "resize": "horizon" if ahead else "period"}
    return {"name": f"own-{o}", "models": served, "instances": rented}


if __name__ == "__main__":
    part = float(sys.argv[6]) if len(sys.argv) > 6 else None
    made = clients_problem(Path(sys.argv[1]), *(int(text) for text in sys.argv[2:6]), part)
    sys.stdout.write(json.dumps(made) + "\n")
