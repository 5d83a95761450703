"""Which files a problem may have read, and that no message shows what stands in a file that is none of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.cli import run
from router.errors import InputError
from router.loading.catalogue import load

PROBLEM = """schema: router/1
horizon: {{periods: 1, period_h: 1, start: "2026-12-01T00:00"}}
include: [{include}]
models: {{m: {{}}}}
workloads:
  - {{name: w, models: [m], demand: {demand}, prompt_tokens: 1, completion_tokens: 1}}
offers:
  - {{name: o, models: {{m: {{prompt_usd_per_m: 1, completion_usd_per_m: 2}}}}, schedule: [{schedule}]}}
"""
DEMAND = "{requests_total: 1}"
SERIES = "{{series: {{file: {file}, timestamp_column: t, prompt_usd_per_m_column: p, model: m}}}}"
NOTHING = "models: {}\n"
TRACE = "timestamp,prompt_tokens,completion_tokens\n2026-12-01T00:10:00,1,1\n"


def problem(folder: Path, include: str = "", demand: str = DEMAND, schedule: str = "") -> Path:
    """A problem in a folder of its own, beside which other files lie."""
    folder = folder / "problem"
    folder.mkdir(exist_ok=True)
    file = folder / "problem.yaml"
    file.write_text(PROBLEM.format(include=include, demand=demand, schedule=schedule), encoding="utf-8")
    return file


def naming(folder: Path, what: str, file: str) -> Path:
    """A problem that names a file as what it includes, as a trace, or as a series."""
    if what == "include":
        return problem(folder, include=f'"{file}"')
    if what == "trace":
        return problem(folder, demand=f'{{trace: {{file: "{file}"}}}}')
    return problem(folder, schedule=SERIES.format(file=f'"{file}"'))


@pytest.fixture(params=["include", "trace", "series"])
def what(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TEXT = {"include": NOTHING, "trace": TRACE, "series": "t,p\n2026-12-01T00:00:00,1\n"}


@pytest.mark.parametrize("way", ["../beside", "{folder}/beside", "link"])
def test_a_file_outside_the_folder_is_read_only_where_allowed(tmp_path: Path, what: str, way: str) -> None:
    """By a way up, by its whole path, and by a link that leads out."""
    (tmp_path / "beside").write_text(TEXT[what], encoding="utf-8")
    file = naming(tmp_path, what, way.format(folder=tmp_path))
    (file.parent / "link").symlink_to(tmp_path / "beside")
    with pytest.raises(
        InputError, match=r"problem\.yaml, line \d: .*lies outside the folder of the problem"
    ) as refused:
        load(file)
    assert "--allow-files DIR" in str(refused.value)
    load(file, allow_files=[tmp_path])
    with pytest.raises(InputError, match="lies outside"):
        load(file, allow_files=[tmp_path / "elsewhere"])


def test_whether_a_file_outside_is_there_is_not_said(tmp_path: Path, what: str) -> None:
    with pytest.raises(InputError, match="lies outside") as refused:
        load(naming(tmp_path, what, "../nowhere"))
    assert "no such file" not in str(refused.value)


def test_below_the_folder_links_and_folders_are_followed(tmp_path: Path, what: str) -> None:
    """As Kubernetes mounts a ConfigMap: links to a folder beside them."""
    file = naming(tmp_path, what, "data/link")
    (file.parent / "data").mkdir()
    (file.parent / "..2026").mkdir()
    (file.parent / "..2026" / "file").write_text(TEXT[what], encoding="utf-8")
    (file.parent / "data" / "link").symlink_to("../..2026/file")
    load(file)


def test_an_included_file_reads_no_further_than_the_problem(tmp_path: Path) -> None:
    file = problem(tmp_path, include="part.yaml")
    (file.parent / "part.yaml").write_text("include: [../beside.yaml]\n", encoding="utf-8")
    (tmp_path / "beside.yaml").write_text(NOTHING, encoding="utf-8")
    with pytest.raises(InputError, match=r"part\.yaml, line 1: include\[0\]: .*lies outside"):
        load(file)
    load(file, allow_files=[tmp_path])


@pytest.mark.parametrize(
    "command",
    [
        "solve {file} -o {plan}",
        "compare {file}",
        "verify {file} {plan}",
        "simulate {plan} --problem {file}",
        "report {plan} --problem {file} -o {plan}.html",
        "export litellm {plan} --problem {file}",
        "export lp {file}",
        "reoptimise {file} --store sqlite:///{plan}.db",
    ],
)
def test_commands_take_what_is_allowed(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "beside").write_text(NOTHING, encoding="utf-8")
    file, plan = naming(tmp_path, "include", "../beside"), tmp_path / "plan.json"
    allowed = ("--allow-files", str(tmp_path))
    if "{plan}" in command and not command.startswith(("solve", "reoptimise")):
        assert run(["solve", str(file), "-o", str(plan), *allowed]) == 0
    arguments = command.format(file=file, plan=plan).split()
    assert run([*arguments, *allowed]) == 0
    capsys.readouterr()
    assert run(arguments) == 2
    assert "lies outside the folder of the problem" in capsys.readouterr().err


SECRETS = {
    "passwd": "root:x:0:0:hunter2,,,:/root:/bin/hunter2\ndaemon:hunter2:1:1,hunter2\n",
    "key": "-----BEGIN HUNTER2 KEY-----\nhunter2hunter2\n-----END HUNTER2 KEY-----\n",
    "env": "PASSWORD=hunter2\nhunter2=1,2\n",
    "broken.yaml": "password: hunter2\nhunter2: [1, 2\n",
    "whole.yaml": "hunter2: {password: hunter2}\nhunter2b: *hunter2\n",
    "plain.yaml": "hunter2: hunter2\n",
    "tag.yaml": "!hunter2 x: y\n",
    "twice.yaml": "hunter2: 1\nhunter2: 2\n",
    "object.json": '{"hunter2": "hunter2"}',
    "list.json": '["hunter2"]',
    "text.json": '"hunter2"',
    "broken.json": '{"hunter2": hunter2',
    "lines.csv": "hunter2=1,b\nhunter2,hunter2\n",
    "prose.md": "*hunter2* is my password, dear hunter2\n",
}
READERS = {
    "solve": "solve {secret}",
    "include": "solve {include}",
    "trace": "solve {trace}",
    "series": "solve {series}",
    "report": "report {secret}",
    "verify": "verify {file} {secret}",
    "with": "report {plan} --with {secret} -o {plan}.html",
    "map": "export litellm {plan} --map {secret}",
    "evaluate": "size {file} --evaluate {secret}",
    "import trace": "import trace {secret} --model m",
    "import usage": "import usage {secret}",
    "import performance": "import performance {secret} --offer o --model m --gpus 1 --usd-per-gpu-h 1",
    "import litellm": "import prices litellm {secret}",
    "import models-dev": "import prices models-dev {secret}",
    "import opencost": "import prices opencost {secret}",
    "import gpu": "import prices gpu {secret}",
}


@pytest.mark.parametrize("secret", SECRETS)
def test_no_message_shows_what_stands_in_a_file_that_is_none_of_ours(
    tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that reads a file, on files that are no problem, price list, plan or table."""
    folder = tmp_path / "problem"
    file = problem(tmp_path)
    (folder / secret).write_text(SECRETS[secret], encoding="utf-8")
    names = {"secret": folder / secret, "file": file, "plan": tmp_path / "plan.json"}
    assert run(["solve", str(file), "-o", str(names["plan"])]) == 0
    for kind in ("include", "trace", "series"):
        names[kind] = file.with_name(f"{kind}.yaml")
        os.replace(naming(tmp_path, kind, secret), names[kind])
    file = problem(tmp_path)
    capsys.readouterr()
    for reader, command in READERS.items():
        code = run(command.format(**names).split())
        said = "".join(capsys.readouterr()).replace(str(tmp_path), "")
        assert code == 2, (reader, said)
        assert "hunter2" not in said.lower(), (reader, said)
