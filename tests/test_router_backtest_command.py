"""`router backtest`: the command, other records, the report and the picture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

import router
from router import cli
from router.reports.page.companions import companions

EXAMPLES = Path(router.__file__).parent / "examples"
SVG = "{http://www.w3.org/2000/svg}"


def ran(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert cli.run(["backtest", *map(str, arguments)]) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_azure_by_minute_from_what_the_last_minute_brought(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture, told = tmp_path / "azure.svg", tmp_path / "azure.json"
    arguments = ["--forecast", "last", "--lookahead", 3, "--picture", picture, "-o", told]
    text = ran(capsys, EXAMPLES / "backtest-azure.yaml", *arguments)
    assert "Regret" in text and "first plan kept" in text and "per-token alone" in text
    found = json.loads(told.read_text(encoding="utf-8"))
    assert companions([told]).backtest == found  # for the report page
    assert found["periods"] == 11 and found["warm_up"] == 1
    assert found["regret_above_bound_usd"] >= -1e-9
    assert found["staying_usd"] >= found["hindsight_bound_usd"] - 1e-9
    assert found["series"]["cost_usd"][-1] == pytest.approx(found["cost_usd"])
    drawn = ElementTree.parse(picture).getroot()
    titles = [node.text for node in drawn.iter(f"{SVG}text") if node.get("font-weight") == "bold"]
    assert titles == ["Tokens a second", "Instances", "Cost so far, USD"]
    points = [
        [float(number) for number in pair.split(",")]
        for line in drawn.iter(f"{SVG}polyline")
        for pair in (line.get("points") or "").split()
    ]
    width, height = float(drawn.get("width") or 0), float(drawn.get("height") or 0)
    assert points and all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_servegen_hourly_the_forecast_costs_and_knowing_would_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of the extract a day to learn from, and eighteen hours; every six hours, a day ahead."""
    text = (EXAMPLES / "backtest-servegen.yaml").read_text(encoding="utf-8")
    for name in ("measured-replicas.yaml", "servegen-m-large-clients.csv"):
        shutil.copy(EXAMPLES / name, tmp_path)
    file = tmp_path / "short.yaml"
    file.write_text(text.replace("periods: 168", "periods: 42"), encoding="utf-8")
    common = [file, "--every", 6, "--warm-up", 24, "--gap", "1e-4", "--json"]
    guessed = json.loads(ran(capsys, *common, "--forecast", "same-hour-yesterday"))
    known = json.loads(ran(capsys, *common, "--forecast", "perfect", "--lookahead", 36))
    assert guessed["hindsight_usd"] == pytest.approx(known["hindsight_usd"])
    assert guessed["regret_share"] > 0.01
    assert known["forecast_error"] == 0
    assert -1e-6 <= known["regret_above_bound_usd"] <= 2e-3 * known["hindsight_usd"]
    assert guessed["replay"]["overflow_share"] > 0 and guessed["replay"]["lost_requests"] == 0


def test_another_record_is_replayed_over_the_periods_it_covers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Seven hours of rows, told by --trace, of a file whose own horizon is a day; and requests with a date each."""
    (tmp_path / "p.yaml").write_text(
        "schema: router/1\nhorizon: {periods: 24, period_h: 1}\nmodels: {m: {}}\n"
        "workloads: [{name: w, models: [m], prompt_tokens: 900, completion_tokens: 100, "
        "demand: {requests_per_hour: 5}}]\n"
        "offers: [{name: a, models: {m: {prompt_usd_per_m: 5, completion_usd_per_m: 5}}}]\n",
        encoding="utf-8",
    )
    rows = tmp_path / "hours.csv"
    counts = [50, 100, 200, 300, 400, 500, 600]
    lines = [f"{3600 * hour},{count}" for hour, count in enumerate(counts)]
    rows.write_text("\n".join(["start_s,requests", *lines]) + "\n", encoding="utf-8")
    found = json.loads(ran(capsys, tmp_path / "p.yaml", "--trace", rows, "--forecast", "last", "--json"))
    assert found["periods"] == 6  # seven hours are recorded, one is history
    assert found["cost_usd"] == pytest.approx(0.005 * sum(range(100, 700, 100)))
    single = tmp_path / "requests.csv"
    stamps = [f"2026-11-02 {h:02d}:{m:02d}:00" for h in range(9, 13) for m in range(0, 60, 10)]
    single.write_text("TIMESTAMP\n" + "\n".join(stamps[3:]) + "\n", encoding="utf-8")  # from 9:30 to 12:50
    found = json.loads(ran(capsys, tmp_path / "p.yaml", "--trace", single, "--forecast", "last", "--json"))
    assert found["periods"] == 1  # of 10, 11 the first is history; 9 and 12 are not whole
    assert found["cost_usd"] == pytest.approx(0.005 * 6)


def test_a_page_with_picture_and_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "azure.html"
    arguments = ["--forecast", "last", "--lookahead", 6, "--every", 6, "--picture", page]
    ran(capsys, EXAMPLES / "backtest-azure.yaml", *arguments)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "<svg" in text and "first plan kept" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")  # needs nothing else


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--picture", "a.png"], "must end in .svg or .html"),
        (["--relax"], "cannot be put in force"),
        (["--every", "0"], "--every"),
        (["--trace", "missing.csv"], "missing.csv"),
        ([], "takes 1440 periods of history, and the horizon has 12"),
    ],
)
def test_wrong_arguments_are_told(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in ran(capsys, EXAMPLES / "backtest-azure.yaml", *arguments, code=2)
