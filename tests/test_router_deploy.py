"""The shipped timer, CronJob and DAG: well formed by their own linters where installed, and true to the CLI."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from jsonschema.validators import validator_for

import router
from router.cli import cli, run

ROOT = Path(__file__).parents[1]
DEPLOY = Path(router.__file__).parent / "examples" / "deploy"
TIMER = ("router-reoptimise.service", "router-reoptimise.timer")


def commands() -> dict[str, list[str]]:
    """The arguments of `router` in each file."""
    unit = (DEPLOY / TIMER[0]).read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    (container,) = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    planner, _ = pod()["containers"]
    return {
        "kustomize": planner["args"][1:],
        "systemd": shlex.split(started)[2:],
        "kubernetes": container["args"][1:],
        "airflow": shlex.split(tasks()[0]["bash_command"])[1:],
    }


def cron_job() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "cronjob.yaml").read_text(encoding="utf-8")))


def pod() -> dict[str, Any]:
    """What the Kustomize base runs."""
    deployment = yaml.safe_load((DEPLOY / "kustomize" / "deployment.yaml").read_text(encoding="utf-8"))
    return dict(deployment["spec"]["template"]["spec"])


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


@pytest.mark.parametrize("where", ["systemd", "kubernetes", "kustomize", "airflow"])
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


def linter(name: str) -> str:
    """A linter of the development group, beside the Python that runs the tests."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert found is not None, f"{name} is of the development group, and not installed"
    return found


def lint(*command: str) -> None:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_container_file_passes_hadolint():
    lint(linter("hadolint"), str(ROOT / "Containerfile"))


@pytest.mark.parametrize("name", ["cronjob.yaml", "kustomize/deployment.yaml", "kustomize/service.yaml"])
def test_manifests_keep_the_schema_of_kubernetes(name: str):
    lint(linter("kubernetes-validate"), "--strict", str(DEPLOY / name))


SCHEMAS = ROOT / "tests" / "data" / "deploy"


@pytest.mark.parametrize(
    ("name", "schema"),
    [("prometheus-rules.yaml", "prometheus-rules"), ("kustomize/kustomization.yaml", "kustomization")],
)
def test_rules_and_base_keep_their_published_schema(name: str, schema: str):
    """Neither has a linter that pip installs: CI runs Prometheus's own on the rules, from a Debian package."""
    published = json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8"))
    validator = validator_for(published)(published)
    document = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    validator.validate(document)
    assert not validator.is_valid(document | {"unknown": 1})


def test_the_dashboard_is_read_whole_by_grafanas_own_models():
    """What Grafana's SDK does not know it would lose: read and written again, every field is there, unchanged."""
    models = import_module("grafana_foundation_sdk.models.dashboard")
    encoder = import_module("grafana_foundation_sdk.cog.encoder")
    written = encoder.JSONEncoder().encode(models.Dashboard.from_json(dashboard()))
    assert not lost(dashboard(), json.loads(written))
    assert lost({"titel": "a typing error"}, json.loads(written)) == ["titel"]


def lost(document: object, other: object, at: str = "") -> list[str]:
    """Paths of a document that are not in another, or differ there."""
    if isinstance(document, dict):
        if not isinstance(other, dict):
            return [at]
        return [
            path for key in document for path in lost(document[key], other.get(key), f"{at}.{key}".strip("."))
        ]
    if isinstance(document, list):
        if not isinstance(other, list) or len(document) != len(other):
            return [at]
        return [
            path
            for i, (one, two) in enumerate(zip(document, other, strict=True))
            for path in lost(one, two, f"{at}[{i}]")
        ]
    return [] if document == other else [at]


