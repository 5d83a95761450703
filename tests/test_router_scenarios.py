"""Generated futures: day and week kept, growth and spread with the means they state, the same numbers everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from problem_factory import Data, api, by_period, hourly, load, problem
from pytest import approx

import router
from router.errors import InputError
from router.normalise import normalise
from router.scenarios import fresh_draw, planned_draw
from router.scenarios.generate import Draw
from router.scenarios.history import read_history
from router.scenarios.stream import RandomStream
from router.schema import Problem

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def record(
    folder: Path,
    value: Callable[[int], float],
    hours: int,
    *,
    start: datetime | None = MONDAY,
    step_h: float = 1.0,
    skip: tuple[int, ...] = (),
) -> None:
    """history.csv: value(i) requests in slot i; in seconds from 0 without a start."""
    lines = ["timestamp,requests"]
    for i in range(hours):
        seconds = i * step_h * 3600
        at = (
            f"{seconds:g}"
            if start is None
            else (start.astimezone(UTC) + timedelta(seconds=seconds)).isoformat()
        )
        if i not in skip:
            lines.append(f"{at},{value(i)}")
    (folder / "history.csv").write_text("\n".join(lines) + "\n")


def asked(folder: Path, workloads: Any = None, history: Any = "history.csv", **rest: Any) -> Problem:
    """A problem file beside its history; fields of `generate` are taken out of the rest."""
    names = ("count", "seed", "growth_per_month", "spread", "spread_per_month", "reduce_to")
    generate: Data = {"count": 4, **{name: rest.pop(name) for name in names if name in rest}}
    if history is not None:
        generate["history"] = history
    made = problem(
        workloads or hourly(1e6), api("a", 1.0), scenarios={"generate": generate}, **{"periods": 24, **rest}
    )
    (folder / "problem.json").write_text(json.dumps(made))
    return router.load(folder / "problem.json")


def refused(made: Problem) -> str:
    with pytest.raises(InputError) as told:
        planned_draw(made)
    return str(told.value)


# ---------------------------------------------------------------- numbers from a seed


def test_the_numbers_of_a_seed_never_change() -> None:
    """Raw bits of PCG64 and of SeedSequence, which numpy promises to keep; these were printed once."""
    assert RandomStream(2026, 0).uniform(3).tolist() == approx(UNIFORM, rel=1e-15)
    assert RandomStream(2026, 0).normal(3).tolist() == approx(NORMAL, rel=1e-12)


UNIFORM = [0.17893481367543618, 0.6399131657151546, 0.4672684011434852]
NORMAL = [-0.9194320586541889, 0.3582266987022173, -0.08213821791290402]


def test_uniform_normal_and_whole_numbers_are_what_they_say() -> None:
    """40,000 of each: 4 standard errors are 0.006 of a uniform's mean, 0.02 of a normal's, 0.014 of its deviation."""
    u, z, k = (
        RandomStream(1).uniform(40_000),
        RandomStream(2).normal(200, 200),
        np.bincount(RandomStream(3).below(4, 40_000)),
    )
    assert 0 < u.min() < u.max() < 1
    assert u.mean() == approx(0.5, abs=0.006)
    assert z.mean() == approx(0, abs=0.02)
    assert z.std() == approx(1, abs=0.015)
    assert k.tolist() == approx([10_000] * 4, abs=350)


def test_more_scenarios_leave_the_first_as_they_are(tmp_path: Path) -> None:
    record(tmp_path, lambda i: 10 + i % 5, 24 * 28)
    few, many = (
        planned_draw(asked(tmp_path, count=count, spread=0.3, spread_per_month=0.1, periods=400))
        for count in (3, 30)
    )
    assert np.array_equal(few.multiplier, many.multiplier[:3])
    assert few.names == ("s0001", "s0002", "s0003")


# ---------------------------------------------------------------- the history


@pytest.mark.parametrize(
    ("hours", "cycle", "cycles", "left_out"),
    [(336, 168, 2, 0), (335, 24, 13, 23), (400, 168, 2, 64), (24, 24, 1, 0), (47, 24, 1, 23)],
)
def test_a_history_is_cut_to_whole_weeks_or_days(
    tmp_path: Path, hours: int, cycle: int, cycles: int, left_out: int
) -> None:
    record(tmp_path, float, hours)
    made = asked(tmp_path)
    history = read_history(made, made.scenarios.generate.history)  # type: ignore[union-attr, arg-type]
    assert (history.cycle_slots, history.cycles, history.left_out_h) == (cycle, cycles, left_out)
    assert history.requests[-1] == hours - 1  # the oldest are left out
    assert history.phase == left_out % cycle


def test_a_history_too_short_or_with_holes_is_refused_by_name(tmp_path: Path) -> None:
    record(tmp_path, lambda i: 1, 23)
    told = refused(asked(tmp_path))
    assert "problem.json" in told
    assert "spans 23 h" in told
    record(tmp_path, lambda i: 1, 400, skip=(5, 6, 7))
    told = refused(asked(tmp_path))
    assert "no row for 3 of 400 slots" in told
    assert "gaps: zero" in told
    record(tmp_path, lambda i: 0, 48)
    assert "no requests" in refused(asked(tmp_path))
    record(tmp_path, lambda i: 1, 48, step_h=5)
    assert "every 5 h" in refused(asked(tmp_path))
    (tmp_path / "history.csv").unlink()
    with pytest.raises(InputError, match=r"history\.csv"):
        asked(tmp_path)


@pytest.mark.parametrize(("gaps", "expected"), [("zero", 0.0), ("previous", 4.0)])
def test_holes_mean_what_gaps_says(tmp_path: Path, gaps: str, expected: float) -> None:
    record(tmp_path, lambda i: i % 24, 48, skip=(5,))
    made = asked(tmp_path, history={"file": "history.csv", "gaps": gaps})
    history = read_history(made, made.scenarios.generate.history)  # type: ignore[union-attr, arg-type]
    assert history.requests[:7].tolist() == [0, 1, 2, 3, 4, expected, 6]


def test_single_requests_are_counted_by_hour(tmp_path: Path) -> None:
    """From 00:30 of the first day: the half hour is left out, and with it the 23 h up to the last whole day."""
    lines = ["timestamp"]
    for hour in range(50):
        at = MONDAY + timedelta(hours=hour, minutes=30)
        lines += [(at + timedelta(minutes=25 * k / 10)).isoformat() for k in range(1 + hour % 10)]
    (tmp_path / "history.csv").write_text("\n".join(lines) + "\n")
    made = asked(tmp_path)
    history = read_history(made, made.scenarios.generate.history)  # type: ignore[union-attr, arg-type]
    assert history.cycles == 2
    assert history.requests.tolist() == [1 + hour % 10 for hour in range(1, 49)]


def test_daily_rows_keep_the_week(tmp_path: Path) -> None:
    """One row a day: weekdays 10, weekends 4. A horizon from a Thursday on has its weekend on days 2 and 3."""
    record(tmp_path, lambda i: 4.0 if i % 7 >= 5 else 10.0, 21, step_h=24)
    made = planned_draw(asked(tmp_path, periods=7, period_h=24, horizon={"start": "2026-12-03T00:00:00"}))
    assert (made.multiplier * 58 / 7).round(9).tolist() == [[10, 10, 4, 4, 10, 10, 10]] * 4


# ---------------------------------------------------------------- day and week are kept


def by_hour_of_week(at: datetime) -> float:
    return 1 + at.weekday() * 24 + at.hour


@pytest.mark.parametrize("start", ["2026-12-03T13:00:00", "2027-03-27T20:00:00", "2026-10-24T20:00:00"])
def test_every_hour_is_drawn_from_the_same_hour_of_a_week(tmp_path: Path, start: str) -> None:
    """Requests tell their hour of the week in Berlin. Whatever week is drawn, the horizon has them in place, over the
    nights on which the clocks change as well; the history begins and ends amid a week."""
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 5, 6, 5, tzinfo=zone)
    record(
        tmp_path,
        lambda i: by_hour_of_week((first.astimezone(UTC) + timedelta(hours=i)).astimezone(zone)),
        450,
        start=first,
    )
    horizon = {"start": start, "timezone": "Europe/Berlin"}
    made = planned_draw(asked(tmp_path, periods=200, horizon=horizon))
    begin = datetime.fromisoformat(start).replace(tzinfo=zone).astimezone(UTC)
    expected = [by_hour_of_week((begin + timedelta(hours=t)).astimezone(zone)) for t in range(200)]
    mean = sum(range(1, 169)) / 168
    assert np.allclose(made.multiplier * mean, [expected] * 4, rtol=1e-9)


def test_a_record_over_the_change_of_clocks_keeps_its_hours(tmp_path: Path) -> None:
    """28 March 2027 has no 02:00 in Berlin, 25 October 2026 has two: the hour before, and the mean, stand there."""
    zone = ZoneInfo("Europe/Berlin")
    for first, at, expected in (
        (datetime(2027, 3, 22, tzinfo=zone), 6 * 24 + 2, 6 * 24 + 2),
        (datetime(2026, 10, 19, tzinfo=zone), 6 * 24 + 2, 6 * 24 + 3),
    ):
        record(
            tmp_path,
            lambda i, first=first: by_hour_of_week(
                (first.astimezone(UTC) + timedelta(hours=i)).astimezone(zone)
            ),
            14 * 24 + 1,
            start=first,
        )
        made = asked(tmp_path, horizon={"timezone": "Europe/Berlin"})
        history = read_history(made, made.scenarios.generate.history)  # type: ignore[union-attr, arg-type]
        week = np.roll(history.requests, history.phase)[:168]
        assert week[at] == expected
        assert np.delete(week, at).tolist() == [v for v in range(1, 169) if v != at + 1]


def test_seconds_from_zero_start_with_the_horizon(tmp_path: Path) -> None:
    record(tmp_path, lambda i: 1 + i % 168, 336, start=None)
    made = planned_draw(asked(tmp_path, periods=170, horizon={"start": "2026-12-03T13:00:00"}))
    assert np.allclose(made.multiplier * 84.5, [[1 + t % 168 for t in range(170)]] * 4)
    assert any("same hour of the week as the horizon" in note for note in made.notes)


def test_blocks_are_weeks_drawn_with_equal_chances(tmp_path: Path) -> None:
    """Weeks of 2, 3 and 7 requests an hour: each block of 168 h is one of them, each a third of the time."""
    record(tmp_path, lambda i: (2, 3, 7)[i // 168], 504)
    made = planned_draw(asked(tmp_path, periods=336, count=3000)).multiplier * 4
    week = made.reshape(3000, 2, 168)
    assert (week == week[:, :, :1]).all()
    assert sorted(np.unique(week.round(9))) == [2, 3, 7]
    for level in (2, 3, 7):  # 6,000 draws: 4 standard errors are 0.024
        assert (week[:, :, 0].round(9) == level).mean() == approx(1 / 3, abs=0.024)


def test_a_horizon_amid_a_week_cuts_blocks_there_and_the_mean_stays(tmp_path: Path) -> None:
    """From Wednesday 12:00 a block runs on into the next week of the record, and from the last into the first."""
    record(tmp_path, lambda i: (2, 4)[i // 168], 336)
    made = planned_draw(asked(tmp_path, periods=168, count=8, horizon={"start": "2026-12-02T12:00:00"}))
    assert set(made.multiplier.round(9).ravel()) == {0.666666667, 1.333333333}
    assert made.multiplier.mean(axis=1).round(9).max() == approx(1 + (108 - 60) / 168 / 3)
    for path in made.multiplier:  # Monday 00:00 comes after 108 h
        assert len(set(path[:108])) == len(set(path[108:])) == 1
        assert path[0] != path[108]


def test_periods_average_their_hours(tmp_path: Path) -> None:
    record(tmp_path, lambda i: i % 24, 48)
    long = planned_draw(asked(tmp_path, periods=3, period_h=10))
    assert np.allclose(
        long.multiplier * 11.5, [[4.5, 14.5, (20 + 21 + 22 + 23 + 0 + 1 + 2 + 3 + 4 + 5) / 10]] * 4
    )
    short = planned_draw(asked(tmp_path, periods=8, period_h=0.75))
    assert np.allclose(
        short.multiplier[0] * 11.5,
        [0, (0.25 * 0 + 0.5 * 1) / 0.75, (0.5 + 0.25 * 2) / 0.75, 2, 3, 11 / 3, 13 / 3, 5],
    )


# ---------------------------------------------------------------- growth, level and walk


def test_the_mean_of_the_multipliers_is_the_growth_path(tmp_path: Path) -> None:
    """3,000 draws; in every month the mean is within 4 standard errors of (1 + g)^k."""
    rng = np.random.default_rng(5)
    noise = rng.lognormal(0, 0.5, 28 * 24)
    record(tmp_path, lambda i: float(noise[i]) * (2 + np.sin(i / 24 * 2 * np.pi)), 28 * 24)
    how: Data = {"growth_per_month": 0.03, "spread": 0.3, "spread_per_month": 0.1}
    made = planned_draw(asked(tmp_path, periods=12, period_h=730, count=3000, **how)).multiplier
    error = made.std(axis=0) / np.sqrt(3000)
    cycle = planned_draw(asked(tmp_path, periods=12, period_h=730, count=3000)).multiplier.mean(axis=0)
    assert (np.abs(made.mean(axis=0) - 1.03 ** np.arange(12) * cycle) < 4 * error).all()
    assert cycle == approx(np.ones(12), abs=0.01)  # 730 h are no whole number of days


def test_spread_is_the_deviation_of_the_logarithm_and_the_walk_grows_with_the_root_of_time(
    tmp_path: Path,
) -> None:
    """2,000 draws: the deviation's standard error is 1.6 % of it."""
    level = np.log(
        planned_draw(
            asked(tmp_path, history=None, spread=0.3, periods=5, period_h=730, count=2000)
        ).multiplier
    )
    assert level.std(axis=0) == approx([0.3] * 5, rel=0.06)
    assert np.allclose(level, level[:, :1])
    walk = np.log(
        planned_draw(
            asked(tmp_path, history=None, spread_per_month=0.2, periods=10, period_h=365, count=2000)
        ).multiplier
    )
    assert np.allclose(walk[:, 0::2], walk[:, 1::2])  # steps from month to month
    assert (walk[:, 0] == 0).all()
    assert walk.std(axis=0)[2::2] == approx(0.2 * np.sqrt([1, 2, 3, 4]), rel=0.06)


