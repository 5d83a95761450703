"""Exports of a plan: shares of requests become weights, counts become schedules, and each form keeps its own rules."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from exported_plans import plan, problem
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from router import api, cli
from router.errors import InputError
from router.exporters import (
    Targets,
    gateway,
    keda,
    largest_remainder,
    litellm,
    period_at,
    read_targets,
    splits,
    tables,
    tfvars,
    workers,
)
from router.loading.catalogue import load_text
from router.plan.rows import UnservedRow

TWO = {
    ("chat", "acme", "m"): [60.0, 10.0],
    ("chat", "zeta", "m"): [40.0, 90.0],
    ("batch", "acme", "m"): [50.0, 50.0],
}


def configuration(text: str) -> dict[str, dict[str, dict[str, object]]]:
    """LiteLLM's model list by group and offer."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for entry in yaml.safe_load(text)["model_list"]:
        found.setdefault(entry["model_name"], {})[entry["model_info"]["id"].split("/")[1]] = entry
    return found


# shares and weights


def test_shares_are_of_requests_over_the_periods_asked_for() -> None:
    """chat: 60 + 10 of 200 requests go to acme over both periods, 10 of 100 in the second."""
    both, remarks = splits(plan(TWO))
    assert {part.offer: part.share for part in both[0].parts} == approx({"acme": 0.35, "zeta": 0.65})
    assert any("differ by period" in remark for remark in remarks)
    second, remarks = splits(plan(TWO), period=1)
    assert {part.offer: part.share for part in second[0].parts} == approx({"acme": 0.1, "zeta": 0.9})
    assert remarks == ()


def test_work_without_a_size_is_split_by_tokens_and_says_so() -> None:
    found, remarks = splits(plan(TWO, sized=False), period=0)
    assert found[0].basis == "tokens"
    assert {part.offer: part.share for part in found[0].parts} == approx({"acme": 0.6, "zeta": 0.4})
    assert any("shares of tokens" in remark for remark in remarks)


def test_a_workload_without_work_in_the_period_keeps_its_way() -> None:
    """Nothing comes in period 1, as planned; what comes all the same must find a deployment."""
    found, remarks = splits(
        plan({("chat", "acme", "m"): [10.0, 0.0], ("batch", "zeta", "m"): [1.0, 1.0]}), period=1
    )
    assert [split.workload for split in found] == ["chat", "batch"]
    assert any("no work in period 1" in remark for remark in remarks)


def test_what_the_plan_drops_is_said() -> None:
    row = UnservedRow("chat", 0, None, None, 0.2, 20.0, 0.0, 0.0, 1.0)
    _, remarks = splits(plan(TWO, unserved=[row]), period=0)
    assert any("unserved" in remark for remark in remarks)


def test_largest_remainder_by_hand() -> None:
    """1/3 each of 100: floors 33, one left for the first; 0.4 % of 100 gets nothing, 0.6 % gets 1."""
    assert largest_remainder([1, 1, 1], 100) == [34, 33, 33]
    assert largest_remainder([0.996, 0.004], 100) == [100, 0]
    assert largest_remainder([0.994, 0.006], 100) == [99, 1]


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20), st.integers(1, 10_000))
def test_weights_sum_to_the_total_and_stay_within_one(shares: list[float], total: int) -> None:
    weights = largest_remainder(shares, total)
    assert sum(weights) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(weight - share / sum(shares) * total) < 1 + 1e-6


def test_a_time_falls_into_its_period() -> None:
    berlin = problem(periods=24, zone="Europe/Berlin")
    assert period_at(berlin, "2026-12-01T05:59") == 5
    assert period_at(berlin, "2026-12-01T05:00+00:00") == 6
    for wrong in ("2026-11-30T23:59", "2026-12-02T00:00", "noon"):
        with pytest.raises(InputError):
            period_at(berlin, wrong)


