"""What an error prints, and the exit codes of the tree."""

from __future__ import annotations

import pickle

import pytest

from router import errors
from router.errors import InputError, Issue, nearest, render_path, show


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("InputError", 2),
        ("Infeasible", 3),
        ("NoPlanInTime", 4),
        ("SolverFailed", 5),
        ("CertificateFailed", 6),
        ("LockHeld", 7),
    ],
)
def test_exit_codes(name: str, code: int):
    """The codes a scheduled job sees, as the drawing at the top of the module says."""
    leaf = getattr(errors, name)
    assert leaf.exit_code == code
    assert issubclass(leaf, errors.RouterError)
    assert f"{name:<17}{code:>4}".split() in [line.split()[1:3] for line in errors.__doc__.splitlines()]


def test_an_issue_says_what_where_why_and_the_way_out():
    """One line with file, line, path, value and rule; the hint below."""
    issue = Issue(("offers", 2, "models", "llama-2-70b", "prompt_usd_per_m"), "must be at least 0", "-0.6")
    placed = Issue(issue.at, issue.rule, issue.value, "write 0 if it is free", "peak.yaml", 12)
    assert str(placed) == (
        'peak.yaml, line 12: offers[2].models.llama-2-70b.prompt_usd_per_m: "-0.6": must be at least 0\n'
        "    write 0 if it is free"
    )
    assert str(Issue((), "is empty", file="peak.yaml")) == "peak.yaml: is empty"
    assert placed.as_dict()["path"] == "offers[2].models.llama-2-70b.prompt_usd_per_m"


def test_several_issues_print_together_and_a_flood_is_cut():
    """All are kept; 40 are printed."""
    error = InputError([Issue(("offers", index), "unknown field") for index in range(100)])
    text = str(error)
    assert text.startswith("100 errors")
    assert "offers[39]" in text and "offers[40]" not in text
    assert text.endswith("… and 60 more")


def test_errors_travel_between_processes():
    """Workers raise them too."""
    error = pickle.loads(pickle.dumps(InputError(Issue(("name",), "is required"))))
    assert error.issues == (Issue(("name",), "is required"),)
    assert str(pickle.loads(pickle.dumps(errors.Infeasible("none")))) == "none"


def test_nearest_known_name():
    """Case is looked through; few names are listed, many are not."""
    assert nearest("GPT-41", ["gpt-4.1", "llama"]) == 'did you mean "gpt-4.1"?'
    assert nearest("zzz", ["a", "b"]) == "known: a, b"
    assert nearest("zzz", []) is None


def test_values_are_shown_short_and_harmless():
    """A terminal never gets control characters or a megabyte from the file."""
    assert show("\x1b[31mred") == '"\\x1b[31mred"'
    assert len(show("x" * 10_000)) == 60
    assert show({"a": 1}) == "a mapping of 1 entries"
    assert render_path(("models", "a b", 0)) == 'models."a b"[0]'
