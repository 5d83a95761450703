"""The hash of a problem: what changes it and what does not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from schema_texts import changed

from router.loading.catalogue import load, load_text, problem_sha256
from router.loading.fingerprint import matches
from router.schema import Problem

TEXT = """schema: router/1
name: p
models: {m: {}, n: {quality: 0.5}}
workloads:
  - {name: a, models: [m, n], demand: {requests_per_day: 1.5 B}, prompt_tokens: 300, completion_tokens: 50}
  - {name: b, models: [n], demand: {tokens_total: 35e9, completion_share: 0.5}}
offers:
  - {name: x, models: {m: {prompt_usd_per_m: 0.6, completion_usd_per_m: 1}}}
  - {name: y, models: {n: {tokens_per_s: 5000}}, instances: {usd_per_h: 2}}
"""


def sha(text: str) -> str:
    return problem_sha256(load_text(text))


def test_order_comments_and_digits_do_not_count():
    """Order of workloads, offers, models and keys, comments, digits, and defaults written out."""
    other = """# the same
offers:
  - instances: {min: 0, usd_per_h: 2.0}
    models: {n: {tokens_per_s: 5K}}
    name: y
  - {name: x, provider: x, models: {m: {completion_usd_per_m: 1e0, prompt_usd_per_m: 0.60}}}
workloads:
  - {name: b, models: [n], demand: {completion_share: .5, tokens_total: 35_000_000_000}}
  - {name: a, models: [n, m], demand: {requests_per_day: 1500M}, completion_tokens: 50, prompt_tokens: "300"}
models: {n: {quality: 0.5}, m: {}}
schema: router/1
name: p
"""
    assert sha(TEXT) == sha(other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.6,", "0.6000000000000001,"),
        ("300", "301"),
        ("name: b", "name: c"),
        ("[m, n]", "[m]"),
        ("p\n", "q\n"),
    ],
)
def test_content_counts(old: str, new: str):
    """The last bit of a price does."""
    assert sha(TEXT) != sha(TEXT.replace(old, new, 1))


def test_where_an_offer_stands_does_not_count(tmp_path: Path):
    """Moved to a catalogue, with others that are not used."""
    head, offers = TEXT.split("offers:\n")
    extra = "  - {name: z, models: {m: {prompt_usd_per_m: 9}}}\n"
    (tmp_path / "c.yaml").write_text("offers:\n" + offers + extra)
    (tmp_path / "p.yaml").write_text(head + "include: [c.yaml]\nuse_offers: [x, y]\n")
    assert problem_sha256(load(tmp_path / "p.yaml")) == sha(TEXT)


def test_traces_count_by_content(tmp_path: Path):
    """A renamed trace is the same demand; a longer one is not."""
    text = TEXT.replace("{requests_per_day: 1.5 B}", "{trace: {file: t.csv}}")
    (tmp_path / "p.yaml").write_text(text)
    (tmp_path / "t.csv").write_text("1\n")
    first = problem_sha256(load(tmp_path / "p.yaml"))
    (tmp_path / "u.csv").write_text("1\n")
    (tmp_path / "p.yaml").write_text(text.replace("t.csv", "u.csv"))
    assert problem_sha256(load(tmp_path / "p.yaml")) == first
    (tmp_path / "u.csv").write_text("1\n2\n")
    assert problem_sha256(load(tmp_path / "p.yaml")) != first


def test_a_trace_of_several_workloads_is_read_once_and_again_for_the_next_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of very many workloads in one large file each would go through it."""
    trace = "{trace: {file: t.csv}}"
    text = TEXT.replace("{requests_per_day: 1.5 B}", trace)
    text = text.replace("{tokens_total: 35e9, completion_share: 0.5}", trace)
    (tmp_path / "p.yaml").write_text(text)
    (tmp_path / "t.csv").write_text("1\n")
    problem, read, real = load(tmp_path / "p.yaml"), list[str](), hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, how: read.append(file.name) or real(file, how))
    first = problem_sha256(problem)
    assert len(read) == 1
    (tmp_path / "t.csv").write_text("2\n")
    assert problem_sha256(problem) != first
    assert not matches(problem, first)


def test_the_same_moment_counts_once():
    """Local time of the horizon's zone, or the same with an offset."""
    base = {"horizon.timezone": "Europe/Berlin"}
    local = Problem.model_validate(changed({**base, "horizon.start": "2026-12-01T06:00"}))
    offset = Problem.model_validate(changed({**base, "horizon.start": "2026-12-01T05:00:00Z"}))
    later = Problem.model_validate(changed({**base, "horizon.start": "2026-12-01T06:00:01"}))
    assert problem_sha256(local) == problem_sha256(offset) != problem_sha256(later)