def test_a_plan_for_several_futures_needs_a_choice() -> None:
    several = plan(TWO)
    rows = tuple(dataclasses.replace(row, scenario="surge") for row in several.routes)
    with pytest.raises(InputError, match="several futures"):
        splits(dataclasses.replace(several, routes=rows))


# LiteLLM (that its own Router loads and keeps it: tests/ci_litellm_router.py)


def test_litellm_has_an_entry_per_deployment_with_weight_price_and_its_part_of_the_quota() -> None:
    """acme takes 60 chat + 50 batch requests in period 0: 6/11 and 5/11 of its quota of 900 requests a minute."""
    asked = problem()
    made = litellm(plan(TWO, of=asked), asked, period=0)
    found = configuration(made.text)
    assert set(found) == {"chat", "chat-fallback", "batch", "batch-fallback"}
    acme, zeta = found["chat"]["acme"], found["chat"]["zeta"]
    assert acme["litellm_params"] == {
        "model": "openai/m",
        "api_key": "os.environ/ACME_API_KEY",
        "api_base": "os.environ/ACME_API_BASE",
        "weight": 600,
        "rpm": 490,
        "tpm": 5454,
    }
    assert found["batch"]["acme"]["litellm_params"]["rpm"] == 409  # type: ignore[index]
    assert zeta["litellm_params"]["model"] == "together_ai/m"  # type: ignore[index]
    assert acme["model_info"] == {
        "id": "chat/acme/m",
        "input_cost_per_token": 6e-7,
        "output_cost_per_token": 1e-11,
        "cache_read_input_token_cost": 6e-7,
    }
    assert "order:" not in made.text
    assert any("acme: not in --map" in remark for remark in made.remarks)


def test_litellm_falls_back_to_the_cheapest_offer_that_the_plan_does_not_use() -> None:
    """chat runs on acme and zeta: spare (3) before dear (9). batch runs on acme: zeta (2)."""
    asked = problem()
    settings = yaml.safe_load(litellm(plan(TWO, of=asked), asked).text)["router_settings"]
    assert settings["routing_strategy"] == "simple-shuffle"
    assert settings["fallbacks"] == [{"chat": ["chat-fallback"]}, {"batch": ["batch-fallback"]}]
    found = configuration(litellm(plan(TWO, of=asked), asked).text)
    assert list(found["chat-fallback"]) == ["spare"]
    assert list(found["batch-fallback"]) == ["zeta"]
    without = yaml.safe_load(litellm(plan(TWO, of=asked), asked, fallbacks=False).text)
    assert "fallbacks" not in without["router_settings"]


def test_a_deployment_without_share_gets_no_entry() -> None:
    made = plan({("chat", "acme", "m"): [9999.0], ("chat", "zeta", "m"): [1.0], ("chat", "dear", "m"): [0.0]})
    exported = litellm(made, weights=100)
    assert list(configuration(exported.text)["chat"]) == ["acme"]
    assert any("gets no weight" in remark for remark in exported.remarks)


