"""The advice on a shipped example is that of the release before, figure by figure; the year is in the benchmarks."""

from __future__ import annotations

from pathlib import Path

from released_figures import check_size, differences


def test_differences_are_seen() -> None:
    before = {"a": [1.0, {"b": 2.0}], "c": "x"}
    assert not list(differences(before, {"a": [1.0 + 1e-12, {"b": 2.0}], "c": "x"}))
    assert list(differences(before, {"a": [1.0, {"b": 2.1}], "d": "x"})) == [
        ".a[1].b: 2.0, now 2.1",
        ".c: 'x', now 'absent'",
        ".d: 'absent', now 'x'",
    ]
    assert list(differences(before, {"a": [1.0], "c": "x"})) == [".a: [1.0, {'b': 2.0}], now [1.0]"]


def test_the_quote_is_sized_as_it_was(tmp_path: Path) -> None:
    check_size("sizing-quote", tmp_path)
