"""What a user reads: every sentence is listed in docs/messages.md, and none is said as nobody would say it aloud."""

from __future__ import annotations

import re
from pathlib import Path

import messages

ROOT = Path(__file__).parents[1]
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(path for folder in ("router", "problems", "solvers") for path in sorted((ROOT / folder).rglob("*.md"))),
)
#: "is not a plan file" rather than the first; "no longer satisfies all limits"; a noun, or "reported"; "start over".
NOT_ENGLISH = re.compile(r"\bis no\b|\bkeeps no\b|\btold\b|cheaper becomes the plan|\ball begins anew\b")

MODULE = '''
"""A docstring is not listed."""
import re

LIMIT: "a type is not" = 3
PATTERN = re.compile("nor is a pattern")

def check(path, days):
    """Nor this one."""
    if days > LIMIT:
        raise ValueError(f"{path} is {days:,.0f} days old: {'too old' if days else 'fresh'}")
    return "first part, " + "second part", "word", "<b>no markup</b>", Field(description="a field's own")
'''


def test_messages_are_literals_of_several_words() -> None:
    assert messages.messages(MODULE) == ["{…} is {…} days old: {…}", "too old", "first part, ", "second part"]


def test_no_message_is_said_as_nobody_would_say_it() -> None:
    """As docs/messages.md lists them; that it does is held by the test of the generated pages."""
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    assert page.count("\n## ") > 100
    assert [line for line in page.splitlines() if NOT_ENGLISH.search(line)] == []


def test_no_page_says_it_either() -> None:
    """docs/messages.md holds what the test above looks at."""
    for page in PAGES:
        if page.name != "messages.md":
            for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
                assert not NOT_ENGLISH.search(line), f"{page.name}, line {number}: {line}"


def test_no_page_counts_checks_or_families() -> None:
    for page in PAGES:
        counted = re.search(
            r"\b\d+ (independent )?(checks|row families|families)\b", page.read_text(encoding="utf-8")
        )
        assert counted is None, f"{page.name}: {counted}"