def test_the_container_holds_what_the_wheel_needs():
    """Every folder and file that pyproject.toml names is copied, and the extra with both databases is installed."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    for name in ("pyproject.toml", "README.md", "LICENSE", "router", "problems", "solvers"):
        assert re.search(rf"^COPY .*\b{re.escape(name)}\b", text, re.M), name
        assert (ROOT / name).exists()
    assert '".[postgres]"' in text
    assert "USER 10001" in text


def test_the_base_is_made_of_files_that_are_there():
    """Volumes, ports and labels fit together; the image that is named is the one that gets its tag."""
    folder = DEPLOY / "kustomize"
    base = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert (base["apiVersion"], base["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    assert {path.name for path in folder.iterdir()} == {"kustomization.yaml", *base["resources"]}
    spec, service = pod(), yaml.safe_load((folder / "service.yaml").read_text(encoding="utf-8"))
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert all(mount["name"] in volumes for each in spec["containers"] for mount in each["volumeMounts"])
    assert {each["image"] for each in spec["containers"]} == {image["name"] for image in base["images"]}
    files = spec["containers"][1]
    (port,) = files["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    annotations = service["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"]) == files["args"][3]
    asked = commands()["kustomize"]
    written = asked[asked.index("--metrics") + 1]
    assert written == files["args"][5] + annotations["prometheus.io/path"]


NAMED = re.compile(r"\brouter_[a-z_]+")


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def dashboard() -> dict[str, Any]:
    return dict(json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8")))


def expressions() -> list[str]:
    """Every PromQL expression of the alerts and the dashboard, with a value for its variable."""
    asked = [alert["expr"] for alert in alerts()]
    asked += [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [expression.replace("$file", ".*") for expression in asked]


def test_expressions_are_promql():
    parser = import_module("promql_parser")
    for expression in expressions():
        assert parser.parse(expression)
    with pytest.raises(ValueError, match=r"(?s).+"):
        parser.parse("sum by (")


JOB = """
schema: router/1
name: p
horizon: {{periods: 1, period_h: 1}}
models: {{m: {{}}}}
workloads: [{{name: w, models: [m], demand: {{requests_per_hour: 1000}}, prompt_tokens: 900, completion_tokens: 100}}]
offers:
  - {{name: a, models: {{m: {{prompt_usd_per_m: 1, completion_usd_per_m: 1}}}}}}
  - {{name: b, models: {{m: {{prompt_usd_per_m: {b}, completion_usd_per_m: {b}}}}}}}
"""


def test_every_metric_is_one_that_a_run_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A first run, a cheaper plan and a failure write them all; each is looked at somewhere, and nothing else is."""
    monkeypatch.chdir(tmp_path)
    given = ["reoptimise", "p.yaml", "--store", "sqlite:///plans.db", "--metrics", "router.prom"]
    for b, code in ((2, 0), (0.5, 0)):
        Path("p.yaml").write_text(JOB.format(b=b))
        assert run([*given]) == code
    Path("p.yaml").write_text("schema: router/1\nworkloads: []\n")
    assert run([*given]) == 2
    text = Path("router.prom").read_text()
    written = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    query = dashboard()["templating"]["list"][1]["query"]
    asked = {name for expression in (*expressions(), query) for name in NAMED.findall(expression)}
    assert asked == written
    labels = set(re.findall(r"(\w+)=\"", text))
    assert labels == {"file", "outcome"}
    shown = "".join(str(alert["annotations"]) for alert in alerts())
    assert set(re.findall(r"\$labels\.(\w+)", shown)) <= labels


def test_alerts_say_what_and_what_to_do():
    """As Prometheus reads rules: a name once, an expression, how bad, and words; docs/deploy.md has each by name."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    names = [alert["alert"] for alert in alerts()]
    assert len(names) == len(set(names)) >= 5
    for alert in alerts():
        assert alert.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[mh]", alert.get("for", "1m"))
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        assert alert["annotations"].keys() == {"summary", "description"}
        assert f"`{alert['alert']}`" in page


def test_the_dashboard_is_one():
    """As Grafana reads it: panels with numbers of their own that do not overlap, each asking the chosen Prometheus."""
    board = dashboard()
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= board.keys()
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "file"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
        assert panel["type"] in ("stat", "timeseries")
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)) >= 1
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_commands_of_the_guide_are_options():
    """docs/deploy.md names no option that its command does not take."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    asked = re.findall(r"`router ((?:export )?[a-z]+)([^`]*)`", page)
    assert len(asked) >= 8
    for words, rest in asked:
        command: Any = cli
        for word in words.split():
            command = command.get_command(click.Context(command), word)
            assert command is not None, words
        known = {flag for option in command.params for flag in option.opts}
        assert set(re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest)) <= known, words
