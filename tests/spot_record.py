"""The record of examples/spot.yaml, which is generated: 30 days of spot prices, availability and requests by the hour.

    price          20 USD · exp(x), x[t] = 0.94 x[t - 1] + noise: reverts to its mean in half a day; dearer in the
                   afternoon; in 3 % of hours a shortage begins, which doubles it and ends with probability 1/6 an hour;
                   at most 55, what a node costs on demand
    availability   0.97 of the nodes asked for, 0.7 in a shortage
    requests       a daily and a weekly rhythm, ± 8 %

python tests/spot_record.py > router/examples/spot-30-days.csv
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

SEED = 20270101
START = datetime(2027, 1, 4)  # a Monday
HOURS = 720


def rows() -> Iterator[str]:
    """The lines of the file."""
    draw, x, short = Random(SEED), 0.0, False
    yield "at,usd_per_h,available,requests"
    for t in range(HOURS):
        x = 0.94 * x + draw.gauss(0.0, 0.09)
        short = draw.random() > 1 / 6 if short else draw.random() < 0.03
        afternoon = 1.0 + 0.15 * math.sin(2 * math.pi * (t % 24 - 9) / 24)
        price = min(20.0 * math.exp(x) * afternoon * (2.0 if short else 1.0), 55.0)
        day = 1.0 + 0.6 * math.sin(2 * math.pi * (t % 24 - 8) / 24)
        week = 0.7 if t // 24 % 7 >= 5 else 1.0
        requests = 3600 * 13 * day * week * draw.uniform(0.92, 1.08)
        at = START + timedelta(hours=t)
        yield f"{at:%Y-%m-%dT%H:%M},{price:.2f},{0.7 if short else 0.97},{requests:.0f}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{row}\n" for row in rows())
