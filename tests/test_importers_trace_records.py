"""Logs of requests as people have them: forms, units of time, hashes of prefixes, requests that failed, odd names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pytest import approx
from trace_cases import DATA, traced

from router.commands.imports.trace import import_trace
from router.errors import InputError
from router.loading.catalogue import load
from router.schema import Problem


def imported(folder: Path, file: Path, *options: object) -> tuple[Problem, str, str]:
    """The problem that the command writes, what it says, and the comments at the top of the file."""
    target = folder / "out.yaml"
    result = CliRunner().invoke(
        import_trace, [str(file), "-o", str(target), *map(str, options)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    text = target.read_text(encoding="utf-8")
    return (
        load(target),
        result.stderr,
        "".join(line for line in text.splitlines(True) if line.startswith("#")),
    )


def refused(file: Path, *options: object) -> str:
    result = CliRunner().invoke(import_trace, [str(file), *map(str, options)])
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def requests(problem: Problem) -> float:
    return sum(sum(load.demand.requests_by_period or ()) for load in problem.workloads)


# ---------------------------------------------------------------- forms and times


@pytest.mark.parametrize("name", ["mooncake.csv", "mooncake.jsonl"])
def test_mooncake_counts_milliseconds(tmp_path: Path, name: str) -> None:
    """Twelve requests, one every 300,000 ms, are one hour; read as seconds they were 917 hours."""
    problem, said, comment = imported(tmp_path, DATA / name, "--classes", 1)
    (load,) = problem.workloads
    assert (problem.horizon.periods, problem.horizon.period_h) == (1, 1)
    assert (load.demand.requests_by_period, load.prompt_tokens, load.completion_tokens) == (
        (12,),
        1005.5,
        200,
    )
    for text in (said, comment):
        assert "timestamp is taken as milliseconds because the columns are Mooncake's" in text


def test_other_columns_say_how_long_the_record_is(tmp_path: Path) -> None:
    """The same numbers under other names: 917 h in the first line, an hour with --time-unit ms."""
    rows = (
        (DATA / "mooncake.csv")
        .read_text()
        .replace("input_length,output_length", "input_tokens,output_tokens")
    )
    file = written(tmp_path, rows)
    problem, said, _ = imported(tmp_path, file, "--classes", 1)
    assert problem.horizon.periods == 917
    assert "917 h, 0.0131 requests an hour" in said.splitlines()[0]
    problem, said, _ = imported(tmp_path, file, "--classes", 1, "--time-unit", "ms")
    assert problem.horizon.periods == 1
    problem, _, _ = imported(tmp_path, DATA / "mooncake.csv", "--classes", 1, "--time-unit", "s")
    assert problem.horizon.periods == 917


def test_a_day_in_seconds_under_mooncakes_names_stays_in_seconds(tmp_path: Path) -> None:
    rows = "".join(f"{i * 977},100,10\n" for i in range(80))
    problem, said, _ = imported(tmp_path, written(tmp_path, f"timestamp,input_length,output_length\n{rows}"))
    assert problem.horizon.periods == 22
    assert "milliseconds" not in said


def test_a_problem_that_reads_milliseconds_is_refused(tmp_path: Path) -> None:
    rows = (DATA / "mooncake.csv").read_text()
    with pytest.raises(InputError, match="looks like milliseconds: the columns are Mooncake's"):
        from router.traces import recorded

        recorded(traced(tmp_path, rows))


def test_milliseconds_longer_than_a_day(tmp_path: Path) -> None:
    """50 h in ms pass 10^8, from where on plain numbers are otherwise epochs."""
    rows = "".join(f"{hour * 3_600_000},100,10\n" for hour in range(51))
    file = written(tmp_path, f"timestamp,input_length,output_length\n{rows}")
    assert imported(tmp_path, file)[0].horizon.periods == 51


def test_epochs_in_milliseconds_stay_epochs(tmp_path: Path) -> None:
    rows = "".join(f"{1_785_542_400_000 + i * 60_000},100,10\n" for i in range(30))
    for options in ([], ["--time-unit", "ms"]):
        problem, _, _ = imported(
            tmp_path,
            written(tmp_path, f"t,prompt_tokens,completion_tokens\n{rows}".replace("t,", "timestamp,", 1)),
            *options,
        )
        assert problem.horizon.periods == 1
        assert str(problem.horizon.start).startswith("2026-08-01")


@pytest.mark.parametrize(("delimiter", "name"), [("\t", "t.tsv"), (";", "t.csv"), ("\t", "t.tsv.gz")])
def test_tables_with_tabs_or_semicolons(tmp_path: Path, delimiter: str, name: str) -> None:
    text = "timestamp,prompt_tokens,completion_tokens\n0,100,10\n60,300,30\n".replace(",", delimiter)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (load,) = imported(tmp_path, path, "--classes", 1)[0].workloads
    assert (load.name, load.prompt_tokens, load.demand.requests_by_period) == ("t", 200, (2,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{"timestamp": 0, "input_length": 1, "output_length": 1}\n{"timestamp": ',
            "line 2: is not JSON lines",
        ),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n[1]\n', "line 2: .*must be a JSON object"),
        ('{"timestamp": 0, "input_length": -1, "output_length": 1}\n', "line 1.*must be at least 0"),
        (
            '{"timestamp": 0, "input_length": 40, "output_length": 1, "hash_ids": "x"}\n',
            "must be a list of hashes",
        ),
    ],
)
def test_wrong_json_lines_name_their_line(tmp_path: Path, text: str, says: str) -> None:
    import re

    assert re.search(says, refused(written(tmp_path, text, "t.jsonl")))


# ---------------------------------------------------------------- what a cache had


def hashed(tmp_path: Path, records: list[tuple[float, int, list[int]]], **more: object) -> Path:
    """Records of (time, prompt tokens, hashes)."""
    lines = (
        json.dumps({"timestamp": at, "input_length": tokens, "output_length": 10, "hash_ids": ids} | more)
        for at, tokens, ids in records
    )
    return written(tmp_path, "\n".join(lines), "t.jsonl")


def test_prefix_hashes_are_a_cached_share(tmp_path: Path) -> None:
    """Blocks of 512: the second request shares two of its three blocks, the third all of its own.

    1,024 + 600 cached of 3,224 tokens.
    """
    file = hashed(tmp_path, [(0, 1200, [1, 2, 3]), (1000, 1424, [1, 2, 4]), (2000, 600, [1, 2])])
    problem, said, comment = imported(tmp_path, file, "--classes", 1)
    assert problem.workloads[0].cached_prompt_share == approx((1024 + 600) / 3224, rel=1e-7)
    for text in (said, comment):
        assert "cached share from hash_ids, blocks of 512 tokens, as of a cache that forgets nothing" in text


def test_qwens_blocks_have_16_tokens_and_its_times_are_seconds(tmp_path: Path) -> None:
    file = hashed(
        tmp_path, [(0.5, 40, [7, 8, 9]), (3599.9, 48, [7, 8, 5])], chat_id=1, parent_chat_id=-1, type="text"
    )
    problem, said, _ = imported(tmp_path, file, "--classes", 1)
    assert problem.workloads[0].cached_prompt_share == approx(32 / 88)
    assert problem.horizon.periods == 1
    assert "blocks of 16 tokens" in said
    assert "milliseconds" not in said


def test_a_column_of_cached_tokens_is_part_of_the_prompt(tmp_path: Path) -> None:
    head = "timestamp,prompt_tokens,completion_tokens,cached_tokens\n"
    file = written(tmp_path, f"{head}0,1000,10,400\n1,1000,10,0\n")
    assert imported(tmp_path, file, "--classes", 1)[0].workloads[0].cached_prompt_share == approx(0.2)
    file = written(tmp_path, f"{head}0,1000,10,400\n1,1000,10,1001\n")
    assert 'line 3: cached_tokens: "1001": is more than the 1000 prompt tokens' in refused(file)


# ---------------------------------------------------------------- requests that are none, names that are none


def test_requests_without_tokens_are_left_out_and_counted(tmp_path: Path) -> None:
    problem, said, comment = imported(tmp_path, DATA / "empty_requests.csv", "--model", "m")
    assert requests(problem) == 181
    for text in (said, comment):
        assert "19 of 200 requests have no tokens" in text
        assert "empty_requests.csv, line 9" in text


def test_failed_requests_are_left_out_by_their_status(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},100,10,{status}\n" for i, status in enumerate(("200", "ok", "429", "error", "503 overload"))
    )
    file = written(tmp_path, f"timestamp,prompt_tokens,completion_tokens,status\n{rows}")
    problem, said, _ = imported(tmp_path, file, "--classes", 1)
    assert requests(problem) == 2
    assert "left out, 3 of 5 requests failed, as their status says: 3 requests, 330 tokens" in said


def test_prompts_without_an_answer_are_kept_and_said(tmp_path: Path) -> None:
    file = written(tmp_path, "timestamp,prompt_tokens,completion_tokens\n0,100,10\n1,100,0\n")
    problem, said, _ = imported(tmp_path, file, "--classes", 1)
    assert requests(problem) == 2
    assert "1 of 2 requests have a prompt and no completion, and are kept: 1 request; first at" in said


def test_periods_without_tokens_stay_recorded(tmp_path: Path) -> None:
    """Five failed requests in the second hour: no requests there, and no hole."""
    file = written(
        tmp_path,
        "timestamp,requests,prompt_tokens,completion_tokens\n0,10,1000,100\n3600,5,0,0\n7200,10,1000,100\n",
    )
    problem, said, _ = imported(tmp_path, file)
    assert problem.workloads[0].demand.requests_by_period == (10, 0, 10)
    assert "5 of 25 requests have no tokens" in said


def test_a_log_of_failures_alone_is_an_error(tmp_path: Path) -> None:
    assert "no request has an answer" in refused(
        written(tmp_path, "timestamp,prompt_tokens,completion_tokens\n0,0,0\n1,0,0\n")
    )


def test_tenants_of_odd_names(tmp_path: Path) -> None:
    problem, said, comment = imported(
        tmp_path, DATA / "tenants.csv", "--by", "tenant", "--classes", 1, "--model", "m"
    )
    assert [load.name for load in problem.workloads] == ["acme", "ac me", "évilco", "padded", "any"]
    assert [load.demand.requests_by_period for load in problem.workloads] == [(1,)] * 5
    for text in (said, comment):
        assert (
            "cleaned ('ac\\tme' is ac me, '\\xe9vil\\u200bco' is évilco, '*' is any): 3 requests, 3 names"
            in text
        )
        assert "tenants.csv, line 3" in text


def test_names_that_would_fall_together_stay_apart(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},100,10,{name}\n" for i, name in enumerate(("ab", "a\u200bb", "a\u200db", "", "none"))
    )
    file = written(tmp_path, f"timestamp,prompt_tokens,completion_tokens,tenant\n{rows}")
    problem, _, _ = imported(tmp_path, file, "--by", "tenant", "--classes", 1)
    assert [load.name for load in problem.workloads] == ["ab", "ab-2", "ab-3", "none-2", "none"]


# ---------------------------------------------------------------- in = out + left out


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--classes", 3],
        ["--horizon", 2],
        ["--forecast", "same-hour-last-week", "--horizon", 24],
        ["--by", "tenant"],
    ],
)
def test_every_request_and_token_is_written_or_listed(tmp_path: Path, options: list[object]) -> None:
    """A log of three days with failed, empty and lengthless requests; the account raises where the sides differ."""
    rows = []
    for i in range(600):
        size = ("0,0", ",", f"{100 + i % 7 * 300},{10 + i % 5}")[min(i % 9, 2)]
        rows.append(f"{i * 432},{size},{'error' if i % 50 == 3 else 'ok'},{'ab'[i % 2]}\n")
    file = written(tmp_path, "timestamp,prompt_tokens,completion_tokens,status,tenant\n" + "".join(rows))
    problem, said, comment = imported(tmp_path, file, *options)
    assert said.splitlines()[0].startswith("read: ")
    assert comment.splitlines() == [f"# {line}" for line in said.splitlines()[:-1]]
    if not options:
        lost = 67 + 12 - len([i for i in range(600) if i % 50 == 3 and i % 9 == 0])
        assert requests(problem) == approx(600 - lost)


def test_strict_and_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from router.cli import run

    out = tmp_path / "out.yaml"
    command = ["import", "trace", str(DATA / "empty_requests.csv"), "-o", str(out)]
    assert run([*command, "--strict"]) == 2
    assert "19 of 200 requests have no tokens" in capsys.readouterr().err
    assert run([*command, "--dry-run"]) == 0
    assert "goes out" in capsys.readouterr().out
    assert not out.exists()
