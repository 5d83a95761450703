"""An import's account balances, says the share read first and one line a kind; `--strict` and `--dry-run` obey it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.commands.imports.delivery import deliver_import
from router.errors import InputError
from router.importers.account import Account, AccountMismatch, Treatment


def bill() -> Account:
    """Four rows of a bill of 1,694.18 USD, of which two (1.92 USD) are used."""
    account = Account()
    for usd, tokens in ((0.96, 1_200_000.0), (0.96, 300_000.0), (990.38, 0.0), (701.88, 0.0)):
        account.reads({"rows": 1, "prompt tokens": tokens, "USD": usd})
    for line, usd in ((4, 990.38), (5, 701.88)):
        account.remark(
            "left out",
            'unit "Units" not known',
            f"bill.csv, line {line}",
            {"rows": 1, "USD": usd},
            names=["Model B"],
            hint="--meter-unit",
        )
    account.writes({"rows": 2, "prompt tokens": 1.5e6, "USD": 1.92})
    return account


def test_the_first_line_says_the_share_and_one_line_a_kind() -> None:
    account = bill()
    account.reconcile()
    assert account.lines() == [
        "read: 2 of 4 rows, all of 1,500,000 tokens, 1.92 of 1,694.18 USD",
        'left out, unit "Units" not known (Model B): 2 rows, 1,692.26 USD; first at bill.csv, line 4; --meter-unit',
    ]
    assert account.comment().count("\n# ") == 1


@pytest.mark.parametrize("measure", ["rows", "USD", "requests"])
def test_what_is_lost_or_made_up_is_an_error_of_ours(measure: str) -> None:
    account = bill()
    account.writes({measure: 1})
    with pytest.raises(AccountMismatch, match=f"{measure} came in") as caught:
        account.reconcile()
    assert caught.value.exit_code == 6


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from(["left out", "merged", "writes"])), max_size=30)
)
def test_every_way_out_balances_and_forgetting_one_does_not(
    rows: list[tuple[int, Treatment | Literal["writes"]]],
) -> None:
    account = Account()
    for amount, way in rows:
        account.reads({"rows": 1, "requests": amount})
        its = {"rows": 1, "requests": amount}
        account.writes(its) if way == "writes" else account.remark(way, "kind", "place", its)
    account.reconcile()
    account.reads({"rows": 1})
    with pytest.raises(AccountMismatch):
        account.reconcile()


def test_what_is_added_balances_and_a_note_does_not() -> None:
    account = bill()
    account.writes({"requests": 5})
    account.remark("added", "taken to be of 10 tokens", "", {"requests": 5}, asked=True)
    account.remark("note", "taken as milliseconds", "a.csv, line 2", {"rows": 3})
    account.reconcile()
    assert "note, taken as milliseconds: 3 rows; first at a.csv, line 2" in account.lines()


def test_a_name_cannot_leave_its_comment() -> None:
    account = Account()
    account.remark("note", "odd", "f", {"rows": 1}, names=["a\nworkloads: []\x1b[2J"])
    assert len(account.comment().splitlines()) == 2
    assert "\x1b" not in account.comment()


def test_strict_refuses_what_no_option_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.yaml"
    with pytest.raises(InputError, match="nothing is written: left out"):
        deliver_import(bill(), "a: 1\n", str(out), strict=True, dry_run=False, summary="one")
    assert not out.exists()
    account = Account()
    account.reads({"rows": 2})
    account.writes({"rows": 1})
    account.remark("left out", "not asked for", "f", {"rows": 1}, asked=True)
    deliver_import(account, "a: 1\n", str(out), strict=True, dry_run=False, summary="one")
    assert out.read_text() == "# read: 1 of 2 rows\n# left out, not asked for: 1 row; first at f\na: 1\n"
    assert capsys.readouterr().err.endswith(f"one written to {out}\n")


def test_a_dry_run_shows_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.yaml"
    deliver_import(bill(), "a: 1\n", str(out), strict=False, dry_run=True, summary="one")
    shown = capsys.readouterr().out
    assert not out.exists()
    assert [line.split() for line in shown.splitlines()][1] == ["read", "4", "1,500,000", "1,694.18"]
    assert [line.split()[0] for line in shown.splitlines()[2:] if not line.startswith("  ")] == [
        "left",
        "merged",
        "added",
        "goes",
    ]