def test_the_map_names_models_keys_and_endpoints(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(
        "acme: {models: {m: hosted_vllm/llama}, api_key_env: KEY, api_base: 'https://acme.example/v1'}\n"
    )
    exported = litellm(plan(TWO), targets=read_targets(str(path)))
    params = configuration(exported.text)["chat"]["acme"]["litellm_params"]
    assert params["model"] == "hosted_vllm/llama"
    assert params["api_key"] == "os.environ/KEY"
    assert params["api_base"] == "https://acme.example/v1"
    assert not any(remark.startswith("acme:") for remark in exported.remarks)


def test_a_wrong_map_is_told_by_place(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("acme:\n  modle: openai/x\n")
    with pytest.raises(InputError, match=r"map.yaml, line 2.*acme.modle") as caught:
        read_targets(str(path))
    assert "model" in str(caught.value)
    with pytest.raises(InputError, match="acme"):
        Targets.model_validate({"offers": {"acmee": {}}}).check({"acme"})


def test_another_problem_is_refused() -> None:
    with pytest.raises(InputError, match="not the problem"):
        litellm(plan(TWO, of=problem()), problem(periods=3))


# Kubernetes gateways: fields and limits of the two APIs, as FORMAT pages and CRDs state them

SERVED = {
    ("chat", "acme", "m"): [1.0],
    ("chat", "h100", "m"): [1.0],
    ("chat", "h100", "n"): [1.0],
    ("Batch Jobs_2", "acme", "m"): [1.0],
}
RENTED = {("h100", "m"): [1.0], ("h100", "n"): [2.0]}


def test_gateway_api_routes_have_whole_weights_that_sum_to_100() -> None:
    documents = list(yaml.safe_load_all(gateway(plan(SERVED, RENTED), namespace="llm").text))
    assert [one["metadata"] for one in documents] == [
        {"name": "chat", "namespace": "llm"},
        {"name": "batch-jobs-2", "namespace": "llm"},
    ]
    for one in documents:
        assert (one["apiVersion"], one["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
        assert set(one["spec"]) == {"parentRefs", "rules"}
        (rule,) = one["spec"]["rules"]
        assert rule["matches"][0]["headers"][0]["type"] == "Exact"
        assert sum(ref["weight"] for ref in rule["backendRefs"]) == 100
        for ref in rule["backendRefs"]:
            assert isinstance(ref["weight"], int)
            if ref["kind"] == "InferencePool":
                assert ref["group"] == "inference.networking.k8s.io"
                assert "port" not in ref
            else:
                assert ref["kind"] == "Service"
                assert isinstance(ref["port"], int)
    refs = documents[0]["spec"]["rules"][0]["backendRefs"]
    assert [(ref["name"], ref["weight"]) for ref in refs] == [("acme", 34), ("h100-m", 33), ("h100-n", 33)]
    assert documents[1]["spec"]["rules"][0]["matches"][0]["headers"][0]["value"] == "Batch Jobs_2"


def test_envoy_ai_gateway_routes_override_the_model_and_set_no_priority() -> None:
    targets = Targets.model_validate(
        {"offers": {"acme": {"model": "openai/llama", "backend": "acme-backend"}}}
    )
    documents = list(yaml.safe_load_all(gateway(plan(SERVED, RENTED), form="envoy", targets=targets).text))
    one = documents[0]
    assert (one["apiVersion"], one["kind"]) == ("aigateway.envoyproxy.io/v1beta1", "AIGatewayRoute")
    refs = one["spec"]["rules"][0]["backendRefs"]
    assert refs == [
        {"name": "acme-backend", "weight": 34, "modelNameOverride": "llama"},
        {"name": "h100", "weight": 33, "modelNameOverride": "m"},
        {"name": "h100", "weight": 33, "modelNameOverride": "n"},
    ]


def test_envoy_asks_for_the_tier_of_an_offer_and_no_gateway_sends_batches() -> None:
    tiered = plan({("chat", "gpt-x:flex", "m"): [1.0]})
    (document,) = yaml.safe_load_all(gateway(tiered, form="envoy").text)
    (ref,) = document["spec"]["rules"][0]["backendRefs"]
    assert ref["bodyMutation"] == {"set": [{"path": "service_tier", "value": '"flex"'}]}
    (said, *_) = gateway(tiered).remarks
    assert said == "gpt-x:flex: an HTTPRoute cannot ask for service_tier flex; its backend must"
    with pytest.raises(InputError, match=r"gpt-x:batches.*a gateway sends no batches"):
        gateway(plan({("chat", "gpt-x:batches", "m"): [1.0]}))


def test_two_offers_under_one_kubernetes_name_are_refused() -> None:
    made = plan({("chat", "a.b", "m"): [1.0], ("chat", "a-b", "m"): [1.0]})
    with pytest.raises(InputError, match="Kubernetes name of both"):
        gateway(made)


def test_a_rule_takes_16_backends() -> None:
    made = plan({("chat", f"o{i}", "m"): [1.0] for i in range(17)})
    with pytest.raises(InputError, match="17 backends"):
        gateway(made)


# KEDA: the schedule is played back hour by hour, as its cron scaler reads it


def replicas(text: str, name: str, moment: datetime) -> int:
    """The most of the active triggers, at least the minimum. A window is active if its end comes before its start."""
    (spec,) = [one["spec"] for one in yaml.safe_load_all(text) if one["metadata"]["name"] == name]
    wanted = spec["minReplicaCount"]
    assert spec["triggers"], "KEDA refuses a ScaledObject without triggers"
    for trigger in spec["triggers"]:
        assert trigger["type"] == "cron"
        data = trigger["metadata"]
        assert set(data) == {"timezone", "start", "end", "desiredReplicas"}
        assert isinstance(data["desiredReplicas"], str)
        assert data["start"] != data["end"]
        local = moment.astimezone(ZoneInfo(data["timezone"]))
        if upcoming(data["end"], local) < upcoming(data["start"], local):
            wanted = max(wanted, int(data["desiredReplicas"]))
    assert wanted <= spec["maxReplicaCount"]
    return int(wanted)


def upcoming(cron: str, after: datetime) -> datetime:
    """The next time strictly after a moment at which `minute hour day month weekday` fires."""
    minute, hour, day, month, weekday = cron.split()
    for days in range(367):
        date = after.date() + timedelta(days=days)
        if day not in ("*", str(date.day)) or month not in ("*", str(date.month)):
            continue
        if weekday not in ("*", str(date.isoweekday() % 7)):
            continue
        found = datetime(date.year, date.month, date.day, int(hour), int(minute), tzinfo=after.tzinfo)
        if found.astimezone(UTC) > after.astimezone(UTC):
            return found.astimezone(UTC)
    raise AssertionError(cron)


DAY = [1, 1, 0, 0, 0, 2, 2, 3, 4, 4, 4, 4, 5, 5, 5, 5, 4, 4, 3, 3, 2, 2, 2, 1]
ONE = {("chat", "h100", "m"): [1.0]}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("repeat", ["never", "daily"])
def test_keda_runs_the_planned_count_in_every_hour(zone: str, repeat: str) -> None:
    asked = problem(periods=24, zone=zone)
    text = keda(plan(ONE, {("h100", "m"): DAY}, of=asked), asked, repeat=repeat).text
    start = datetime(2026, 12, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    for days in (0,) if repeat == "never" else (0, 1, 40):
        for hour, count in enumerate(DAY):
            moment = start + timedelta(days=days, hours=hour, minutes=30)
            assert replicas(text, "h100-m", moment) == count, (days, hour)


def test_keda_holds_the_last_count_when_nobody_renews_the_plan() -> None:
    asked = problem(periods=3)
    text = keda(plan(ONE, {("h100", "m"): [1, 0, 4]}, of=asked), asked).text
    for later in (3, 30, 3000):
        assert replicas(text, "h100-m", datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=later)) == 4


def test_keda_across_a_clock_change_stands_in_utc() -> None:
    """2026-10-25: 02:30 happens twice in Berlin. 6 periods from 00:00 local, which is 22:00 UTC of the day before."""
    asked = problem(periods=6, start="2026-10-25T00:00:00", zone="Europe/Berlin")
    counts = [1, 2, 3, 4, 5, 6]
    exported = keda(plan(ONE, {("h100", "m"): counts}, of=asked), asked)
    assert any("UTC" in remark for remark in exported.remarks)
    for hour, count in enumerate(counts):
        moment = datetime(2026, 10, 24, 22, 30, tzinfo=UTC) + timedelta(hours=hour)
        assert replicas(exported.text, "h100-m", moment) == count


def test_keda_weekly_and_constant() -> None:
    asked = problem(periods=168)
    counts = [1 + (t // 24) % 3 for t in range(168)]
    text = keda(
        plan(ONE, {("h100", "m"): counts, ("h100", "n"): [2] * 168}, of=asked), asked, repeat="weekly"
    ).text
    for hour in range(0, 3 * 168, 5):
        moment = datetime(2026, 12, 1, 0, 30, tzinfo=UTC) + timedelta(hours=hour)
        assert replicas(text, "h100-m", moment) == counts[hour % 168]
        assert replicas(text, "h100-n", moment) == 2


def test_keda_merges_equal_hours_and_rounds_fractions_up() -> None:
    asked = problem(periods=4)
    counts = [1.5, 1.2, 2.0000000001, 1.0]
    text = keda(plan(ONE, {("h100", "m"): counts}, of=asked), asked).text
    (one,) = yaml.safe_load_all(text)
    assert len(one["spec"]["triggers"]) == 1  # 2, 2, 2, then the least
    assert one["spec"]["maxReplicaCount"] == 2


@pytest.mark.parametrize(
    ("periods", "period_h", "repeat", "says"),
    [(24, 1, "weekly", "168 h"), (2, 0.001, "never", "whole minutes"), (9000, 1, "never", "no year")],
)
def test_keda_refuses_what_cron_cannot_tell(periods: int, period_h: float, repeat: str, says: str) -> None:
    asked = problem(periods=periods, period_h=period_h)
    with pytest.raises(InputError, match=says):
        keda(plan(ONE, {("h100", "m"): [1] * 2}, of=asked), asked, repeat=repeat)


# Terraform and CSV


def test_tfvars_are_plain_counts() -> None:
    text = tfvars(plan(ONE, {("h100", "m"): [1, 3.2], ("units", None): [0, 2]})).text
    assert json.loads(text)["router_instances"] == {
        "h100/m": {"offer": "h100", "model": "m", "max": 4, "by_period": [1, 4]},
        "units": {"offer": "units", "model": None, "max": 2, "by_period": [0, 2]},
    }


def test_csv_tables_hold_every_row_at_full_precision() -> None:
    made = plan({("chat", "acme", "m"): [1 / 3], ("chat", "zeta", "m"): [2 / 3]})
    found = tables(made)
    assert set(found) == {"routes.csv", "instances.csv", "cost_lines.csv"}
    rows = list(csv.DictReader(io.StringIO(found["routes.csv"])))
    assert [float(row["requests"]) for row in rows] == [1 / 3, 2 / 3]
    assert found["instances.csv"].startswith("offer,model,period")


# the commands


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A solved plan on disk with its problem."""
    source = tmp_path / "problem.yaml"
    source.write_text(
        """
schema: router/1
horizon: {periods: 2, period_h: 1, start: "2026-12-01T00:00:00"}
models: {m: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [7200, 3600]}, prompt_tokens: 300, completion_tokens: 100}
offers:
  - {name: api, models: {m: {prompt_usd_per_m: 9, completion_usd_per_m: 9}}}
  - {name: gpu, models: {m: {tokens_per_s: 500}}, instances: {usd_per_h: 2, max_utilisation: 1}}
""",
        encoding="utf-8",
    )
    made = tmp_path / "plan.json"
    assert cli.run(["solve", str(source), "-o", str(made)]) == 0
    return str(source), str(made)


def test_every_export_command_writes_its_file(files: tuple[str, str], tmp_path: Path) -> None:
    source, made = files
    out = tmp_path / "out"
    for command in (
        ["litellm", made, "--problem", source, "--at", "2026-12-01T01:30"],
        ["gateway", made, "--period", "1"],
        ["gateway", made, "--form", "envoy"],
        ["keda", made, "--problem", source],
        ["workers", made],
        ["tfvars", made],
    ):
        texts = set()
        for _ in range(2):
            assert cli.run(["export", *command, "-o", str(out)]) == 0
            texts.add(out.read_text(encoding="utf-8"))
        assert len(texts) == 1, "equal plans give equal text"
        assert yaml.safe_load_all(texts.pop())
        out.unlink()
    assert cli.run(["export", "csv", made, "-o", str(tmp_path / "tables")]) == 0
    assert (tmp_path / "tables" / "cost_lines.csv").is_file()


def test_wrong_options_end_with_2_and_write_nothing(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, made = files
    other = tmp_path / "other.yaml"
    other.write_text(Path(source).read_text(encoding="utf-8").replace("7200", "7201"), encoding="utf-8")
    out = tmp_path / "out"
    for command, says in (
        (["litellm", made, "--at", "2026-12-01T01:30"], "--at needs --problem"),
        (["litellm", made, "--period", "2"], "0 … 1"),
        (["litellm", made, "--problem", str(other)], "not the problem"),
        (["keda", made], "--problem"),
        (["gateway", made, "--weights", "0"], "--weights"),
        (["gateway", source], "is no"),
        (["litellm", made, "--scenario", "surge"], "not a scenario"),
    ):
        capsys.readouterr()
        assert cli.run(["export", *command, "-o", str(out)]) == 2, command
        assert says in capsys.readouterr().err
        assert not out.exists()


def test_keda_scales_to_zero_where_the_plan_ends_with_nothing() -> None:
    asked = problem(periods=3)
    text = keda(plan(ONE, {("h100", "m"): [4, 0, 0]}, of=asked), asked).text
    start = datetime(2026, 12, 1, 0, 30, tzinfo=UTC)
    assert [replicas(text, "h100-m", start + timedelta(hours=h)) for h in range(4)] == [4, 0, 0, 0]


def test_two_providers_behind_one_variable_are_refused(tmp_path: Path) -> None:
    """`G P` and `g-p` would both be at G_P_API_BASE: one would be called for the other. Names of their own will do."""
    text = """
schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {requests_per_hour: 9000}, prompt_tokens: 100, completion_tokens: 100}]
offers:
  - {name: "G P", models: {m: {tokens_per_s: 300}}, instances: {usd_per_h: 2, max: 1}}
  - {name: "g-p", models: {m: {tokens_per_s: 300}}, instances: {usd_per_h: 2, max: 1}}
"""
    made = load_text(text)
    found = api.solve(made)
    with pytest.raises(InputError, match='"G_P_API_BASE": is the environment variable of both G P and g-p'):
        litellm(found, made)
    names = tmp_path / "map.yaml"
    names.write_text("g-p: {api_key_env: OTHER_KEY, api_base: https://other.example/v1}")
    assert "OTHER_KEY" in litellm(found, made, targets=read_targets(str(names))).text
    same = text.replace(
        '{name: "g-p",', '{name: "g-p", provider: "G P",'
    )  # one provider: one key, one address
    made = load_text(same)
    assert litellm(api.solve(made), made).text


def test_workers_are_written_as_dynamo_and_llm_d_name_them() -> None:
    """Two roles by period; of all periods the most, rounded up. Two models are two releases of a chart."""
    made, rows = plan(ONE, {("own", "a"): [2, 3], ("own", "b"): [4, 0]}), []
    for row in made.instances:
        rows.append(dataclasses.replace(row, role="prefill"))
        rows.append(dataclasses.replace(row, role="decode", count=row.count / 2))
    made = dataclasses.replace(made, instances=tuple(rows))
    patches = list(yaml.safe_load_all(workers(made, namespace="ai").text))
    assert patches[0] == {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "own-a", "namespace": "ai"},
        "spec": {"services": {"VllmPrefillWorker": {"replicas": 3}, "VllmDecodeWorker": {"replicas": 2}}},
    }
    named = next(yaml.safe_load_all(workers(made, period=0, services=("P", "D")).text))
    assert named["spec"]["services"] == {"P": {"replicas": 2}, "D": {"replicas": 1}}
    with pytest.raises(InputError, match="own with a, own with b"):
        workers(made, form="llm-d")
    one = dataclasses.replace(made, instances=tuple(row for row in rows if row.model == "a"))
    assert yaml.safe_load(workers(one, form="llm-d").text) == {
        "prefill": {"replicas": 3},
        "decode": {"replicas": 2},
    }
    assert "no workers by role" in " ".join(workers(plan(ONE, {})).remarks)
