"""What is read, against what it takes to get at the bytes: pytest tests/benchmarks/test_bench_reading.py -s

Each round times both sides one after the other; the median of the rounds' ratios counts, and is printed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pytest
import yaml
from scipy.spatial.distance import cdist

from router.loading.catalogue import load_text
from router.scenarios.reduce import reduce_to
from router.traces import recorded

ROUNDS = 5
HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"


def seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def compare(
    name: str, ours: Callable[[], object], base: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> float:
    """Median ratio of `ours` to `base`."""
    rounds = [(seconds(ours), seconds(base)) for _ in range(ROUNDS)]
    ratio = median(ours_s / base_s for ours_s, base_s in rounds)
    spent, floor = (median(column) for column in zip(*rounds, strict=True))
    with capsys.disabled():
        print(f"\n{name}: {spent:.2f} s, {ratio:.1f} times {floor:.2f} s")  # noqa: T201
    return ratio


def test_a_thousand_workloads_and_a_hundred_offers(capsys: pytest.CaptureFixture[str]) -> None:
    """About 24,000 values against libyaml's own reading of them."""
    models = (
        "schema: router/1\nmodels: {"
        + ", ".join(f"m{i}: {{parameters_b: {i + 1}}}" for i in range(20))
        + "}\n"
    )
    workloads = "workloads:\n" + "".join(
        f"  - {{name: w{i}, models: [m1, m2, m3], demand: {{requests_per_s: 1}}, "
        "prompt_tokens: 9, completion_tokens: 9}\n"
        for i in range(1000)
    )
    prices = "".join(f"      m{i}: {{prompt_usd_per_m: 1.{i}, completion_usd_per_m: 2}}\n" for i in range(20))
    offers = "offers:\n" + "".join(f"  - name: o{i}\n    models:\n{prices}" for i in range(100))
    text = models + workloads + offers
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    compare("load", lambda: load_text(text), lambda: yaml.load(text, Loader=loader), capsys)


def test_rows_of_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """300,000 requests against csv.reader and datetime.fromisoformat on the same rows."""
    rows = "".join(
        f"2026-03-01 {i * 23 // 300_000:02}:{i % 60:02}:00.123456,{i % 997},{i % 89}\n"
        for i in range(300_000)
    )
    files = iter(range(2 * ROUNDS))

    def ours() -> None:
        path = tmp_path / f"{next(files)}.csv"  # a file once read is remembered
        path.write_text(f"{HEAD}\n{rows}", encoding="utf-8")
        recorded(
            load_text(
                "schema: router/1\nhorizon: {periods: 24, period_h: 1, start: '2026-03-01'}\nmodels: {m: {}}\n"
                f"workloads: [{{name: w, models: [m], demand: {{trace: {{file: '{path}', gaps: zero}}}}}}]\n"
                "offers: [{name: o, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}]\n"
            )
        )

    def base() -> None:
        for moment, prompt, completion in csv.reader(rows.splitlines()):
            datetime.fromisoformat(moment), int(prompt), int(completion)

    compare("trace", ours, base, capsys)


@pytest.mark.parametrize("count", [50, 200])
def test_a_thousand_scenarios(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Reduced to a few, against working out their distances alone."""
    path = np.random.default_rng(1).lognormal(0, 0.3, (1000, 12))
    compare(
        f"reduce to {count}",
        lambda: reduce_to(path, np.full(1000, 1e-3), count),
        lambda: cdist(path, path),
        capsys,
    )