def test_growth_compounds_from_the_start_of_the_horizon(tmp_path: Path) -> None:
    made = planned_draw(
        asked(tmp_path, history=None, growth_per_month=-0.1, periods=4, period_h=365, count=2)
    )
    assert np.allclose(made.multiplier, [[1, 0.9**0.5, 0.9, 0.9**1.5]] * 2)
    assert "grow beyond" in refused(
        asked(tmp_path, history=None, growth_per_month=1e9, periods=60, period_h=730)
    )


def test_multipliers_have_twelve_digits(tmp_path: Path) -> None:
    made = planned_draw(asked(tmp_path, history=None, spread=2.0, count=50)).multiplier
    assert all(float(f"{value:.11e}") == value for value in made.ravel().tolist())


# ---------------------------------------------------------------- workloads


def test_demand_with_a_course_of_its_own_keeps_it(tmp_path: Path) -> None:
    """Two days that repeat, at levels 1 and 3: multiplied by level over the mean, day and night not twice."""
    record(tmp_path, lambda i: (1 + i % 24) * (1, 3)[i // 24], 48)
    loads = [by_period([1e6 * (1 + t) for t in range(24)], "own"), hourly(1e6, "flat")]
    made = asked(tmp_path, loads, count=20)
    draw = planned_draw(made)
    own, flat = (draw.of(load) for load in made.workloads)
    assert set(own.round(9).ravel()) == {0.5, 1.5}
    assert np.allclose(flat, own * [(1 + t) / 12.5 for t in range(24)])
    inst = normalise(made)
    assert inst.scenarios.path is not None
    assert np.array_equal(inst.scenarios.path, np.stack([own, flat], axis=1))


def test_work_with_a_window_takes_the_mean_of_its_day(tmp_path: Path) -> None:
    record(tmp_path, lambda i: 1 + i % 24 + 24 * (i // 24 % 2), 96, start=None)
    night: Data = {"window": {"start": "22:00", "end": "06:00"}}
    loads = [hourly(1e6, "flat"), hourly(1e6, "night", **night), by_period([1e6] * 48, "own", **night)]
    made = asked(tmp_path, loads, count=10, periods=48)
    draw = planned_draw(made)
    flat, night_, own = (draw.of(load) for load in made.workloads)
    day = flat.reshape(10, 2, 24).mean(axis=2)
    assert np.allclose(night_, np.repeat(day, 24, axis=1))
    assert np.allclose(own, night_)  # all days are alike on average


# ---------------------------------------------------------------- afresh


def same(one: Draw, two: Draw) -> bool:
    return np.array_equal(one.multiplier, two.multiplier)


def test_fresh_scenarios_are_others_of_the_same_kind(tmp_path: Path) -> None:
    made = asked(tmp_path, history=None, spread=0.4, count=500, reduce_to=5)
    again = fresh_draw(made, 500, 1)
    assert again.names[:2] == ("f0001", "f0002")
    assert len(again.names) == 500  # not reduced
    assert same(again, fresh_draw(made, 500, 1))
    assert not same(again, fresh_draw(made, 500, 2))
    everything = planned_draw(asked(tmp_path, history=None, spread=0.4, count=500))
    assert not np.isin(again.multiplier[:, 0], everything.multiplier[:, 0]).any()
    assert again.multiplier.mean() == approx(1, abs=4 * 0.42 / 500**0.5)


def test_listed_scenarios_have_no_generator(tmp_path: Path) -> None:
    made = problem(hourly(1e6), api("a", 1), scenarios=[{"name": "s", "probability": 1}])
    with pytest.raises(InputError, match="not generated"):
        fresh_draw(load(made), 10, 1)


@pytest.mark.parametrize(("growth", "told"), [(1.1, ["the history changes by +10 % a week"]), (1.0, [])])
def test_a_trend_in_the_history_is_told(growth: float, told: list[str], tmp_path: Path) -> None:
    """A tenth more every week, five weeks long, and five alike: what grew is chance to the futures."""
    record(tmp_path, lambda i: 1000 * growth ** (i // 168), 5 * 168)
    notes = planned_draw(asked(tmp_path)).notes
    assert [note.split(":")[0] for note in notes if "changes by" in note] == told
