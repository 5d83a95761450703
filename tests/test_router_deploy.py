"""The shipped timer, CronJob and DAG: well formed by their own linters where installed, and true to the CLI."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import router
from router.cli import cli

DEPLOY = Path(router.__file__).parent / "examples" / "deploy"
TIMER = ("router-reoptimise.service", "router-reoptimise.timer")


def commands() -> dict[str, list[str]]:
    """The arguments of `router` in each file."""
    unit = (DEPLOY / TIMER[0]).read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    (container,) = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {
        "systemd": shlex.split(started)[2:],
        "kubernetes": container["args"][1:],
        "airflow": shlex.split(tasks()[0]["bash_command"])[1:],
    }


def cron_job() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "cronjob.yaml").read_text(encoding="utf-8")))


def tasks() -> list[dict[str, Any]]:
    """What the DAG file asks of Airflow, with the few names of it that the file uses."""
    made: list[dict[str, Any]] = []

    class Dag:
        def __init__(self, **given: Any) -> None:
            assert given["catchup"] is False

        def __enter__(self) -> Dag:
            return self

        def __exit__(self, *_: object) -> None: ...

    airflow, operators, bash = (types.ModuleType(name) for name in ("airflow", "airflow.operators", "bash"))
    airflow.DAG, bash.BashOperator = Dag, lambda **given: made.append(given)  # type: ignore[attr-defined]
    stand_ins = {"airflow": airflow, "airflow.operators": operators, "airflow.operators.bash": bash}
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        exec(compile((DEPLOY / "airflow_dag.py").read_text(encoding="utf-8"), "airflow_dag.py", "exec"), {})
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return made


@pytest.mark.parametrize("where", ["systemd", "kubernetes", "airflow"])
def test_commands_parse(where, monkeypatch):
    """By the program's own parser; the files that they write are those of another machine."""
    monkeypatch.setattr("router.output.check_writable", lambda path, option="-o": None)
    name, *arguments = commands()[where]
    command = cli.get_command(click.Context(cli), name)
    with command.make_context(name, arguments) as context:
        assert context.params["file"]
        assert context.params["start"] == "now"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_units_pass_systemds_own_check():
    said = subprocess.run(
        ["systemd-analyze", "verify", *(str(DEPLOY / name) for name in TIMER)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr


def test_units_are_pairs():
    for name in TIMER:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        assert re.search(r"^\[Unit\]$", text, re.M)
        assert all(re.match(r"^(#.*|\[\w+\]|\w+=.*|)$", line) for line in text.splitlines())
    assert "OnCalendar=" in (DEPLOY / TIMER[1]).read_text(encoding="utf-8")


def test_the_cron_job_is_one():
    """What the API server would refuse: names, and a failure policy without `restartPolicy: Never`."""
    job = cron_job()
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert len(job["spec"]["schedule"].split()) == 5
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert all(isinstance(argument, str) for argument in container["args"])
